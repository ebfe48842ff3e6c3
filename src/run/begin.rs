//! How the export of a resource begins: the table is free and fits, an attempt is claimed or taken over from a run that died.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};

use super::{
    RunError,
    checkpoint::Resumed,
    cursor::{self, Bound},
    evolving, inferring,
    outcome::Counters,
    resource::Export,
    rows::Rows,
    shape::partition_spec,
    span,
};
use crate::{
    commit::{Attempt, DiedAfterCommit, LivingOwner, Resumable, TableFormat, TableSnapshot},
    error::{Result, chain},
    model::Operation,
    plan::{Range, ResourcePlan, WriteDisposition},
    report::{Event, counted},
};

/// How many attempts of dead runs are looked at before a new one is begun.
const MOST_TRIES: usize = 16;

/// How many commits of one run are looked back at: what it appended, and what it did to the files after that.
const COMMITS_OF_A_RUN: usize = 8;

/// What is left to do.
pub(super) enum Beginning {
    Work(Box<Begun>),
    /// A run that died, or failed elsewhere, had committed what this one is to append.
    Done(DiedAfterCommit),
    /// All that the resource's windows cover has been read.
    Nothing(Box<TableSnapshot>, Option<Arc<Rows>>),
}

/// What a claimed table leads to.
enum Next {
    Done(DiedAfterCommit),
    Nothing(Option<Arc<Rows>>),
    GoOn(Box<Asked>, Attempt, Box<Resumed>),
    Anew(Box<Asked>),
}

pub(super) struct Begun {
    pub(super) base: TableSnapshot,
    pub(super) attempt: Attempt,
    pub(super) asked: Asked,
    pub(super) resumed: Option<Resumed>,
}

/// What is to be asked for.
pub(super) struct Asked {
    /// With the schema that the table has from now on.
    pub(super) resource: Box<ResourcePlan>,
    /// Ranges that are to be read behind that of the resource.
    pub(super) later: Vec<Range>,
    /// What its parent's records hold for it, if it has one.
    pub(super) rows: Option<Arc<Rows>>,
}

