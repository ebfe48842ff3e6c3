//! Keeping tables: what they are, whether they are what their commits say, and making them smaller without changing a row.
//!
//! ```text
//!  Plan ──Lake::open──► Lake ─┬─ look ─► status, verify, files, export-state      read only: nothing is claimed or finished
//!                             └─ open ─► compact, vacuum, import-state            one commit each, or none
//! ```
//!
//! Everything works on `dyn TableFormat`, so that plain Parquet and Delta are kept alike. What the table *is* is taken from
//! its commits (schema, partition spec), how it is to be written from the plan (sizes, order, compression). Only the names
//! that restlake gives itself are ever deleted.

mod compact;
mod error;
mod files;
mod spec;
mod status;
mod transfer;
mod vacuum;
mod verify;

use std::time::Duration;

use futures::TryStreamExt;

pub use self::{
    compact::{CompactOptions, Compacted, compact, is_fragmented},
    error::MaintainError,
    files::{FileEntry, TableFiles, files},
    status::{ColumnStatus, RunStatus, TableStatus, status},
    transfer::{Imported, PipelineState, TableState, export_state, import_state},
    vacuum::{VacuumOptions, Vacuumed, vacuum, vacuum_plan},
    verify::{Finding, Problem, Verified, VerifyOptions, verify},
};
use crate::{
    commit::{self, CommitError, StoredObject, TableFormat, TableSnapshot},
    environment::Environment,
    error::Result,
    model::TableIdentity,
    plan::{Plan, ResourcePlan},
    store::{self, Store, TableStore},
};

/// All that is not data of a plain Parquet table lies below this directory.
const HIDDEN: &str = "_restlake/";

/// The destination of a plan, opened to keep its tables.
#[derive(Debug)]
pub struct Lake {
    plan: Plan,
    store: Store,
    environment: Environment,
}

impl Lake {
    /// Opens the plan's destination. Sends and creates nothing.
    ///
    /// # Errors
    /// A URL or an option that cannot be understood.
    pub fn open(plan: Plan, environment: Environment) -> Result<Self> {
        let store = store::open(&plan.destination, &|name| std::env::var(name).ok())?;
        Ok(Self::new(plan, store, environment))
    }

