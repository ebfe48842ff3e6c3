//! The table at a version, as the kernel reads it off the log, and the lines of the next one, as the kernel makes them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex},
};

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array, MapArray, RecordBatch, StringArray, StructArray},
    datatypes::{DataType, Field, Int64Type},
};
use chrono::SecondsFormat;
use delta_kernel::{
    Engine, FileMeta, FilteredEngineData, KernelError, KernelResult, KernelResultIterator, SnapshotRef,
    committer::{CommitMetadata, CommitResponse, Committer, PublishMetadata},
    engine::{arrow_data::ArrowEngineData, to_json_bytes},
    expressions::ColumnName,
    scan::StatsOptions,
    schema::StructType,
    table_features::ColumnMappingMode,
    transaction::{
        CommitResult, Transaction, UpdateTableOperation, UpdateTableTransactionBuilder, WriteState,
        create_table::create_table, data_layout::DataLayout,
    },
};
use delta_kernel_default_engine::{build_add_file_metadata, parquet::DataFileMetadata};
use parquet::file::metadata::ParquetMetaData;

use super::{
    CommitError, DeltaError,
    engine::Kernel,
    log,
    record::{Completion, DOMAIN, FileRecord, LoggedCommit, LoggedFile, Place, Record, complete, in_order},
    schema::{ColumnChange, KeyColumn, Layout, partition_values},
    stats::{StatsColumn, stats},
};
use crate::{
    commit::{CommitRecord, TableSnapshot},
    model::{DataFile, Operation, Version},
    store::TableStore,
};

/// Who writes, as the log calls it.
const ENGINE: &str = concat!("restlake/", env!("CARGO_PKG_VERSION"));

/// A version of the table, for us and for the kernel.
#[derive(Clone, Debug, Default)]
pub(super) struct Base {
    pub snapshot: TableSnapshot,
    /// `None` for a table without commits.
    kernel: Option<SnapshotRef>,
}

impl Base {
    /// The table at a version, which there must be; version 0 is the table without commits.
    pub async fn read(kernel: &Kernel, table: &TableStore, version: Version) -> Result<Self, CommitError> {
        let Some(logged) = log::logged(version) else { return Ok(Self::default()) };
        let snapshot = kernel.snapshot(Some(logged)).await?;
        let mapping = snapshot.table_properties().column_mapping_mode;
        if mapping.is_some_and(|mode| mode != ColumnMappingMode::None) {
            return Err(unusable(table, "its columns are mapped to other names".to_owned()));
        }
        let record = recorded(kernel, table, &snapshot).await?;
        let files = files(kernel, table, &snapshot, &keys_of(&record)).await?;
        let rows = files.iter().map(|file| file.rows).fold(0, u64::saturating_add);
        let snapshot_of = TableSnapshot {
            version,
            identity: Some(record.identity),
            schema: Some(record.schema),
            partition_by: record.partition_by,
            files,
            rows,
            state: record.state,
        };
        Ok(Self { snapshot: snapshot_of, kernel: Some(snapshot) })
    }

    /// The columns as the table has them, if it is there.
    pub fn columns(&self) -> Option<Arc<StructType>> {
        self.kernel.as_ref().map(|snapshot| snapshot.schema())
    }

    /// Every how many versions the table is to have a checkpoint, if it says.
    pub fn checkpoint_every(&self) -> Option<u64> {
        self.kernel.as_ref()?.table_properties().checkpoint_interval.map(std::num::NonZero::get)
    }

    /// Whether the kernel would make these changes of the columns, by its own judgement of the table's features.
    pub async fn check_changes(self, kernel: &Kernel, columns: Vec<ColumnChange>) -> Result<(), CommitError> {
        let Some(snapshot) = self.kernel.filter(|_| !columns.is_empty()) else { return Ok(()) };
        let build = move |engine: &dyn Engine| {
            let builder = snapshot.update_table(UpdateTableOperation::Write, ENGINE, true);
            changed(builder, &columns).build(engine, Box::new(Captured::default())).map(drop)
        };
        kernel.call("write", build).await
    }
}

/// restlake's record as a version has it.
async fn recorded(kernel: &Kernel, table: &TableStore, snapshot: &SnapshotRef) -> Result<Record, CommitError> {
    let snapshot = Arc::clone(snapshot);
    let version = snapshot.version() + 1;
    let found = kernel.call("read", move |engine| snapshot.get_domain_metadata(DOMAIN, engine)).await?;
    let text = found.ok_or_else(|| DeltaError::Foreign { table: table.shown("") })?;
    Record::read(&text).map_err(|unread| log::unreadable(table, version, unread))
}

