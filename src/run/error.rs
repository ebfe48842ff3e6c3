//! What can go wrong between the stages.

use crate::{
    error::{ErrorKind, Failure},
    plan::{BindError, TableFormatKind},
    report::grouped,
    schema::Column,
};

/// Errors of the run itself; those of a stage are passed on as they are.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("{table}: the first pages would replace all {rows} rows of the table; nothing was requested or changed")]
    PartialReplace { table: String, rows: u64 },

    #[error(
        "{table}: pages were ignored by `response_actions`, and none of the others had a row: the {rows} rows of the table stay"
    )]
    EmptyReplace { table: String, rows: u64 },

    #[error(
        "{table}: the first pages do not tell which of the {rows} rows of the table are missing at the source, which `on_missing: delete` is to delete; nothing was requested or changed"
    )]
    PartialDelete { table: String, rows: u64 },

    #[error(
        "{table}: the column `{column}` tells until when a version holds and changes: it cannot partition the table"
    )]
    ValidityPartition { table: String, column: String },

    #[error(
        "{table}: versions of rows that hold have `{was}` in the table, and `active_record_timestamp` is `{is}`: they could not be told from those that have ended; nothing was requested or changed"
    )]
    ActiveTimestamp { table: String, was: String, is: String },

    #[error("{table}: the table's {what} cannot become that of the config: {reasons}\n{shapes}")]
    ShapeChanged { table: String, format: TableFormatKind, what: &'static str, reasons: String, shapes: String },

    #[error(
        "{table}: the schema changes, and the {} of files that the table has would have to be written again, where `rewrite_limit` allows {}; nothing was changed",
        size(*bytes), size(*limit)
    )]
    RewriteLimit { table: String, bytes: u64, limit: u64, added: Vec<Column> },

    #[error(
        "{resource}, page {page}: the column `{column}` is {data_type} and received values of the type {wanted}: {reason}"
    )]
    FixedType {
        resource: String,
        page: u64,
        column: String,
        data_type: String,
        wanted: String,
        reason: &'static str,
        hint: String,
    },

    #[error("{resource}, page {page}: the field `{field}` cannot become a column: {reason}")]
    UnfitField { resource: String, page: u64, field: String, reason: String },

    #[error(
        "{resource}: what it needs of {records} records of `{parent}` takes more than {limit} bytes of memory, the quarter of `memory_limit` that the fields of a parent may have"
    )]
    ParentMemory { resource: String, parent: String, records: u64, limit: u64 },

    #[error(
        "{resource}: {keys} keys of its rows take {bytes} bytes of memory, and keys may have {limit}, the half of `memory_limit`"
    )]
    KeyMemory { resource: String, keys: u64, bytes: u64, limit: u64 },

    #[error("{resource}: the records have {} columns, and `max_columns` allows {limit}", at_least(*columns, *limit))]
    TooManyColumns { resource: String, columns: u64, limit: u64 },

    #[error(
        "{resource}: {rejected} rows rejected or values discarded of {fetched} rows, and max_rejects allows {allowed}; nothing was committed"
    )]
    TooManyRejects { resource: String, rejected: u64, fetched: u64, allowed: String, rejects: Option<String> },

    #[error(
        "{resource}: incomplete: {} received: {reason}; {}",
        of_expected(*received, *expected),
        committed(*kept, *retries_lists)
    )]
    Incomplete {
        resource: String,
        reason: String,
        received: u64,
        expected: Option<u64>,
        /// `on_incomplete: keep` committed a part.
        kept: bool,
        /// The other page sequences are in a checkpoint.
        retries_lists: bool,
        /// `auto` found no way on.
        is_single: bool,
        /// The paginator's line that takes no number for a total.
        pin: String,
    },

    #[error(
        "{resource}: rows moved each time the result set was read, and the table would lack some of them: {what}; nothing was committed"
    )]
    Moved { resource: String, what: String },

    #[error("{table}: another writer committed version {version} first; nothing of this run was committed")]
    Conflict { table: String, version: u64 },

    #[error(
        "{table} is held by the process {pid} on {host}, which began earlier and waits for another table, perhaps for one that this run has appended to: this run does not wait for it"
    )]
    Circle { table: String, host: String, pid: u32 },

    #[error(
        "{resource}: the numbers do not add up: {fetched} rows fetched, but {written} written, {duplicate} duplicate, {rejected} rejected, {filtered} filtered and {unchanged} unchanged; nothing was committed"
    )]
    Numbers {
        resource: String,
        fetched: u64,
        written: u64,
        duplicate: u64,
        rejected: u64,
        filtered: u64,
        unchanged: u64,
    },

    #[error("{resource}: what is new cannot be told: {reason}")]
    Cursor { resource: String, reason: String },
    #[error("{resource}: its parent `{parent}` was not exported; nothing was requested")]
    ParentFailed { resource: String, parent: String, kind: ErrorKind },

    #[error("{resource}: record {record} on page {page} of `{parent}`: {}", lack(field, *is_null, keys))]
    ParentField {
        resource: String,
        parent: String,
        page: u64,
        record: u64,
        field: String,
        is_null: bool,
        keys: Vec<String>,
    },

    #[error("{resource}: there is no resource `{parent}` to take records from")]
    NoParent { resource: String, parent: String },
    #[error("{resource}: what the config says of columns does not fit those that were inferred:{problems}")]
    Columns { resource: String, problems: String, known: Vec<String> },

    #[error(
        "{resource}: the fields `{first}` and `{second}` would both become the column `{column}`, which readers do not tell apart"
    )]
    Clash { resource: String, first: String, second: String, column: String },

    #[error("{resource}: none of the first {records} records has a field that could become a column")]
    NoFields { resource: String, records: u64 },

    #[error("{resource}: {}", no_records(*filtered, *rejected))]
    NoRecords { resource: String, filtered: u64, rejected: u64 },

    #[error("a worker thread ended while it looked at the first pages; nothing was committed")]
    Observing,

    #[error("{resource}: the request cannot be made")]
    Request { resource: String, source: BindError },

    #[error("{resource}: the columns that the run fills in could not be made")]
    LoadColumns { resource: String, source: arrow::error::ArrowError },

    #[error("a checkpoint could not be encoded or read")]
    Checkpoint(#[from] postcard::Error),

    #[error("a checkpoint could not be written or read")]
    Stored(#[source] serde_json::Error),

    #[error("what was staged for an earlier version was lost")]
    NoAttempt,

    #[error("{resource}: stopped on request while rows were merged; nothing was committed")]
    Interrupted { resource: String },

    #[error("{resource}: a worker thread ended without a result; nothing was committed")]
    Worker { resource: String },
}

impl Failure for RunError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::PartialReplace { .. } | Self::PartialDelete { .. } | Self::EmptyReplace { .. } => ErrorKind::User,
            Self::ValidityPartition { .. } | Self::ActiveTimestamp { .. } | Self::ShapeChanged { .. } => {
                ErrorKind::User
            }
            Self::RewriteLimit { .. }
            | Self::UnfitField { .. }
            | Self::FixedType { .. }
            | Self::TooManyColumns { .. }
            | Self::ParentMemory { .. }
            | Self::KeyMemory { .. }
            | Self::Request { .. } => ErrorKind::User,
            Self::Columns { .. } | Self::Clash { .. } | Self::Cursor { .. } => ErrorKind::User,
            Self::ParentFailed { kind, .. } => *kind,
            Self::ParentField { .. } => ErrorKind::User,
            Self::NoFields { .. } | Self::NoRecords { .. } => ErrorKind::User,
            Self::TooManyRejects { .. } => ErrorKind::TooManyRejects,
            Self::Incomplete { .. } => ErrorKind::Incomplete,
            Self::Moved { .. } => ErrorKind::Transient,
            Self::Conflict { .. } | Self::Circle { .. } => ErrorKind::Conflict,
            Self::Interrupted { .. } => ErrorKind::Interrupted,
            Self::Numbers { .. } | Self::LoadColumns { .. } | Self::Worker { .. } => ErrorKind::Bug,
            Self::Checkpoint(_) | Self::Stored(_) | Self::NoAttempt => ErrorKind::Bug,
            Self::Observing | Self::NoParent { .. } => ErrorKind::Bug,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::PartialReplace { .. } => "partial_replace",
            Self::EmptyReplace { .. } => "empty_replace",
            Self::PartialDelete { .. } => "partial_delete",
            Self::ValidityPartition { .. } => "validity_partition",
            Self::ActiveTimestamp { .. } => "active_record_timestamp",
            Self::ShapeChanged { .. } => "schema_changed",
            Self::RewriteLimit { .. } => "rewrite_limit",
            Self::UnfitField { .. } => "unfit_field",
            Self::TooManyColumns { .. } => "max_columns",
            Self::ParentMemory { .. } | Self::KeyMemory { .. } => "memory_limit",
            Self::FixedType { .. } => "fixed_type",
            Self::Columns { .. } => "config",
            Self::Clash { .. } => "column_clash",
            Self::NoFields { .. } => "no_fields",
            Self::NoRecords { .. } => "no_records",
            Self::TooManyRejects { .. } => "too_many_rejects",
            Self::Incomplete { .. } => "incomplete",
            Self::Moved { .. } => "list_moved",
            Self::Conflict { .. } => "commit_conflict",
            Self::Circle { .. } => "table_busy",
            Self::Interrupted { .. } => "interrupted",
            Self::Numbers { .. } => "numbers",
            Self::Cursor { .. } => "cursor",
            Self::Request { .. } => "request",
            Self::ParentFailed { .. } => "parent_failed",
            Self::ParentField { .. } => "parent_field",
            Self::NoParent { .. } => "no_parent",
            Self::LoadColumns { .. } => "load_columns",
            Self::Worker { .. } | Self::Observing => "worker",
            Self::Checkpoint(_) | Self::Stored(_) => "checkpoint",
            Self::NoAttempt => "attempt",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Incomplete { is_single, expected, pin, .. } => Some(incomplete_hint(*is_single, *expected, pin)),
            Self::Moved { .. } => Some(
                "run it again; have the API sort by what does not change, or set `on_drift: warn` to commit what comes".into(),
            ),
            Self::EmptyReplace { .. } => {
                Some("run it again when the source answers, or use the action `stop` for answers that mean an empty list".into())
            }
            Self::PartialReplace { .. } => Some("try it out elsewhere: add `--destination DIR`".into()),
            Self::PartialDelete { .. } => {
                Some("leave --max-pages out, or try it out with another --destination".into())
            }
            Self::ValidityPartition { .. } => Some("take it out of `partition_by`".into()),
            Self::ShapeChanged { format: TableFormatKind::Delta, .. } => Some(
                "give the resource another `table_name`, or delete the table's directory and export it anew; no run changes this \
                 about a Delta table, one with --full-refresh neither"
                    .into(),
            ),
            Self::ActiveTimestamp { was, .. } => Some(format!(
                "set `active_record_timestamp: {was}` again, or write the table anew with --full-refresh, which forgets earlier versions"
            )),
            Self::ShapeChanged { .. } => Some(
                "run with --full-refresh to write the table anew, or give the resource another `table_name`".into(),
            ),
            Self::RewriteLimit { added, .. } if !added.is_empty() => Some(format!(
                "declare {} in the schema and run `restlake compact --rewrite-schema` with it, which takes its time; or raise `rewrite_limit`, or set `schema_contract: {{columns: discard_value}}`",
                declared(added)
            )),
            Self::RewriteLimit { .. } => Some(
                "run `restlake compact --rewrite-schema` with this config, which takes its time, or raise `rewrite_limit`"
                    .into(),
            ),
            Self::KeyMemory { keys, bytes, .. } => Some(format!(
                "set `memory_limit` to {} bytes for each key that the table will have, or more; else name a shorter `primary_key`, export the source in parts, or set `dedup: false`",
                bytes / (*keys).max(1) * 2
            )),
            Self::ParentMemory { .. } => {
                Some("name fewer or shorter fields in `include_from_parent`, or raise `memory_limit`".into())
            }
            Self::TooManyColumns { columns, .. } => Some(format!(
                "keys that are data belong into one column: declare one with `source: $` and `type: json`; or raise the limit: `max_columns: {columns}`"
            )),
            Self::FixedType { hint, .. } => Some(hint.clone()),
            Self::UnfitField { .. } => Some(
                "declare a column of another name for it, with the field as `source`, or set `schema_contract: {columns: discard_value}`"
                    .into(),
            ),
            Self::TooManyRejects { rejects, .. } => rejects
                .as_ref()
                .map(|path| format!("the rejects are in {path}; fix the schema or raise `max_rejects`")),
            Self::Columns { known, .. } => {
                Some(format!("fix the config: the columns that were inferred are {}", known.join(", ")))
            }
            Self::Clash { second, .. } => Some(format!(
                "declare the columns, one of them under another name: `schema: {{columns: [{{name: …, source: {second}, type: …}}, …]}}`"
            )),
            Self::NoRecords { rejected: 1.., .. } => {
                Some("`processing_steps` fail on them: without `discard_row` the run says why; or declare the columns".into())
            }
            Self::NoRecords { filtered: 1.., .. } => Some("`processing_steps` filter all of them".into()),
            Self::NoFields { .. } | Self::NoRecords { .. } => Some("`data_selector` names the array of records, which are objects".into()),
            Self::Conflict { .. } | Self::Interrupted { .. } => Some("run again".into()),
            Self::Circle { .. } => {
                Some("run again when it is done; runs that start one after another do not wait for each other".into())
            }
            Self::Checkpoint(_) | Self::Stored(_) => Some("run again with --no-resume".into()),
            Self::Cursor { .. } => Some("fix `endpoint.incremental`, or run with --full-refresh".into()),
            Self::Request { .. } => Some("fix the places `{…}` of the endpoint, or the values that fill them".into()),
            Self::ParentFailed { parent, .. } => {
                Some(format!("see what became of `{parent}`; with --resource alone, its list is read and not exported"))
            }
            Self::ParentField { .. } => {
                Some("every record of the parent needs the field: name another one, or filter the parent's records".into())
            }
            Self::Numbers { .. }
            | Self::LoadColumns { .. }
            | Self::Worker { .. }
            | Self::Observing
            | Self::NoParent { .. }
            | Self::NoAttempt => {
                Some("this is a bug in restlake: please report it".into())
            }
        }
    }
}