    /// The plan's tables in a store that is open already.
    pub fn new(plan: Plan, store: Store, environment: Environment) -> Self {
        Self { plan, store, environment }
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The destination as it may be shown: without secrets.
    pub fn shown(&self) -> &str {
        self.store.shown()
    }

    /// A resource's table, to read only; it need not exist.
    pub fn look(&self, resource: &ResourcePlan) -> Result<Box<dyn TableFormat>> {
        let (environment, format) = (self.environment.clone(), self.plan.table_format);
        commit::look(&self.store, &resource.table, self.identity(resource), environment, format)
    }

    /// Opens a resource's table for changes. Attempts of dead runs are finished or deleted first.
    pub async fn table(&self, resource: &ResourcePlan) -> Result<Box<dyn TableFormat>> {
        let (environment, format) = (self.environment.clone(), self.plan.table_format);
        commit::open(&self.store, &resource.table, self.identity(resource), environment, format).await
    }

    /// Returns the default options of [`compact`](Self::compact).
    pub fn compact_options(&self, resource: &ResourcePlan) -> CompactOptions {
        CompactOptions {
            target_size: resource.parquet.target_file_size,
            min_files: 2,
            memory: self.plan.memory_limit,
            rewrite_schema: false,
            run_id: self.environment.run_id(self.environment.clock.now()),
        }
    }

    /// [`compact`]s a resource's table, as a run of its own.
    pub async fn compact(&self, resource: &ResourcePlan, options: &CompactOptions) -> Result<Compacted> {
        let table = self.table_without_debts(resource).await?;
        let compacted = compact(table.as_ref(), &self.identity(resource), resource, &self.environment, options).await;
        finish(table.as_ref(), compacted).await
    }

    /// [`vacuum`]s a resource's table; with `dry_run`, returns what that would delete.
    pub async fn vacuum(&self, resource: &ResourcePlan, retain: Duration, dry_run: bool) -> Result<Vacuumed> {
        let options = VacuumOptions { retain, now: self.environment.clock.now(), format: self.plan.table_format };
        let looked_at = self.look(resource)?;
        check_found(looked_at.as_ref(), &looked_at.snapshot().await?, &self.identity(resource)).await?;
        let planned = vacuum_plan(looked_at.as_ref(), &options).await?;
        if dry_run {
            return Ok(planned);
        }
        vacuum(self.table(resource).await?.as_ref(), &planned, &options, &self.environment.shutdown).await
    }

    /// [`import_state`] into a resource's table, as a run of its own.
    pub async fn import(&self, resource: &ResourcePlan, state: &TableState) -> Result<Imported> {
        let table = self.table_without_debts(resource).await?;
        let imported = import_state(
            table.as_ref(),
            &self.identity(resource),
            resource,
            &self.environment.run_id(self.environment.clock.now()),
            state,
        )
        .await;
        finish(table.as_ref(), imported).await
    }

    /// A table that owes nobody an answer: a new version would hide that a run died after its commit, and make useless what
    /// a run can go on with.
    async fn table_without_debts(&self, resource: &ResourcePlan) -> Result<Box<dyn TableFormat>> {
        let table = self.table(resource).await?;
        let workspace = table.workspace();
        let name = resource.table.clone();
        if let Some(died) = workspace.died_after_commit() {
            let (version, committed_at) = (died.version, died.committed_at);
            return Err(MaintainError::DiedRun { table: name, version, committed_at }.into());
        }
        let newest = table.newest().await?;
        workspace.discard_stale(newest, resource.checkpoint.resume_within).await?;
        if let Some(resumable) = workspace.resumable(newest).await? {
            let files = resumable.checkpoints().iter().flat_map(|checkpoint| &checkpoint.files);
            let rows = files.map(|file| file.staged.file.rows).sum();
            return Err(MaintainError::Resumable { table: name, rows }.into());
        }
        Ok(table)
    }

    pub fn identity(&self, resource: &ResourcePlan) -> TableIdentity {
        TableIdentity { pipeline: self.plan.pipeline.clone(), resource: resource.name.clone() }
    }
}

/// The end of a run of our own: its claim goes, whatever came of it.
async fn finish<T>(table: &dyn TableFormat, done: Result<T>) -> Result<T> {
    if let Some(held) = table.workspace().held().await {
        held.release().await?;
    }
    done
}

/// Checks that a table opened for reading has the expected owner and format. A table of another format seems to have no version.
/// Opening for writing includes this check.
async fn check_found(table: &dyn TableFormat, snapshot: &TableSnapshot, wanted: &TableIdentity) -> Result<()> {
    if snapshot.version == 0 {
        table.check_format().await?;
    }
    match snapshot.identity.as_ref().filter(|found| *found != wanted) {
        None => Ok(()),
        Some(found) => Err(CommitError::AnotherTable {
            table: table.workspace().table().shown(""),
            found: Box::new(found.clone()),
            wanted: Box::new(wanted.clone()),
        }
        .into()),
    }
}

/// The last part of a path: a file's name.
fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// The version that made a data file, by its name `part-<10 digits>-<5>-<5>.parquet`; `None` for a name that restlake does
/// not give.
fn version_of(path: &str) -> Option<u64> {
    let parts: Vec<&str> = name_of(path).strip_prefix("part-")?.strip_suffix(".parquet")?.split('-').collect();
    let digits = |text: &str, least: usize| text.len() >= least && text.bytes().all(|byte| byte.is_ascii_digit());
    match parts.as_slice() {
        [version, position, sequence] if digits(version, 10) && digits(position, 5) && digits(sequence, 5) => {
            version.parse().ok()
        }
        _ => None,
    }
}

/// [`version_of`] a file of a table whose log names its files: there the turn of its attempt may end the name.
fn version_in_log(path: &str) -> Option<u64> {
    let without_turn = || {
        let (stem, turn) = path.strip_suffix(".parquet")?.rsplit_once('-')?;
        let is_turn = !turn.is_empty() && turn.bytes().all(|byte| byte.is_ascii_digit());
        is_turn.then(|| version_of(&format!("{stem}.parquet")))?
    };
    version_of(path).or_else(without_turn)
}

/// Every object of a table, by path.
async fn objects(table: &TableStore) -> Result<Vec<StoredObject>> {
    let listed: Vec<_> = table.list("")?.try_collect().await?;
    let object =
        |meta: object_store::ObjectMeta| Some(StoredObject { path: table.path_of(&meta.location)?, bytes: meta.size });
    let mut objects: Vec<_> = listed.into_iter().filter_map(object).collect();
    objects.sort_unstable();
    Ok(objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_restlake_gives_have_a_version() {
        assert_eq!(version_of("status=a/part-0000000012-00000-00003.parquet"), Some(12));
        assert_eq!(version_of("part-12345678901-00000-123456.parquet"), Some(12_345_678_901));
        for other in [
            "part-0000000012-00000-00003.parquet.crc",
            "part-12-00000-00003.parquet",
            "part-0000000012-00000.parquet",
            "part-0000000012-00000-00003-1.parquet",
            "part-00000000+2-00000-00003.parquet",
            "part-0000000012-00000-00003-c000.snappy.parquet",
            "data.parquet",
        ] {
            assert_eq!(version_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_turn_ends_the_name_of_a_file_only_where_a_log_names_it() {
        assert_eq!(version_in_log("a=1/part-0000000012-00000-00003-1.parquet"), Some(12));
        assert_eq!(version_in_log("part-0000000012-00000-00003.parquet"), Some(12));
        for other in
            ["part-0000000012-00000-00003-1-1.parquet", "part-0000000012-00000-00003-.parquet", "data-1.parquet"]
        {
            assert_eq!(version_in_log(other), None, "{other}");
        }
    }
}
