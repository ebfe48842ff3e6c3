//! A table's schema over time: what a run may change about it, and how it grows while pages come.
//!
//! ```text
//! table's schema ┐                                    page decoded with the schema of its time
//! declared one ──┴─► in_table ─► schema of the run ─►  │ its turn, in page order
//!                    (or refused)                      ▼
//!                                        undeclared field? ─► grow ─► decode again ─► rows, and the new schema before them
//! ```
//!
//! Pages are decoded side by side, and the schema grows in page order alone: a page that was decoded too early is decoded
//! again at its turn if a column that came since, or may come now, is in it. So what comes out does not depend on timing.
//! Files that were closed before the schema had grown are written again at the end: a table has one schema.

mod retyping;

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::task::{JoinHandle, spawn_blocking};

use self::retyping::Fixed;
use super::{RunError, detected, empty_columns::fields_of, inferring, pipeline::Staged, shape::partition_spec};
use crate::{
    commit::{Attempt, TableSnapshot},
    decode::{DecodeError, Decoder, Seen, Sieve},
    error::{Error, Result},
    memory::{Draining, Hold},
    model::{Batch, DataFile, EncodedFile, Page, StagedFile, UndeclaredField},
    plan::{ResourcePlan, TableFormatKind, WriteDisposition, inference::limits},
    process::Processor,
    schema::{
        Column, ColumnType, ColumnsContract, DataTypeContract, Naming, SchemaChange, Source, TableSchema,
        change::{self, side_by_side},
    },
    store::TableStore,
    write::{WriteOptions, adapt},
};

/// Files that are written again at the same time: while one is encoded, the next is read.
const REWRITES_AT_ONCE: usize = 2;

/// The resource with the schema that its table has from now on: the declared or recorded one, and what the table got by
/// `evolve`. Open as it was if nothing is declared, nor recorded.
///
/// # Errors
/// [`RunError::ShapeChanged`] if the table's files do not allow it, [`RunError::RewriteLimit`] if there are too many of them.
pub(super) fn in_table(
    resource: &ResourcePlan,
    format: TableFormatKind,
    base: &TableSnapshot,
) -> Result<ResourcePlan, RunError> {
    let mut resource = inferring::recorded(resource, base)?;
    detected::recall(&mut resource, base.state.detected.as_ref());
    if resource.inference.is_some() {
        return Ok(resource);
    }
    // What came by `evolve` stays known where no row is left; the log of a Delta table can't forget a column at all.
    let remembers = format == TableFormatKind::Delta || resource.write_disposition != WriteDisposition::Replace;
    if let Some(table) = base.schema.as_ref().filter(|_| remembers) {
        resource.schema = change::wanted(Some(table), &resource.schema);
    }
    if format == TableFormatKind::Delta {
        fits_log(&resource, base)?;
    }
    let Some(table) = kept_schema(&resource, base) else { return Ok(resource) };
    same_partitions(&resource, base, format)?;
    let partition_by: Vec<usize> = resource.partition_by.iter().map(|field| field.column).collect();
    match change::compare(table, &resource.schema, &partition_by) {
        SchemaChange::Same => {}
        SchemaChange::Compatible => within_limit(&resource, base)?,
        SchemaChange::Refused(reasons) => return Err(columns_changed(&resource, table, &reasons, format)),
    }
    Ok(resource)
}

fn columns_changed(
    resource: &ResourcePlan,
    table: &TableSchema,
    reasons: &[String],
    format: TableFormatKind,
) -> RunError {
    RunError::ShapeChanged {
        table: resource.table.clone(),
        format,
        what: "schema",
        reasons: reasons.join("; "),
        shapes: side_by_side(table, &resource.schema),
    }
}

/// Delta's log keeps a table's columns and its partition spec, whatever becomes of the rows: what it cannot take on must show
/// before the first request, and not at the commit.
fn fits_log(resource: &ResourcePlan, base: &TableSnapshot) -> Result<(), RunError> {
    let Some(table) = &base.schema else { return Ok(()) };
    same_partitions(resource, base, TableFormatKind::Delta)?;
    let reasons = unfit_for_log(table, &resource.schema);
    if reasons.is_empty() {
        return Ok(());
    }
    Err(columns_changed(resource, table, &reasons, TableFormatKind::Delta))
}