impl Export<'_> {
    /// Claims the table for this run. Nothing has been requested when it fails.
    pub(super) async fn begin(&self, table: &dyn TableFormat, counters: &mut Counters) -> Result<Beginning> {
        let base = table.snapshot().await?;
        self.check_fits(&base)?;
        let attempt = table.attempt(base.version).await?;
        let (base, attempt) = self.free(table, base, attempt).await?;
        let next = match self.next(table, &base, counters).await {
            Ok(Next::Anew(asked)) => {
                return Ok(Beginning::Work(Box::new(Begun { base, attempt, asked: *asked, resumed: None })));
            }
            Ok(Next::Nothing(rows)) => Ok(Beginning::Nothing(Box::new(base), rows)),
            Ok(Next::GoOn(asked, attempt, resumed)) => {
                self.warn(counters, went_on_from(&resumed));
                *counters = Counters::resume(resumed.counters.clone(), std::mem::take(counters));
                Ok(Beginning::Work(Box::new(Begun { base, attempt, asked: *asked, resumed: Some(*resumed) })))
            }
            Ok(Next::Done(died)) => {
                self.warn(counters, finished_by(&died));
                Ok(Beginning::Done(died))
            }
            Err(error) => Err(error),
        };
        // What was claimed to find this out is not needed; the next run takes away what can't be deleted now.
        let _ = attempt.abandon().await;
        next
    }

    async fn next(&self, table: &dyn TableFormat, base: &TableSnapshot, counters: &mut Counters) -> Result<Next> {
        if let Some(died) = self.already_appended(table, base).await? {
            // The same command may be cut off again before it is over: then it is found once more.
            table.workspace().take_died().await?;
            return Ok(Next::Done(died));
        }
        let mut resource = Box::new(evolving::in_table(self.resource, self.table_format, base)?);
        // Columns that are not known yet have no shape.
        if resource.inference.is_none() {
            table.check_shape(base.version, &resource.schema, &partition_spec(&resource)).await?;
        }
        let known = span::known(self.configured, base);
        let rows = self.family.rows_of_parent(&resource, known.as_ref(), self.sources(), counters).await?;
        let stored = base.state.cursor.as_ref();
        let bound = cursor::bind(&mut resource, stored, rows.as_deref(), self.began)?;
        let Bound { mut later, warning, is_idle } = bound;
        // Those of a window are those of the whole run.
        let is_first = self.resource.incremental.as_ref().is_none_or(|plan| plan.range.is_none());
        // A table that is not there yet has everything to come.
        let behind = self.family.behind(&resource, known.as_ref()).filter(|_| base.version > 0);
        for warning in behind.into_iter().chain(warning).chain(self.appends_again()).filter(|_| is_first) {
            self.warn(counters, warning);
        }
        if is_idle {
            return Ok(Next::Nothing(rows));
        }
        let export = Export { resource: &resource, rows: rows.as_ref(), ..*self };
        let adopted = export.adopt(table, base, counters).await?;
        Ok(match adopted {
            Some((attempt, resumed)) => {
                if let Some(range) = &resumed.range {
                    later = cursor::go_on(&mut resource, range.clone(), self.began)?;
                }
                let completed = inferring::complete(&resource, &resumed.schema)?;
                let resource = Box::new(inferring::of_new_table(completed, base));
                Next::GoOn(Box::new(Asked { resource, later, rows }), attempt, Box::new(resumed))
            }
            None => Next::Anew(Box::new(Asked { resource, later, rows })),
        })
    }

    /// What an append that leaves the cursor where it is comes to.
    fn appends_again(&self) -> Option<String> {
        let plan = self.resource.incremental.as_ref()?;
        let appends = self.resource.write_disposition == WriteDisposition::Append;
        let why = match self.resource.max_pages {
            Some(_) => {
                "of the first pages alone leaves the cursor where it is: the next one appends these records again"
            }
            None if plan.is_interval => {
                "of an interval appends it again each time it is run: `write_disposition: merge` by a key does not"
            }
            None => return None,
        };
        appends.then(|| format!("a run {why}"))
    }

    /// Makes sure that no other run works on the table, and that it is at the version that the attempt builds on.
    async fn free(
        &self,
        table: &dyn TableFormat,
        mut base: TableSnapshot,
        mut attempt: Attempt,
    ) -> Result<(TableSnapshot, Attempt)> {
        loop {
            if let Err(error) = self.wait_or_give_up(table, &attempt).await {
                let _ = attempt.abandon().await;
                return Err(error);
            }
            let newest = match table.snapshot().await {
                Ok(newest) => newest,
                Err(error) => {
                    let _ = attempt.abandon().await;
                    return Err(error);
                }
            };
            if newest.version == base.version {
                return Ok((newest, attempt));
            }
            base = newest;
            if let Err(error) = self.check_fits(&base) {
                let _ = attempt.abandon().await;
                return Err(error);
            }
            (attempt, _) = table.workspace().rebase(attempt, Vec::new(), base.version).await?;
        }
    }

    async fn wait_or_give_up(&self, table: &dyn TableFormat, attempt: &Attempt) -> Result<()> {
        let workspace = table.workspace();
        let Some(owner) = workspace.living(attempt).await? else { return Ok(()) };
        if !self.wait {
            return Err(workspace.busy(owner).into());
        }
        let message =
            format!("waits for process {} on {}, which has worked since {}", owner.pid, owner.host, owner.since);
        self.reporter.on_event(&Event::Warning { resource: &self.resource.name, message: &message });
        self.claims.begin_to_wait().await;
        let gives_up = |owner: &LivingOwner| self.claims.are_in_the_way_of(owner);
        let waited = workspace.wait_until_free(attempt, &self.environment.shutdown, &gives_up).await;
        self.claims.end_to_wait().await;
        if let Some(LivingOwner { host, pid, .. }) = waited? {
            return Err(RunError::Circle { table: workspace.table().shown(""), host, pid }.into());
        }
        // Who was waited for may have died.
        table.recover().await
    }

    /// Whether a run that died after its commit, or failed elsewhere, had appended what this one, the same command again, is about to.
    ///
    /// A schedule's next run comes later than `resume_within`, and appends; so does one with another config.
    async fn already_appended(&self, table: &dyn TableFormat, base: &TableSnapshot) -> Result<Option<DiedAfterCommit>> {
        let Some(died) = table.workspace().died_after_commit() else { return Ok(None) };
        // With a cursor the same command again asks for what comes after that.
        let appends =
            self.resume && self.resource.write_disposition == WriteDisposition::Append && !self.asks_for_new_rows();
        let committed = DateTime::parse_from_rfc3339(&died.committed_at).map(|moment| moment.with_timezone(&Utc));
        // A run that had begun before the commit is no repetition of the one that made it.
        let is_repeated = committed.is_ok_and(|moment| self.began > moment && self.is_recent(moment));
        if !appends || died.version != base.version || !is_repeated {
            return Ok(None);
        }
        // It may have joined small files after it had appended.
        let of_the_run = table.history(COMMITS_OF_A_RUN).await?.into_iter().take_while(|it| it.run_id == died.run_id);
        let appended = of_the_run.into_iter().find(|record| record.operation == Operation::Append);
        let fingerprint = self.fingerprint(None)?;
        Ok(appended.map(DiedAfterCommit::from).filter(|died| died.fingerprint.as_ref() == Some(&fingerprint)))
    }

    fn is_recent(&self, moment: DateTime<Utc>) -> bool {
        self.age(moment) <= self.resource.checkpoint.resume_within
    }

    /// Returns the age of a checkpoint; zero if it lies ahead of the clock, since resuming it neither repeats nor loses a record.
    fn age(&self, moment: DateTime<Utc>) -> Duration {
        self.environment.clock.now().signed_duration_since(moment).to_std().unwrap_or_default()
    }

    /// Takes over what a dead run left in checkpoints, if this run would have made the same; deletes it otherwise.
    async fn adopt(
        &self,
        table: &dyn TableFormat,
        base: &TableSnapshot,
        counters: &mut Counters,
    ) -> Result<Option<(Attempt, Resumed)>> {
        let workspace = table.workspace();
        let fingerprint = self.fingerprint(Some(self.memory))?;
        for _ in 0..MOST_TRIES {
            let Some(resumable) = workspace.resumable(base.version).await? else { return Ok(None) };
            if let Some(objection) = self.objection(&resumable, &fingerprint) {
                self.warn(counters, objection);
                workspace.discard(resumable).await?;
                continue;
            }
            let resumed = match Resumed::new(resumable.checkpoints()) {
                Ok(Some(resumed)) => resumed,
                Ok(None) => return Ok(None),
                Err(error) => {
                    self.warn(counters, format!("starts over: {}", chain(&error)));
                    workspace.discard(resumable).await?;
                    continue;
                }
            };
            if self.resource.detects_anew && resumed.position.retries().is_some() {
                let run = &resumed.run_id;
                self.warn(
                    counters,
                    format!("starts over, although the run {run} has left checkpoints: --full-refresh"),
                );
                workspace.discard(resumable).await?;
                continue;
            }
            if let Some(attempt) = workspace.adopt(resumable).await? {
                return Ok(Some((attempt, resumed)));
            }
        }
        Ok(None)
    }

    /// Why a dead run's checkpoints are of no use.
    fn objection(&self, resumable: &Resumable, fingerprint: &str) -> Option<String> {
        let last = resumable.checkpoints().last()?;
        let run = &last.run_id;
        if !self.resume {
            return Some(format!("starts over, although the run {run} has left checkpoints: --no-resume"));
        }
        if resumable.checkpoints().iter().any(|checkpoint| checkpoint.fingerprint != fingerprint) {
            let what = match self.rows {
                Some(_) => "the config, the schema or the parent's records have changed",
                None => "the config or the schema has changed",
            };
            return Some(format!("starts over: {what} since the run {run} left its checkpoints"));
        }
        let within = self.resource.checkpoint.resume_within;
        match resumable.written_at() {
            Some(moment) if self.is_recent(moment) => None,
            Some(moment) => {
                let minutes = self.age(moment).as_secs() / 60;
                let within = within.as_secs() / 60;
                Some(format!(
                    "starts over: the run {run} left its checkpoints {minutes} min ago, and resume_within is {within} min"
                ))
            }
            None => Some(format!("starts over: the checkpoints of the run {run} do not tell their time")),
        }
    }

    /// Reports what is as it should be, and good to know.
    pub(super) fn note(&self, counters: &mut Counters, message: String) {
        tracing::info!(resource = self.resource.name, "{message}");
        self.reporter.on_event(&Event::Note { resource: &self.resource.name, message: &message });
        counters.notes.push(message);
    }

    pub(super) fn warn(&self, counters: &mut Counters, message: String) {
        tracing::warn!(resource = self.resource.name, "{message}");
        self.reporter.on_event(&Event::Warning { resource: &self.resource.name, message: &message });
        counters.warnings.push(message);
    }
}

fn finished_by(died: &DiedAfterCommit) -> String {
    format!(
        "the run {} did not end well after it had committed version {}: its rows are in the table, and were not appended again \
         (--no-resume appends them)",
        died.run_id, died.version
    )
}

fn went_on_from(resumed: &Resumed) -> String {
    let rows: u64 = resumed.files.iter().map(|file| file.file.rows).sum();
    let (pages, run) = (resumed.position.pages(), &resumed.run_id);
    if let Some(lists) = resumed.position.retries() {
        let lists = counted(lists as u64, "incomplete list");
        return format!("requests only {lists} again; the other lists are in the checkpoints of the run {run}");
    }
    format!(
        "resumed after page {pages}, with {} in {}, where the run {} died",
        counted(rows, "row"),
        counted(resumed.files.len() as u64, "file"),
        resumed.run_id
    )
}