/// The data files of a version, in the order in which they were added; those of other writers last.
async fn files(
    kernel: &Kernel,
    table: &TableStore,
    snapshot: &SnapshotRef,
    keys: &[KeyColumn],
) -> Result<Vec<DataFile>, CommitError> {
    let snapshot = Arc::clone(snapshot);
    let batches = kernel.call("read", move |engine| scan(&snapshot, engine)).await?;
    let mut files = Vec::new();
    for (batch, selected) in batches {
        let rows = ScanRows::new(&batch).ok_or_else(|| unreadable(table))?;
        for row in (0..batch.num_rows()).filter(|row| selected.get(*row).is_none_or(|selected| *selected)) {
            let file = rows.file(row).and_then(|file| placed(kernel, file, keys));
            files.push(file.map_err(|reason| unusable(table, reason))?);
        }
    }
    Ok(in_order(files))
}

/// The partition columns of a version.
fn keys_of(record: &Record) -> Vec<KeyColumn> {
    // A version is there: its layout is one that Delta has.
    Layout::new(&record.schema, &record.partition_by).map(|layout| layout.keys()).unwrap_or_default()
}

fn placed(kernel: &Kernel, file: LoggedFile, keys: &[KeyColumn]) -> Result<(Place, DataFile), String> {
    let path = kernel.path_of(&file.path).ok_or_else(|| format!("`{}` lies outside of it", file.path))?;
    file.into_file(path, keys)
}

fn unreadable(table: &TableStore) -> CommitError {
    let reason = "the kernel lists files in another form than this restlake knows".to_owned();
    DeltaError::Kernel { table: table.shown(""), action: "read", reason }.into()
}

fn unusable(table: &TableStore, reason: String) -> CommitError {
    let hint = Some("another writer has changed the table: undo that, or export it anew under another name");
    DeltaError::Unsupported { table: table.shown(""), reason, hint }.into()
}

/// What one version changed. What its own object does not say of another writer's commit, the table at it does.
pub(super) async fn commit_record(
    kernel: &Kernel,
    table: &TableStore,
    version: Version,
    commit: LoggedCommit,
) -> Result<CommitRecord, CommitError> {
    let (run_id, moment) = (commit.author(), commit.moment());
    let mut removes: Vec<_> = commit.removes.iter().filter_map(|removed| kernel.path_of(&removed.path)).collect();
    // Their names tell when they were added; the log has them in no order.
    removes.sort_by(|a, b| name_of(a).cmp(name_of(b)));
    let record = match commit.record {
        Some(record) => record,
        None => {
            let snapshot = kernel.snapshot(log::logged(version)).await?;
            let committed_at = moment.unwrap_or_default().to_rfc3339_opts(SecondsFormat::Secs, true);
            Record { operation: Operation::Merge, committed_at, ..recorded(kernel, table, &snapshot).await? }
        }
    };
    let keys = keys_of(&record);
    let adds = commit.adds.into_iter().map(|add| placed(kernel, add, &keys)).collect::<Result<_, _>>();
    let adds = in_order(adds.map_err(|reason| unusable(table, reason))?);
    Ok(CommitRecord {
        version,
        committed_at: record.committed_at,
        run_id,
        operation: record.operation,
        adds,
        removes,
        schema: record.schema,
        state: record.state,
    })
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// The files of a version as batches of rows, and which of the rows count; all beyond the end do.
fn scan(snapshot: &SnapshotRef, engine: &dyn Engine) -> KernelResult<Vec<(RecordBatch, Vec<bool>)>> {
    let scan = Arc::clone(snapshot).scan_builder().with_stats(StatsOptions::json_only()).build()?;
    let mut batches = Vec::new();
    for metadata in scan.scan_metadata(engine)? {
        let (data, selected) = metadata?.scan_files.into_parts();
        batches.push(((*ArrowEngineData::try_from_engine_data(data)?).into(), selected));
    }
    Ok(batches)
}

/// The columns of [`delta_kernel::scan::scan_row_schema`] that matter here.
struct ScanRows<'a> {
    paths: &'a StringArray,
    sizes: &'a Int64Array,
    stats: &'a StringArray,
    deletion_vectors: &'a StructArray,
    partitions: &'a MapArray,
    tags: &'a MapArray,
}

impl<'a> ScanRows<'a> {
    fn new(batch: &'a RecordBatch) -> Option<Self> {
        let constants = batch.column_by_name("fileConstantValues")?.as_struct_opt()?;
        Some(Self {
            paths: batch.column_by_name("path")?.as_string_opt()?,
            sizes: batch.column_by_name("size")?.as_primitive_opt::<Int64Type>()?,
            stats: batch.column_by_name("stats")?.as_string_opt()?,
            deletion_vectors: batch.column_by_name("deletionVector")?.as_struct_opt()?,
            partitions: constants.column_by_name("partitionValues")?.as_map_opt()?,
            tags: constants.column_by_name("tags")?.as_map_opt()?,
        })
    }

