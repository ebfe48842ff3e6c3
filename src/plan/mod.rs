//! What will happen: resolved, immutable, printable, serialisable. No I/O; nothing of what the user wrote is left open.
//!
//! ```text
//! Config (what the user wrote, with places) ──resolve──► Plan ──► stages (each reads its own part, none reads the config)
//! ```

mod answer;
mod auth;
mod convert;
mod cursor;
pub mod hive;
mod incremental;
pub mod inference;
mod paginator;
mod parent;
pub mod reader;
mod remembered;
pub(crate) mod request;
mod resolve;
mod signing;
mod step;
mod template;
mod trust;

use std::{fmt, time::Duration};

use serde::Serialize;
use url::Url;

use crate::{
    json::Selector,
    schema::{Contract, Naming, TableSchema},
    secret::{Redactor, Secret},
    store::Destination,
};

pub use answer::{Action, AnswerPlan, CsvPlan, ResponseAction, ResponseFormat};
pub use auth::{
    ApiKeyLocation, AuthPlan, ClientAuth, ClientCredentialsPlan, JwtBearerPlan, LoginBody, Placement, RefreshTokenPlan,
    SessionPlan, TokenClient, TokenSource,
};
pub use convert::{Convert, ConvertError};
pub use cursor::{CursorValue, Step, Towards};
pub use incremental::{
    CursorState, Identity, IncrementalPlan, LastValueFunc, ListStart, ListState, OnMissing, Range, RangeEdge, RowOrder,
    Window,
};
pub use inference::Inference;
pub use paginator::{
    CursorPlan, JsonLinkPlan, Learned, OffsetPlan, OnDrift, OnIncomplete, PageNumberPlan, PaginatorPlan, ShortPage,
    Slot, TotalsPlan,
};
pub use parent::{IncludedField, ParentPlan};
pub use remembered::Remembered;
pub use request::{BindError, Bindings, BodyPlan, BoundBody, BoundRequest, JsonTemplate, Method, RequestPlan};
pub use resolve::{Overrides, resolve};
pub use signing::{KeyError, SigningAlgorithm, SigningKey};
pub use step::{ProcessingStep, StepOperation};
pub use template::{IncrementalValue, Meaning, Reference, Template, TemplateError};
pub use trust::{AllowedHost, ForeignHosts, TlsPlan};

/// Everything one `restlake run` does.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    pub pipeline: String,
    pub client: ClientPlan,
    pub resources: Vec<ResourcePlan>,
    /// Those that are not exported, and whose records others are asked for by.
    pub parents: Vec<ResourcePlan>,
    pub destination: Destination,
    pub table_format: TableFormatKind,
    /// Whether a living run of the same table is waited for; else it ends this one.
    #[serde(skip)]
    pub wait: bool,
    /// Whether what a dead run left may be gone on with.
    #[serde(skip)]
    pub resume: bool,
    /// Bytes of pages and rows that a resource may hold between the network and its files.
    pub memory_limit: u64,
    /// Columns that a table may have, fields of structs counted one by one.
    pub max_columns: u64,
    /// How long a vacuum keeps what no run needs, such as the files of a Delta table's earlier versions.
    pub retain: Duration,
    /// Whether the first pages alone ([`ResourcePlan::max_pages`]) may replace a table that has rows. Only where the command
    /// line names the destination: it is a try-out then. Elsewhere a run refuses it, since the rest of the rows would be
    /// lost; a table without rows loses nothing, and only the run knows whether it has some.
    #[serde(skip)]
    pub partial_replace_allowed: bool,
    /// Values that must not be seen in any text: auth values, secret options and headers, contents of `${file:}`, and what
    /// variables filled into any of these.
    #[serde(skip)]
    pub secrets: Vec<Secret<String>>,
    /// Other values that variables filled into `auth`: names of users, ids of clients.
    #[serde(skip)]
    pub identities: Vec<Secret<String>>,
    /// Values that are not shown, and may be no credentials: what logins send.
    #[serde(skip)]
    pub private: Vec<Secret<String>>,
    /// Values that variables filled into requests. They are shown, and sent to no other host.
    #[serde(skip)]
    pub confined: Vec<Secret<String>>,
}

impl Plan {
    /// What strips all that the plan knows of secrets.
    pub fn redactor(&self) -> Redactor {
        let exposed = |values: &[Secret<String>]| values.iter().map(|value| value.expose().clone()).collect::<Vec<_>>();
        let redactor = Redactor::new(exposed(&self.secrets));
        redactor.learn_identities(exposed(&self.identities));
        redactor.hide(exposed(&self.private));
        redactor.confine(exposed(&self.confined));
        redactor
    }
}

