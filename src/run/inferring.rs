//! The columns of a table that nobody declared: as the table has recorded them, or as the first pages tell them.
//!
//! ```text
//! open plan ─┬─ the table has commits ──► its columns ─────────────────────────────────┐
//!            ├─ a dead run's checkpoint ► the columns that it had begun with ──────────┼─► complete plan ─► as any other
//!            └─ otherwise ─► first pages ─► observed ─► columns (the pages are put back)┘
//! ```
//!
//! Nothing is requested twice and no page is skipped: the pages that were looked at are decoded at their turn. Which pages
//! these are depends on their records alone, so the columns do not depend on timing.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::{
    RunError,
    change::Work,
    checkpoint::Resumed,
    error, evolving,
    fill::PAGES_PART,
    gathering,
    outcome::{Committed, Counters},
    resource::Export,
    shape::partition_spec,
    verdict,
};
use crate::{
    commit::{TableFormat, TableSnapshot},
    error::{Error, Result},
    fetch::{PageSource, PutBack},
    json::{Kind, Node},
    model::Page,
    plan::{Inference, MergeStrategy, ResourcePlan, TableFormatKind, inference::limits},
    process::{ProcessError, Processor},
    report::counted,
    schema::{ColumnsContract, Observed, TableSchema},
};

/// What the pages of a run begin with.
pub(super) enum Start {
    /// The first one.
    First,
    /// What follows the checkpoints of a run that died.
    Behind(Box<Resumed>),
    /// Pages that are on their way already.
    Taken(Box<dyn PageSource>),
    /// Pages that were looked at already, and what they and those behind them tell of the columns.
    Observed(Box<PutBack>, Box<Observed>),
}

/// What was inferred for one resource.
#[derive(Debug)]
pub struct Inferred {
    pub resource: String,
    /// The columns, and from how many records.
    pub result: Result<(TableSchema, u64)>,
}

/// The resource with the columns that its table has recorded; open as it was if there are none, or if they do not count.
pub(super) fn recorded(resource: &ResourcePlan, base: &TableSnapshot) -> Result<ResourcePlan, RunError> {
    match (&resource.inference, &base.schema) {
        (Some(inference), Some(schema)) if !inference.anew => complete(resource, schema),
        _ => Ok(resource.clone()),
    }
}

/// # Errors
/// [`RunError::Columns`] with what the config says of columns and does not fit these.
pub(super) fn complete(resource: &ResourcePlan, columns: &TableSchema) -> Result<ResourcePlan, RunError> {
    resource.complete(columns).map_err(|problems| RunError::Columns {
        resource: resource.name.clone(),
        problems: problems.errors().map(|problem| format!("\n  {problem}")).collect(),
        known: columns.columns.iter().map(|column| format!("`{}`", column.name)).collect(),
    })
}

/// The resource for a table that this run makes: `freeze` keeps the columns that a table has, and this one has none before the
/// run has ended, as in dlt. Versions of rows are told apart by all columns there are, so under `scd2` they stay those.
pub(super) fn of_new_table(mut resource: ResourcePlan, base: &TableSnapshot) -> ResourcePlan {
    let is_scd2 = matches!(resource.merge.strategy, MergeStrategy::Scd2(_));
    if base.schema.is_none() && resource.contract.columns == ColumnsContract::Freeze && !is_scd2 {
        resource.contract.columns = ColumnsContract::Evolve;
    }
    resource
}

/// The columns that records tell.
///
/// # Errors
/// [`RunError::NoFields`] without any field, [`RunError::TooManyColumns`] with more than `max_columns`, [`RunError::Clash`]
/// for two that would have one name.
pub(super) fn columns_of(
    observed: &Observed,
    resource: &ResourcePlan,
    format: TableFormatKind,
    max_columns: u64,
) -> Result<TableSchema, RunError> {
    let columns = observed.columns(&limits(resource.naming, format)).map_err(|clash| RunError::Clash {
        resource: resource.name.clone(),
        first: clash.first,
        second: clash.second,
        column: clash.column,
    })?;
    if columns.columns.is_empty() {
        return Err(RunError::NoFields { resource: resource.name.clone(), records: observed.records() });
    }
    if columns.leaves() > max_columns {
        let (resource, columns) = (resource.name.clone(), columns.leaves());
        return Err(RunError::TooManyColumns { resource, columns, limit: max_columns });
    }
    Ok(columns)
}