    fn file(&self, row: usize) -> Result<LoggedFile, String> {
        let path = self.paths.value(row).to_owned();
        let vector = self.deletion_vectors.column_by_name("storageType");
        if self.deletion_vectors.is_valid(row) && vector.is_some_and(|kind| kind.is_valid(row)) {
            return Err(format!("`{path}` has a deletion vector"));
        }
        Ok(LoggedFile {
            path,
            partition_values: entries(self.partitions, row),
            size: u64::try_from(self.sizes.value(row)).unwrap_or_default(),
            stats: text(self.stats, row).map(str::to_owned),
            tags: Some(entries(self.tags, row)),
        })
    }
}

fn text(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

/// One row of a map of texts.
fn entries(map: &MapArray, row: usize) -> BTreeMap<String, Option<String>> {
    if map.is_null(row) {
        return BTreeMap::new();
    }
    let entries = map.value(row);
    let column = |index: usize| entries.columns().get(index).and_then(|column| column.as_string_opt::<i32>());
    let Some((keys, values)) = column(0).zip(column(1)) else { return BTreeMap::new() };
    (0..entries.len())
        .filter_map(|at| Some((text(keys, at)?.to_owned(), text(values, at).map(str::to_owned))))
        .collect()
}

/// A file to be added: its place, and its footer if it has one.
pub(super) type Added = (DataFile, Option<ParquetMetaData>);

/// What a commit does, in the words of the log.
#[derive(Debug)]
pub(super) struct Change {
    pub operation: Operation,
    pub layout: Layout,
    /// What the table's columns need.
    pub columns: Vec<ColumnChange>,
    pub record: Record,
    pub adds: Vec<Added>,
    /// Relative to the table.
    pub removes: BTreeSet<String>,
    /// Milliseconds since 1970.
    pub now: i64,
}

impl Change {
    /// The lines of the log that make the version after `base`.
    pub async fn lines(self, kernel: &Kernel, base: Base) -> Result<Vec<u8>, CommitError> {
        let bound = kernel.clone();
        kernel
            .call("write", move |engine| {
                let lines = Captured::default();
                let completions = match base.kernel {
                    None => self.create(&bound, engine, &lines)?,
                    Some(snapshot) => self.update(&bound, engine, &snapshot, &lines)?,
                };
                complete(&lines.take(), &completions).map_err(KernelError::MalformedJson)
            })
            .await
    }

    fn create(
        &self,
        kernel: &Kernel,
        engine: &dyn Engine,
        lines: &Captured,
    ) -> KernelResult<BTreeMap<String, Completion>> {
        let schema = Arc::new(StructType::try_new(self.layout.fields.iter().cloned())?);
        let mut builder = create_table(kernel.root().as_str(), Arc::clone(&schema), ENGINE, true)
            .with_table_properties([("delta.feature.domainMetadata", "supported")]);
        if !self.layout.partition_columns.is_empty() {
            builder = builder.with_data_layout(DataLayout::partitioned(self.layout.partition_columns.clone()));
        }
        let transaction = builder.build(engine, Box::new(lines.clone()))?;
        let mut transaction = self.signed(transaction)?;
        let completions = self.add_files(&mut transaction, kernel, &schema)?;
        finish(transaction.commit(engine)?)?;
        Ok(completions)
    }

    fn update(
        &self,
        kernel: &Kernel,
        engine: &dyn Engine,
        snapshot: &SnapshotRef,
        lines: &Captured,
    ) -> KernelResult<BTreeMap<String, Completion>> {
        let (operation, mode) = operation(self.operation);
        // The same rows in other files are no change to whoever follows the log for its rows.
        let data_change = !matches!(self.operation, Operation::Compact);
        let builder = Arc::clone(snapshot).update_table(operation, ENGINE, data_change);
        let builder = builder.with_operation_parameters(mode.map(|mode| ("mode", Some(mode))));
        let builder = changed(builder, &self.columns);
        let transaction = builder.build(engine, Box::new(lines.clone()))?;
        let mut transaction = self.signed(transaction)?;
        for (batch, mut selected) in scan(snapshot, engine)? {
            selected.resize(batch.num_rows(), true);
            self.select_removed(kernel, &batch, &mut selected)?;
            transaction.remove_files(FilteredEngineData::try_new(Box::new(ArrowEngineData::new(batch)), selected)?);
        }
        let schema = snapshot.schema();
        let completions = self.add_files(&mut transaction, kernel, &schema)?;
        finish(transaction.commit(engine)?)?;
        Ok(completions)
    }

    /// Puts the record of the state into a transaction.
    fn signed<S>(&self, transaction: Transaction<S>) -> KernelResult<Transaction<S>> {
        let record = serde_json::to_string(&self.record).map_err(KernelError::MalformedJson)?;
        let app = format!("restlake/{}", self.record.identity.resource);
        let version = i64::try_from(self.record.version).unwrap_or(i64::MAX);
        Ok(transaction.with_domain_metadata(DOMAIN.to_owned(), record).with_transaction_id(app, version))
    }

    fn select_removed(&self, kernel: &Kernel, batch: &RecordBatch, selected: &mut [bool]) -> KernelResult<()> {
        let paths = ScanRows::new(batch).ok_or_else(|| KernelError::MissingColumn("path".to_owned()))?.paths;
        for (row, selected) in selected.iter_mut().enumerate() {
            *selected &= kernel.path_of(paths.value(row)).is_some_and(|path| self.removes.contains(&path));
        }
        Ok(())
    }

    fn add_files<S>(
        &self,
        transaction: &mut Transaction<S>,
        kernel: &Kernel,
        schema: &StructType,
    ) -> KernelResult<BTreeMap<String, Completion>> {
        let mut completions = BTreeMap::new();
        if self.adds.is_empty() {
            return Ok(completions);
        }
        let state = transaction.write_state()?;
        let mut columns = None;
        for (index, (file, footer)) in self.adds.iter().enumerate() {
            let context = self.context(&state, file, schema)?;
            let columns = columns
                .get_or_insert_with(|| StatsColumn::all(context.stats_columns(), context.physical_data_schema()));
            let url = kernel.url_of(&file.path)?;
            let path = context.resolve_file_path(&url)?;
            let meta = DataFileMetadata::new(FileMeta::new(url, self.now, file.bytes), count(file.rows));
            transaction.add_files(build_add_file_metadata(meta, &context)?);
            let record = FileRecord::new(self.record.version, index, file);
            completions.insert(path, Completion { record, stats: stats(file.rows, footer.as_ref(), columns) });
        }
        Ok(completions)
    }

    fn context(
        &self,
        state: &Arc<WriteState>,
        file: &DataFile,
        schema: &StructType,
    ) -> KernelResult<delta_kernel::transaction::BoundWriteContext> {
        let columns = &self.layout.partition_columns;
        let builder = state.write_context_builder();
        if columns.is_empty() {
            return builder.build();
        }
        let values = partition_values(&file.partition, columns, schema)?;
        builder.with_partition_values(HashMap::from_iter(values)).build()
    }
}

fn changed(builder: UpdateTableTransactionBuilder, columns: &[ColumnChange]) -> UpdateTableTransactionBuilder {
    columns.iter().fold(builder, |builder, change| match change {
        ColumnChange::Add(field) => builder.add_column(field.clone()),
        ColumnChange::MayBeNull(name) => builder.set_nullable(ColumnName::new([name.as_str()])),
    })
}

/// What the log calls an operation, and its mode.
fn operation(operation: Operation) -> (UpdateTableOperation, Option<&'static str>) {
    match operation {
        Operation::Append => (UpdateTableOperation::Write, Some("Append")),
        Operation::Replace => (UpdateTableOperation::Write, Some("Overwrite")),
        Operation::Merge => (UpdateTableOperation::Merge, None),
        Operation::Compact => (UpdateTableOperation::Optimize, None),
        Operation::Import => (UpdateTableOperation::Custom("IMPORT STATE".to_owned()), None),
    }
}

/// The statistics that the kernel itself must know.
fn count(rows: u64) -> StructArray {
    let rows: ArrayRef = Arc::new(Int64Array::from(vec![i64::try_from(rows).unwrap_or(i64::MAX)]));
    StructArray::from(vec![(Arc::new(Field::new("numRecords", DataType::Int64, true)), rows)])
}

fn finish<S>(result: CommitResult<S>) -> KernelResult<()> {
    match result {
        CommitResult::Committed(_) => Ok(()),
        CommitResult::Conflicted(_) => Err(KernelError::InternalError("a captured commit was in conflict".to_owned())),
        CommitResult::Retryable(retryable) => Err(retryable.error),
    }
}

/// Takes the lines of a commit and writes nothing: that is for [`log::put`].
#[derive(Clone, Debug, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl Committer for Captured {
    fn commit(
        &self,
        _engine: &dyn Engine,
        actions: KernelResultIterator<'_, FilteredEngineData>,
        metadata: CommitMetadata,
    ) -> KernelResult<CommitResponse> {
        let lines = to_json_bytes(actions)?;
        let size = lines.len() as u64;
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = lines;
        let file_meta = FileMeta::new(metadata.published_commit_path()?, metadata.in_commit_timestamp(), size);
        Ok(CommitResponse::Committed { file_meta })
    }

    fn is_catalog_committer(&self) -> bool {
        false
    }

    fn publish(&self, _engine: &dyn Engine, _metadata: PublishMetadata) -> KernelResult<()> {
        // Called for tables of a catalog alone.
        Ok(())
    }
}