/// How requests are sent: shared by all resources.
#[derive(Clone, Debug, Serialize)]
pub struct ClientPlan {
    pub base_url: Url,
    pub headers: Vec<(String, Secret<String>)>,
    pub auth: AuthPlan,
    /// Who may see the credentials besides the origin of `base_url`.
    pub allowed_hosts: Vec<AllowedHost>,
    pub foreign_hosts: ForeignHosts,
    pub tls: TlsPlan,
    /// Upper bound of the adaptive limit; at least 1.
    pub max_concurrency: usize,
    pub rate_limit: Option<RateLimit>,
    /// Per attempt, the body included.
    pub timeout: Duration,
    pub connect_timeout: Duration,
    pub retry: RetryPlan,
    /// The largest decoded body, in bytes.
    pub max_body: u64,
}

/// A token bucket: `requests` at once at first, then so many per `per`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RateLimit {
    pub requests: u32,
    pub per: Duration,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct RetryPlan {
    /// The first included; at least 1.
    pub max_attempts: u32,
    pub initial_backoff: Duration,
    pub max_backoff: Duration,
    /// From the first attempt of a request to the start of its last.
    pub max_elapsed: Duration,
}

/// One resource into one table.
#[derive(Clone, Debug, Serialize)]
pub struct ResourcePlan {
    pub name: String,
    pub table: String,
    pub request: RequestPlan,
    /// Credentials in place of the client's.
    pub auth: Option<AuthPlan>,
    pub parent: Option<ParentPlan>,
    pub paginator: PaginatorPlan,
    /// `None`: found out from the first page.
    pub data_selector: Option<Selector>,
    pub answers: AnswerPlan,
    pub processing_steps: Vec<ProcessingStep>,
    /// Whether a page in which `data_selector` finds nothing is one without records; else it is an error.
    pub allow_missing_data: bool,
    pub on_drift: OnDrift,
    /// Which numbers of an answer are totals.
    pub totals: TotalsPlan,
    /// What a result set does that is known to be incomplete.
    pub on_incomplete: OnIncomplete,
    /// What an earlier run has detected of the endpoint; the run fills it in from the table.
    pub learned: Option<Learned>,
    /// What earlier runs have detected does not count: `--full-refresh`.
    pub detects_anew: bool,
    /// No more pages are asked for. With `replace`, see [`Plan::partial_replace_allowed`].
    pub max_pages: Option<u64>,
    /// How only what is new is loaded; `None`: each run reads all there is.
    pub incremental: Option<IncrementalPlan>,
    /// Empty as long as it is open, see `inference`.
    pub schema: TableSchema,
    /// How the columns are found; `None` where they are known.
    pub inference: Option<Inference>,
    /// What columns are called that nobody names.
    pub naming: Naming,
    pub contract: Contract,
    pub max_rejects: Option<MaxRejects>,
    pub write_disposition: WriteDisposition,
    /// How; of use under [`WriteDisposition::Merge`] alone.
    pub merge: MergePlan,
    /// Indexes of key columns; empty without a key.
    pub primary_key: Vec<usize>,
    /// Whether duplicates of the key within the run are removed; false without a key.
    pub dedup: bool,
    pub dedup_sort: Option<DedupSort>,
    pub partition_by: Vec<PartitionField>,
    pub parquet: ParquetPlan,
    pub checkpoint: CheckpointPlan,
    /// Bytes of older files that a change of the schema may rewrite within a run.
    pub rewrite_limit: u64,
    /// A partition with more small files than this is compacted after the commit; `None`: never.
    pub compact_above: Option<u64>,
    /// Things the user should know, found while resolving.
    pub warnings: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxRejects {
    Rows(u64),
    /// Of the rows fetched, 0 to 1.
    Share(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteDisposition {
    Append,
    Replace,
    Merge,
    /// Nothing is requested and nothing is written.
    Skip,
}

/// How the versions of a table are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TableFormatKind {
    #[default]
    Parquet,
    Delta,
}

/// What a merge does with the rows that the table has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MergePlan {
    pub strategy: MergeStrategy,
    /// Indexes of columns: under `delete_insert` the rows of the table that agree with any row of the run in all of them go;
    /// under `scd2` only versions of rows that agree so are retired.
    pub merge_key: Vec<usize>,
    /// The column that says that a record deletes the row of its key: true if it is a bool, not null if it is none.
    pub hard_delete: Option<usize>,
    /// Whether rows whose key the run did not bring go.
    pub delete_missing: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeStrategy {
    /// The row of a known key is replaced.
    #[default]
    Upsert,
    /// As `upsert`, and the rows of the same `merge_key` go as well.
    DeleteInsert,
    /// The row of a known key stays, the new one is unchanged.
    InsertOnly,
    /// Versions of rows: what changed at the source is retired and added anew.
    Scd2(Scd2Plan),
}

/// The two columns are the last ones of the schema, with the sources [`LoadColumn::ValidFrom`] and [`LoadColumn::ValidTo`].
///
/// [`LoadColumn::ValidFrom`]: crate::schema::LoadColumn::ValidFrom
/// [`LoadColumn::ValidTo`]: crate::schema::LoadColumn::ValidTo
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Scd2Plan {
    pub valid_from: usize,
    pub valid_to: usize,
    /// What `valid_to` is as long as a version holds, in microseconds since 1970; `None` is null.
    pub active: Option<i64>,
    /// When old versions end and new ones begin, in microseconds; `None`: when the run began.
    pub boundary: Option<i64>,
}

/// How far a run that died can be gone on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CheckpointPlan {
    /// The least time between two checkpoints.
    pub interval: Duration,
    /// An older one describes a source that has moved on.
    pub resume_within: Duration,
}

impl Default for CheckpointPlan {
    fn default() -> Self {
        Self { interval: Duration::from_secs(30), resume_within: Duration::from_secs(3600) }
    }
}

/// Which of the rows of one key stays: the one with the highest or lowest value of a column; of equal ones the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DedupSort {
    pub column: usize,
    /// `desc` keeps the highest value, `asc` the lowest.
    pub descending: bool,
}