/// Looks at pages until there are enough records, or as many bytes as may be held. The pages stay to be handed on.
///
/// # Errors
/// What [`PutBack::take`] and [`Processor::process`] say of a page.
pub(super) async fn observe(pages: &mut PutBack, observing: &mut Observing) -> Result<()> {
    while observing.wants_more() {
        let Some(page) = pages.take().await else { break };
        let page = page?.clone();
        if let Some(empty) = observing.add(page).await? {
            pages.replace(empty);
        }
    }
    Ok(())
}

/// Returns the number of fields that are kept track of: beyond `max_columns` as many as the error counts.
pub(super) fn most_fields(max_columns: u64) -> usize {
    usize::try_from(max_columns.saturating_mul(error::COLUMNS_COUNTED)).unwrap_or(usize::MAX)
}

/// What pages have told of the columns so far, and when that is enough.
pub(super) struct Observing {
    pub(super) observed: Observed,
    processor: Arc<Processor>,
    rows: u64,
    held: u64,
    memory: u64,
}

impl Observing {
    pub(super) fn new(inference: &Inference, processor: Processor, memory: u64, max_columns: u64) -> Self {
        let observed = Observed::within(most_fields(max_columns));
        let processor = Arc::new(processor);
        Self { observed, processor, rows: inference.rows, held: 0, memory }
    }

    pub(super) fn wants_more(&self) -> bool {
        self.observed.records() < self.rows && self.held < self.memory
    }

    /// Returns what is to be held of a page in which the steps leave no record: what they left out, and not what came.
    pub(super) async fn add(&mut self, page: Page) -> Result<Option<Page>> {
        let came = page.document.bytes().len();
        let page = self.add_records(page).await?;
        let is_empty = page.count == 0;
        let held = if is_empty && page.rejects.is_empty() { page.document.bytes().len() } else { came };
        self.held += held as u64;
        Ok(Some(page).filter(|_| is_empty))
    }

    /// What `processing_steps` make of a page shows the columns; the page itself is handed on as it came.
    async fn add_records(&mut self, page: Page) -> Result<Page> {
        let (mut observed, processor) = (std::mem::take(&mut self.observed), Arc::clone(&self.processor));
        let added = spawn_blocking(move || {
            let page = processor.process(page)?;
            observed.leave_out(page.filtered, page.rejects.len() as u64);
            if let Some(index) = page.records {
                add_all(&mut observed, page.document.node(index), &processor)?;
            }
            processor.check_running()?;
            Ok::<_, Error>((observed, page))
        });
        let (observed, page) = added.await.map_err(|_| RunError::Observing).map_err(Error::from).flatten()?;
        self.observed = observed;
        Ok(page)
    }
}

/// A page may hold any number of records of any width: a stop is looked for at each of them.
fn add_all(observed: &mut Observed, records: Node<'_>, processor: &Processor) -> Result<(), ProcessError> {
    if records.kind() != Kind::Array {
        observed.add(records);
        return Ok(());
    }
    records.items().try_for_each(|record| {
        processor.check_running()?;
        observed.add(record);
        Ok(())
    })
}