fn has_struct(data_type: &ColumnType) -> bool {
    match data_type {
        ColumnType::Struct(_) => true,
        ColumnType::List(inner) | ColumnType::Map(inner) => has_struct(inner),
        _ => false,
    }
}

/// The schema of the files that stay in the table; `None` where none with rows does.
fn kept_schema<'a>(resource: &ResourcePlan, base: &'a TableSnapshot) -> Option<&'a TableSchema> {
    let stays = base.rows > 0 && resource.write_disposition != WriteDisposition::Replace;
    base.schema.as_ref().filter(|_| stays)
}

/// The schema of the table's files, if it is not the resource's: they are written again then.
pub(super) fn older_schema(resource: &ResourcePlan, base: &TableSnapshot) -> Option<TableSchema> {
    kept_schema(resource, base).filter(|table| table.to_arrow() != resource.schema.to_arrow()).cloned()
}

fn same_partitions(resource: &ResourcePlan, base: &TableSnapshot, format: TableFormatKind) -> Result<(), RunError> {
    let spec = partition_spec(resource);
    if base.partition_by == spec {
        return Ok(());
    }
    let reasons = match format {
        TableFormatKind::Parquet => "the rows that are there lie in the directories of the old one",
        TableFormatKind::Delta => "a Delta table keeps the one that it was made with",
    };
    Err(RunError::ShapeChanged {
        table: resource.table.clone(),
        format,
        what: "partition spec",
        reasons: reasons.to_owned(),
        shapes: format!("  table:  {}\n  config: {}", base.partition_by.join(", "), spec.join(", ")),
    })
}

/// Columns that are gone or of another type: the log has no place for that, as far as its kernel goes.
fn unfit_for_log(table: &TableSchema, wanted: &TableSchema) -> Vec<String> {
    let unfit = |column: &Column| {
        let now = wanted.index_of(&column.name).and_then(|index| wanted.columns.get(index));
        let Some(now) = now else { return Some(format!("the column `{}` is gone", column.name)) };
        if now.to_arrow().data_type() == column.to_arrow().data_type() {
            return None;
        }
        let (name, before, now) = (&column.name, &column.data_type, &now.data_type);
        Some(format!("`{name}` is {before}, and a Delta table cannot make it {now}"))
    };
    table.columns.iter().filter_map(unfit).collect()
}

/// Whether the table's files may be rewritten for another schema within a run.
fn within_limit(resource: &ResourcePlan, base: &TableSnapshot) -> Result<(), RunError> {
    let bytes = base.files.iter().map(|file| file.bytes).sum();
    let limit = resource.rewrite_limit;
    if bytes > limit {
        Err(RunError::RewriteLimit { table: resource.table.clone(), bytes, limit, added: Vec::new() })
    } else {
        Ok(())
    }
}

/// The schema of a run while pages come, and the decoder for it.
pub(super) struct Evolving {
    resource: Box<ResourcePlan>,
    format: TableFormatKind,
    processor: Arc<Processor>,
    decoder: Arc<Decoder>,
    /// Takes records out before they are decoded.
    sieve: Option<Arc<Sieve>>,
    /// What growing would cost; `None` if nothing has to be rewritten for it.
    refused: Option<RunError>,
    /// Columns that are keys, or sort or partition rows.
    placed: Vec<usize>,
    /// Names of the columns that the table had when the run began.
    logged: HashSet<String>,
    /// Inferred columns that turned out not to be widened.
    closed: HashSet<String>,
    /// Inferred columns that hold whole numbers which are no doubles.
    large: HashSet<String>,
    /// The files that stay in the table.
    kept: Kept,
    /// Warnings about columns, each reported once.
    said: Vec<String>,
    /// Whether pages are given back.
    is_watched: bool,
    /// How often columns have become wider: what was decoded before has other types.
    shapes: usize,
    max_columns: u64,
}

/// Files that stay in the table, for their statistics.
pub(super) struct Kept {
    pub(super) table: TableStore,
    pub(super) files: Vec<DataFile>,
}