/// Why there is nothing to infer columns from.
pub(super) fn no_records(filtered: u64, rejected: u64) -> String {
    let left = "no record is left to infer the columns from";
    match (filtered, rejected) {
        (0, 0) => "no record came to infer the columns from".to_owned(),
        (filtered, 0) => format!("{left}: {filtered} came, and all were filtered"),
        (0, rejected) => format!("{left}: {rejected} came, and all were rejected"),
        (filtered, rejected) => format!("{left}: {filtered} were filtered, {rejected} rejected"),
    }
}

/// Columns as a schema file has them.
fn declared(columns: &[Column]) -> String {
    let column = |column: &Column| format!("`{{name: {}, type: {}}}`", column.name, column.data_type);
    columns.iter().map(column).collect::<Vec<_>>().join(" and ")
}

/// What is wrong with a field, and what is there.
fn lack(field: &str, is_null: bool, keys: &[String]) -> String {
    let keys = keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    match (is_null, keys.is_empty()) {
        (true, _) => format!("its `{field}` is null, and it has the fields {keys}"),
        (false, true) => format!("it has no `{field}`, and no other field"),
        (false, false) => format!("it has no `{field}`, but {keys}"),
    }
}

/// Bytes as a config writes them, in the largest unit of which there is one: `10GB`, `1.234MB`.
fn size(bytes: u64) -> String {
    let units = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "KB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) if bytes.is_multiple_of(unit) => format!("{}{name}", bytes / unit),
        Some((unit, name)) => format!("{:.3}{name}", bytes as f64 / unit as f64),
        None => format!("{bytes}B"),
    }
}