/// One directory level of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartitionField {
    pub column: usize,
    pub transform: Transform,
    /// The name in the directory: `status`, `created_at_month`, `id_bucket`.
    pub key: String,
}

/// Iceberg's partition transforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    Identity,
    Year,
    Month,
    Day,
    Hour,
    Bucket(u32),
    Truncate(u32),
}

impl ResourcePlan {
    /// Whether a run goes on where the one before it ended: what that one has loaded is not asked for again.
    pub fn goes_on(&self) -> bool {
        let moves = self.incremental.as_ref().is_some_and(IncrementalPlan::moves_cursor);
        // A table that is always written anew needs all there is.
        let is_anew = self.incremental.as_ref().is_some_and(|plan| plan.then == WriteDisposition::Replace);
        moves && self.max_pages.is_none() && !is_anew
    }

    /// Whether a page may show that no later one holds a record that is wanted: not where other lists follow.
    pub fn may_end_early(&self) -> bool {
        self.parent.is_none() && self.incremental.as_ref().is_some_and(IncrementalPlan::may_end_early)
    }
}

impl ResourcePlan {
    /// Returns true if one row of each key is written. A merge has one whatever else is wished for.
    pub fn deduplicates(&self) -> bool {
        let merges = self.write_disposition == WriteDisposition::Merge;
        self.dedup || merges && !self.primary_key.is_empty()
    }
}

impl MergeStrategy {
    /// As the config calls it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Upsert => "upsert",
            Self::DeleteInsert => "delete-insert",
            Self::InsertOnly => "insert-only",
            Self::Scd2(_) => "scd2",
        }
    }
}

impl PartitionField {
    /// The field as Iceberg writes it: `month(created_at)`, `bucket[16](id)`, `status` for the identity.
    pub fn spec(&self, schema: &TableSchema) -> String {
        let column = schema.columns.get(self.column).map_or("?", |column| &column.name);
        match self.transform {
            Transform::Identity => column.to_owned(),
            transform => format!("{transform}({column})"),
        }
    }
}

impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity => f.write_str("identity"),
            Self::Year => f.write_str("year"),
            Self::Month => f.write_str("month"),
            Self::Day => f.write_str("day"),
            Self::Hour => f.write_str("hour"),
            Self::Bucket(buckets) => write!(f, "bucket[{buckets}]"),
            Self::Truncate(width) => write!(f, "truncate[{width}]"),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct ParquetPlan {
    pub compression: Compression,
    /// A file is closed at the first row group boundary or batch at which it is this large, encoded.
    pub target_file_size: u64,
    pub row_group_rows: usize,
    /// Indexes of columns.
    pub bloom_filter: Vec<usize>,
    /// Indexes of columns, the most significant first; ascending, nulls first. Sorts within each row group.
    pub sort_by: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    Uncompressed,
    Snappy,
    Lz4,
    /// 0 to 9.
    Gzip(u32),
    /// 1 to 22.
    Zstd(i32),
}