/// A page that was decoded, maybe too early.
pub(super) struct Reading {
    /// Kept where it may have to be decoded again.
    page: Option<Arc<Page>>,
    /// How many columns the decoder had, and how often they had become wider.
    columns: usize,
    shapes: usize,
    /// What its records tell of the cursor.
    seen: Option<Seen>,
    /// Fields of the first page.
    fields: Option<BTreeSet<String>>,
    decoded: Result<Batch>,
    draining: Option<Draining>,
}

/// A page whose turn has come.
pub(super) struct Settled {
    pub(super) batch: Batch,
    /// As it was decoded, where it is kept.
    pub(super) page: Option<Arc<Page>>,
    /// What its records tell of the cursor.
    pub(super) seen: Option<Seen>,
    /// The fields of the first page.
    pub(super) fields: Option<BTreeSet<String>>,
    /// The schema from this page on, if it has grown.
    pub(super) grown: Option<TableSchema>,
    /// Until its rows are written.
    pub(super) draining: Option<Draining>,
    /// Warnings about columns.
    pub(super) said: Vec<String>,
}

impl Evolving {
    pub(super) fn new(
        resource: &ResourcePlan,
        format: TableFormatKind,
        (table, base): (&TableStore, &TableSnapshot),
        processor: Processor,
        decoder: Decoder,
        sieve: Option<Arc<Sieve>>,
    ) -> Self {
        let kept = kept_schema(resource, base);
        let refused = kept.and_then(|_| within_limit(resource, base).err());
        let files = kept.map(|_| base.files.clone()).unwrap_or_default();
        let recorded = base.schema.iter().flat_map(|schema| &schema.columns);
        let mut evolving = Self {
            resource: Box::new(resource.clone()),
            format,
            processor: Arc::new(processor),
            decoder: Arc::new(decoder),
            sieve,
            refused,
            placed: retyping::places(resource),
            logged: recorded.map(|column| column.name.clone()).collect(),
            closed: HashSet::new(),
            large: HashSet::new(),
            kept: Kept { table: table.clone(), files },
            said: Vec::new(),
            is_watched: false,
            shapes: 0,
            max_columns: u64::MAX,
        };
        evolving.open_decoder();
        evolving
    }

    /// The table may have `max_columns` columns.
    pub(super) fn within(self, max_columns: u64) -> Self {
        Self { max_columns, ..self }
    }

    /// Passes to the decoder which columns may become wider.
    fn open_decoder(&mut self) {
        let decoder = Decoder::clone(&self.decoder).with_open(|column| self.is_open(column));
        self.decoder = Arc::new(decoder);
    }

    /// Pages are given back, as they were decoded.
    pub(super) fn watched(self) -> Self {
        Self { is_watched: true, ..self }
    }

    /// Goes on with the schema that a run that died had come to.
    ///
    /// # Errors
    /// As [`Decoder::grown`].
    pub(super) fn resume(&mut self, schema: &TableSchema) -> Result<(), DecodeError> {
        if *schema != self.resource.schema {
            self.decoder = Arc::new(self.decoder.grown(&schema.columns)?);
            self.resource.schema = schema.clone();
            self.open_decoder();
        }
        Ok(())
    }

    /// Processes and decodes a page on a thread of the pool, with the schema of this moment.
    pub(super) fn spawn(&self, page: Page) -> JoinHandle<Reading> {
        let (decoder, sieve) = (Arc::clone(&self.decoder), self.sieve.clone());
        let (keeps, columns, shapes) =
            (self.may_grow() || self.is_watched, self.resource.schema.columns.len(), self.shapes);
        let processor = Arc::clone(&self.processor);
        let draining = page.hold.as_ref().map(Hold::drain);
        spawn_blocking(move || match prepared(page, &processor, sieve.as_deref()) {
            Ok((page, seen)) => {
                let decoded = decoder.decode(&page).map_err(Error::from);
                if let (Some(hold), Ok(batch)) = (&page.hold, &decoded) {
                    hold.set((page.document.memory() + batch.rows.get_array_memory_size()) as u64);
                }
                let fields = fields_of(&page);
                Reading { page: keeps.then(|| Arc::new(page)), columns, shapes, seen, fields, decoded, draining }
            }
            Err(error) => {
                Reading { page: None, columns, shapes, seen: None, fields: None, decoded: Err(error), draining }
            }
        })
    }