/// Columns that are counted to as many times their limit.
pub(super) const COLUMNS_COUNTED: u64 = 10;

/// A number of columns: beyond [`COLUMNS_COUNTED`] limits, they are not counted.
fn at_least(columns: u64, limit: u64) -> String {
    let is_counted = columns < limit.saturating_mul(COLUMNS_COUNTED);
    if is_counted { columns.to_string() } else { format!("at least {columns}") }
}

/// Describes the table after an incomplete run.
fn committed(kept: bool, retries_lists: bool) -> &'static str {
    match (kept, retries_lists) {
        (true, _) => "what is surely right was committed",
        (false, true) => "nothing was committed, and the next run requests only the incomplete lists again",
        (false, false) => "nothing was committed",
    }
}

/// `100 of 3,000 records`.
fn of_expected(received: u64, expected: Option<u64>) -> String {
    match expected {
        Some(expected) => format!("{} of {} records", grouped(received), grouped(expected)),
        None => format!("{} records", grouped(received)),
    }
}

/// The lines to paste: a paginator that leads on, or that no number is a total.
fn incomplete_hint(is_single: bool, expected: Option<u64>, pin: &str) -> String {
    let way = "set the endpoint's paginator to the API's, e.g. `paginator: {type: offset, limit: 100}`";
    let total = || format!("if that number is no total of these records: `{pin}`");
    match (is_single, expected.is_some() && !pin.is_empty()) {
        (true, true) => format!("{way}; {}", total()),
        (true, false) => format!("{way}; or accept what comes: `on_incomplete: warn`"),
        (false, true) => format!("{}; to accept what comes: `on_incomplete: warn`", total()),
        (false, false) => "check the endpoint's paginator; to accept what comes: `on_incomplete: warn`".to_owned(),
    }
}