impl Export<'_> {
    /// All that is left to do once the table is claimed; where the columns are open, they are inferred first.
    pub(super) async fn infer_and_commit(
        &self,
        table: &dyn TableFormat,
        work: &mut Work,
        start: Start,
        counters: &mut Counters,
    ) -> Result<Committed> {
        let Some(inference) = &self.resource.inference else {
            return self.stage_and_commit(table, work, start, counters).await;
        };
        let (mut pages, observed) = match start {
            Start::Observed(pages, observed) => (*pages, Some(*observed)),
            Start::Taken(pages) => (PutBack::new(pages), None),
            Start::First | Start::Behind(_) => (PutBack::new(self.pages(None)?), None),
        };
        let observed = match observed {
            Some(observed) => Ok(observed),
            None => self.observed(&mut pages, inference).await,
        };
        let inferred = match observed {
            Ok(observed) => self.infer(table, observed, work.base(), counters).await,
            Err(error) => Err(error),
        };
        match inferred {
            Ok(Some(resource)) => {
                let export = Export { resource: &resource, ..*self };
                export.stage_and_commit(table, work, Start::Taken(Box::new(pages)), counters).await
            }
            Ok(None) => self.without_records(table, work, &mut pages, counters).await,
            Err(error) => {
                counters.take(&pages);
                Err(error)
            }
        }
    }

    /// The columns alone, without a table.
    pub(super) async fn infer_alone(&self) -> Inferred {
        Inferred { resource: self.resource.name.clone(), result: self.first_columns().await }
    }

    pub(super) fn processor(&self) -> Processor {
        Processor::new(self.resource, self.environment)
    }

    async fn first_columns(&self) -> Result<(TableSchema, u64)> {
        let Some(inference) = &self.resource.inference else { return Ok((self.resource.schema.clone(), 0)) };
        let rows = self.family.rows_of_parent(self.resource, None, self.sources(), &mut Counters::default()).await?;
        let mut pages = PutBack::new(Export { rows: rows.as_ref(), ..*self }.pages(None)?);
        let observed = self.observed(&mut pages, inference).await?;
        if observed.records() == 0 {
            return Err(self.no_records(observed.left_out()));
        }
        let columns = columns_of(&observed, self.resource, self.table_format, self.max_columns)?;
        Ok((complete(self.resource, &columns)?.schema, observed.records()))
    }

    async fn observed(&self, pages: &mut PutBack, inference: &Inference) -> Result<Observed> {
        let mut observing = Observing::new(inference, self.processor(), self.memory / PAGES_PART, self.max_columns);
        observe(pages, &mut observing).await?;
        Ok(observing.observed)
    }

    /// The resource as its first pages complete it, in its table; `None` if no record came and the table has no columns either.
    async fn infer(
        &self,
        table: &dyn TableFormat,
        observed: Observed,
        base: &TableSnapshot,
        counters: &mut Counters,
    ) -> Result<Option<ResourcePlan>> {
        let columns = match (&base.schema, observed.records()) {
            (None, 0) => return Ok(None),
            (Some(recorded), 0) => recorded.clone(),
            _ => columns_of(&observed, self.resource, self.table_format, self.max_columns)?,
        };
        let completed = of_new_table(complete(self.resource, &columns)?, base);
        let resource = evolving::in_table(&completed, self.table_format, base)?;
        Export { resource: &resource, ..*self }.check_fits(base)?;
        table.check_shape(base.version, &resource.schema, &partition_spec(&resource)).await?;
        // Later runs keep to what the table has recorded, and say nothing of it.
        let is_first = base.schema.is_none() || self.resource.inference.as_ref().is_some_and(|plan| plan.anew);
        if observed.records() > 0 && is_first {
            self.note(counters, said(&observed));
        }
        Ok(Some(resource))
    }

    fn no_records(&self, (filtered, rejected): (u64, u64)) -> Error {
        RunError::NoRecords { resource: self.resource.name.clone(), filtered, rejected }.into()
    }

    /// Leaves the table as it is: a version has columns, and there is nothing to infer any from.
    async fn without_records(
        &self,
        table: &dyn TableFormat,
        work: &mut Work,
        pages: &mut PutBack,
        counters: &mut Counters,
    ) -> Result<Committed> {
        // More of them may come than may be held; what comes then is no end of the list.
        let next = pages.take().await.map(|page| page.map(drop));
        counters.take(pages);
        verdict::check(self.resource, counters)?;
        let rejects = self.leave_out_all(table, pages, counters).await?;
        let (filtered, rejected) = (counters.rows_filtered, counters.rows_rejected);
        self.check_rejects(counters, rejects)?;
        if let Some(next) = next {
            next?;
            return Err(self.no_records((filtered, rejected)));
        }
        if let Some(rows) = self.family.rows_for(&self.resource.name) {
            let shortfall = gathering::shortfall(self.resource, pages);
            self.family.keep(&self.resource.name, Some(rows.short(shortfall)));
        }
        self.warn(counters, format!("{}: no table was made", error::no_records(filtered, rejected)));
        let version = work.base().version;
        work.abandon().await?;
        Ok(Committed { version, ..Committed::default() })
    }

    /// Counts what pages without a record have left out, and writes the rejects down.
    async fn leave_out_all(
        &self,
        table: &dyn TableFormat,
        pages: &PutBack,
        counters: &mut Counters,
    ) -> Result<Option<String>> {
        let mut rejects = table.workspace().rejects(self.run_id);
        for page in pages.taken() {
            counters.rows_filtered += page.filtered;
            counters.rows_duplicate += page.duplicates;
            counters.rows_rejected += page.rejects.len() as u64;
            for reject in &page.rejects {
                counters.count_reject(reject);
                rejects.write(reject).await?;
            }
        }
        counters.pages = pages.taken().count() as u64;
        counters.rows_fetched = counters.rows_filtered + counters.rows_duplicate + counters.rows_rejected;
        rejects.finish().await
    }
}

fn said(observed: &Observed) -> String {
    format!(
        "the schema was inferred from the first {}, and later runs keep to it; `--write-schema FILE` writes it down, to be \
         declared as `schema: FILE`",
        counted(observed.records(), "record")
    )
}