    /// The page as the schema has it now; to be called in page order.
    ///
    /// # Errors
    /// What the contract says of the page, a field that cannot become a column, and [`RunError::RewriteLimit`].
    pub(super) async fn settle(&mut self, mut reading: Reading) -> Result<Settled> {
        let (seen, fields, draining) = (reading.seen.clone(), reading.fields.clone(), reading.draining.take());
        let Some(page) = reading.page.clone() else {
            let (batch, said) = (reading.decoded?, Vec::new());
            return Ok(Settled { batch, page: None, seen, fields, grown: None, said, draining });
        };
        let mut batch = if self.is_outdated(&reading) { self.decode(&page).await? } else { reading.decoded? };
        let mut grown = self.schema_for(&batch)?;
        while let Some(schema) = &grown
            && let Some((column, wanted)) = self.inexact(schema).await?
        {
            if self.resource.contract.data_type == DataTypeContract::Freeze {
                return Err(Fixed::Large.error(&self.resource, batch.page, &column, wanted).into());
            }
            // Its values are left to the contract.
            self.closed.insert(column.name);
            self.open_decoder();
            batch = self.decode(&page).await?;
            grown = self.schema_for(&batch)?;
        }
        if let Some(schema) = &grown {
            self.grow(schema)?;
            // Both may be as large as the page.
            drop(batch);
            batch = self.decode(&page).await?;
        }
        self.note_large(&batch);
        let (batch, said) = (self.decoder.padded(batch)?, std::mem::take(&mut self.said));
        Ok(Settled { batch, page: Some(page), seen, fields, grown, said, draining })
    }

    /// Returns true if a page may change the schema.
    fn may_grow(&self) -> bool {
        let evolves = self.resource.contract.columns == ColumnsContract::Evolve;
        evolves || self.resource.schema.columns.iter().any(|column| column.source.inferred().is_some())
    }

    /// A page without undeclared fields is the same under every schema, apart from columns that it has not.
    fn is_outdated(&self, reading: &Reading) -> bool {
        let has_undeclared = reading.decoded.as_ref().map_or(true, |batch| !batch.undeclared.is_empty());
        reading.shapes != self.shapes || reading.columns != self.resource.schema.columns.len() && has_undeclared
    }

    async fn decode(&self, page: &Arc<Page>) -> Result<Batch> {
        let (decoder, page) = (Arc::clone(&self.decoder), Arc::clone(page));
        let decoded = spawn_blocking(move || decoder.decode(&page)).await;
        Ok(decoded.map_err(|_| RunError::Worker { resource: self.resource.name.clone() })??)
    }

    fn grow(&mut self, schema: &TableSchema) -> Result<()> {
        if let Some(mut refused) = self.refused.take() {
            if let RunError::RewriteLimit { added, .. } = &mut refused {
                let known = &self.resource.schema.columns;
                added.extend(schema.columns.iter().filter(|column| !known.contains(column)).cloned());
            }
            return Err(refused.into());
        }
        self.decoder = Arc::new(self.decoder.grown(&schema.columns)?);
        let is_wider = !schema.columns.starts_with(&self.resource.schema.columns);
        self.shapes += usize::from(is_wider);
        self.resource.schema = schema.clone();
        self.open_decoder();
        Ok(())
    }

    /// The schema with the batch's undeclared fields, as far as their values tell a type; `None` if that is the same.
    fn schema_for(&mut self, batch: &Batch) -> Result<Option<TableSchema>, RunError> {
        let mut schema = self.resource.schema.clone();
        self.check_columns(batch, &schema)?;
        for field in &batch.undeclared {
            self.admit(field, batch, &mut schema)?;
        }
        let grown = Some(schema).filter(|schema| *schema != self.resource.schema);
        grown.iter().try_for_each(|schema| self.check_number(schema.leaves()))?;
        Ok(grown)
    }

    /// Rejects a page with more new fields than the table may have, before each of them is looked at.
    fn check_columns(&self, batch: &Batch, schema: &TableSchema) -> Result<(), RunError> {
        let (columns, undeclared) = (schema.leaves(), batch.undeclared.len() as u64);
        if columns.saturating_add(undeclared) <= self.max_columns {
            return Ok(());
        }
        let known = schema.columns.iter().filter_map(|column| column.source.inferred());
        let known: HashSet<&str> = known.map(String::as_str).collect();
        let is_new =
            |field: &&UndeclaredField| field.seen.column_type().is_some() && !known.contains(field.name.as_str());
        self.check_number(columns + batch.undeclared.iter().filter(is_new).count() as u64)
    }

    fn check_number(&self, columns: u64) -> Result<(), RunError> {
        let (resource, limit) = (&self.resource.name, self.max_columns);
        if columns <= limit {
            return Ok(());
        }
        Err(RunError::TooManyColumns { resource: resource.clone(), columns, limit })
    }

    /// Adds a column for the field, or gives the one that it has a type for its values. Fails with why that cannot be.
    fn admit(&mut self, field: &UndeclaredField, batch: &Batch, schema: &mut TableSchema) -> Result<(), RunError> {
        let (source, unseen) = (Source::Evolved(field.name.clone()), Source::Unseen(field.name.clone()));
        if let Some(column) = schema.columns.iter_mut().find(|column| column.source == unseen) {
            if !field.seen.is_nothing() {
                self.type_unseen(column, source, field.seen.column_type());
            }
            return Ok(());
        }
        let Some(data_type) = field.seen.column_type() else { return Ok(()) };
        if let Some(column) = schema.columns.iter_mut().find(|column| column.source == source) {
            let before = column.clone();
            let widened = self.widen(column, &data_type);
            return widened.map_err(|fixed| fixed.error(&self.resource, batch.page, &before, &data_type));
        }
        let limits = limits(self.resource.naming, self.format);
        // A Delta table could not give a struct the fields that come later.
        let is_kept = self.format == TableFormatKind::Delta && has_struct(&data_type) || !limits.allow(&data_type);
        let data_type = if is_kept { ColumnType::Json } else { data_type };
        let name = limits.naming.column(&field.name, limits.is_allowed);
        if let Some(column) = self.hinted(&name, batch).and_then(|index| schema.columns.get_mut(index)) {
            match column.source {
                Source::Unseen(_) => self.type_unseen(column, source, Some(data_type)),
                Source::Evolved(_) => column.source = source,
                _ => column.source = Source::Path(vec![field.name.clone()]),
            }
            return Ok(());
        }
        if let Some(reason) = self.no_name(&name, schema) {
            let (resource, field) = (self.resource.name.clone(), field.name.clone());
            return Err(RunError::UnfitField { resource, page: batch.page, field, reason });
        }
        schema.columns.push(Column { name, source, data_type, nullable: true, format: None });
        Ok(())
    }

    /// The column that only a hint has told of yet, under the name that `naming` gives its field, as in dlt. It waits for the
    /// field as long as no field of its own name comes.
    fn hinted(&self, name: &str, batch: &Batch) -> Option<usize> {
        let index = self.resource.schema.index_of(name).filter(|_| self.resource.naming == Naming::SnakeCase)?;
        let is_own = self.resource.schema.columns.get(index).is_some_and(|column| column.source.to_path() == name);
        let is_empty =
            index >= batch.rows.num_columns() || batch.rows.column(index).null_count() == batch.rows.num_rows();
        (is_own && is_empty).then_some(index)
    }

    /// Why a column cannot be called so.
    fn no_name(&self, name: &str, schema: &TableSchema) -> Option<String> {
        let is_taken = |other: &str| other.to_lowercase() == name.to_lowercase();
        if let Some(other) = schema.columns.iter().find(|column| is_taken(&column.name)) {
            return Some(format!("the column `{}` is there already", other.name));
        }
        let is_key = self.resource.partition_by.iter().any(|field| is_taken(&field.key));
        is_key.then(|| "a partition key has that name".to_owned())
    }
}

/// A page whose records are as the steps make them, without those that the cursor leaves out.
pub(super) fn prepared(page: Page, processor: &Processor, sieve: Option<&Sieve>) -> Result<(Page, Option<Seen>)> {
    let page = processor.process(page)?;
    match sieve {
        Some(sieve) => sieve.sift(page).map(|(page, seen)| (page, Some(seen))).map_err(Error::from),
        None => Ok((page, None)),
    }
}

/// Which of a run's files have which schema.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Eras {
    first: TableSchema,
    /// Each later schema, with the number of the first file that has it.
    later: Vec<(u64, TableSchema)>,
}

impl Eras {
    pub(super) fn new(first: TableSchema) -> Self {
        Self { first, later: Vec::new() }
    }

    pub(super) fn begin(&mut self, first_file: u64, schema: TableSchema) {
        self.later.push((first_file, schema));
    }

    /// What the schema was at first.
    pub(super) fn first(&self) -> &TableSchema {
        &self.first
    }

    /// What the schema has become.
    pub(super) fn schema(&self) -> &TableSchema {
        self.later.last().map_or(&self.first, |(_, schema)| schema)
    }

    /// The schema of a file, if it is not that of the last ones.
    fn older(&self, file: u64) -> Option<&TableSchema> {
        let (last, _) = self.later.last()?;
        let before = self.later.iter().rev().find(|(first, _)| *first <= file);
        (file < *last).then(|| before.map_or(&self.first, |(_, schema)| schema))
    }
}

/// The run with all its files in the schema that came out at the end, under the same names.
pub(super) async fn level(
    resource: &ResourcePlan,
    attempt: &Attempt,
    mut staged: Staged,
    options: &Arc<WriteOptions>,
) -> Result<Staged> {
    let eras = staged.eras.clone();
    let files = stream::iter(staged.files.into_iter().zip(0..)).map(async |(file, number)| match eras.older(number) {
        Some(from) if file.file.rows > 0 => relevel(resource, attempt, file, from, options).await,
        _ => Ok(file),
    });
    staged.files = files.buffered(REWRITES_AT_ONCE).try_collect().await?;
    Ok(staged)
}

async fn relevel(
    resource: &ResourcePlan,
    attempt: &Attempt,
    old: StagedFile,
    from: &TableSchema,
    options: &Arc<WriteOptions>,
) -> Result<StagedFile> {
    let DataFile { path, partition, rows, keys, .. } = old.file.clone();
    let file = EncodedFile { path, partition, rows, keys, content: attempt.read(&old).await? };
    let (from, options) = (from.clone(), Arc::clone(options));
    let adapted = spawn_blocking(move || adapt(file, &from, &options)).await;
    let adapted = adapted.map_err(|_| RunError::Worker { resource: resource.name.clone() })??;
    attempt.discard(&old).await?;
    attempt.stage(adapted).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(columns: usize) -> TableSchema {
        let column = |index: usize| Column {
            name: format!("c{index}"),
            source: Source::Evolved(format!("c{index}")),
            data_type: ColumnType::Int64,
            nullable: true,
            format: None,
        };
        TableSchema { columns: (0..columns).map(column).collect() }
    }

    #[test]
    fn files_have_the_schema_of_the_era_in_which_they_were_closed() {
        let mut eras = Eras::new(schema(1));
        assert_eq!((eras.older(0), eras.schema()), (None, &schema(1)));
        // The schema had grown twice before the third file, and once more before the sixth.
        eras.begin(2, schema(2));
        eras.begin(2, schema(3));
        eras.begin(5, schema(4));
        let columns = |file| eras.older(file).map(|schema| schema.columns.len());
        assert_eq!((0..6).map(columns).collect::<Vec<_>>(), [Some(1), Some(1), Some(3), Some(3), Some(3), None]);
        assert_eq!(eras.schema(), &schema(4));
    }

    #[test]
    fn eras_are_read_back_as_they_were_written_down() {
        let mut eras = Eras::new(schema(1));
        eras.begin(7, schema(2));
        let read: Eras = serde_json::from_str(&serde_json::to_string(&eras).unwrap()).unwrap();
        assert_eq!((read.schema(), read.older(6)), (&schema(2), Some(&schema(1))));
    }
}
