//! `resources[…]` and `resource_defaults`.

use super::{
    COUNT, DURATION, Field, Grammar, POSITIVE, SELECTOR, SIZE, Shape, Table,
    answer::{ACTIONS, CSV, ENCODING, FORMAT, STEPS},
    auth::AUTH,
    field, ignored,
    incremental::INCREMENTAL,
    known, later,
    paginator::{ON_DRIFT, ON_DRIFT_DOC, ON_INCOMPLETE, ON_INCOMPLETE_DOC, PAGINATOR},
    request::{DATA, METHOD, PARAMS},
    schema::{CONTRACT, SCHEMA, TRUNCATE, TYPE_NAME},
    table, word,
    write_disposition::{ON_MISSING, ON_MISSING_DOC, WRITE_DISPOSITION},
};
use crate::config::{notation, quantity};

pub static RESOURCE: Table = table("resource", "One resource of the API, into one table.", FIELDS);

const FIELDS: &[Field] = &[
    field("name", Shape::Text, "Of the resource; its table's too, unless `table_name` says otherwise."),
    field("table_name", Shape::Text, "A directory of the destination."),
    field("write_disposition", WRITE_DISPOSITION, "What happens to the rows that the table has already.").or("append"),
    field("on_missing", ON_MISSING, ON_MISSING_DOC).or("keep"),
    field("primary_key", COLUMN_NAMES, "Columns that tell rows apart."),
    field("merge_key", COLUMN_NAMES, "Columns whose values name the rows that a `delete-insert` or `scd2` is about."),
    field("columns", Shape::Keyed(&A_HINT), "dlt's hints, by column, or as a list of columns with a `name` each."),
    field("endpoint", Shape::Either(&PATH_OR_ENDPOINT), "What to request. A text is the path."),
    field(
        "schema",
        Shape::Either(&PATH_OR_SCHEMA),
        "The table's columns; a text is the path of a schema file, relative to this file.",
    ),
    field("infer_rows", POSITIVE, "Without a schema: so many records are looked at, to infer the table's columns.")
        .or("1000"),
    field("naming", NAMING, NAMING_DOC),
    field("schema_contract", CONTRACT, "What happens to data that the schema does not expect."),
    field(
        "max_rejects",
        Shape::Either(&[COUNT, SHARE]),
        "How many rows and values may be rejected: a number, or a share of the rows.",
    ),
    field("on_incomplete", ON_INCOMPLETE, ON_INCOMPLETE_DOC),
    field("partition_by", Shape::OneOrMany(&COLUMN_OR_PARTITION), "The table's directories, the outermost first."),
    field("dedup", Shape::Bool, "Whether duplicates by primary_key within a run are removed.").or("true"),
    field("selected", Shape::Bool, "Whether the resource is exported unless it is named on the command line.")
        .or("true"),
    field(
        "metadata_columns",
        Shape::Either(&NAMES_OR_METADATA),
        "Columns that the run fills in: a list of them, or an object of the names that they get.",
    ),
    field("checkpoint_interval", DURATION, CHECKPOINT_INTERVAL),
    field("resume_within", DURATION, RESUME_WITHIN),
    field("rewrite_limit", SIZE, REWRITE_LIMIT),
    field("compact", COMPACT, COMPACT_DOC),
    field("allow_missing_data", Shape::Bool, ALLOW_MISSING_DATA).or("false"),
    field("processing_steps", STEPS, "What is done with each record before it is decoded."),
    field(
        "include_from_parent",
        COLUMN_NAMES,
        "Fields of the parent's record that each record gets: `id` of `posts` as `_posts_id`.",
    ),
    later("data_from", "the records of another resource"),
    ignored("parallelized", "`max_concurrency` of the client says how many requests are in flight"),
    ignored("max_table_nesting", "nested data stays nested, or is declared as columns"),
    ignored("nested_hints", "nested data stays nested, or is declared as columns"),
    ignored("file_format", "the files are Parquet"),
    ignored("table_format", "the destination's `table_format` says it"),
    ignored("references", "Parquet knows no references"),
    ignored("parent_table_name", "there are no child tables"),
    ignored("validator", "the schema says what fits"),
    ignored("additional_table_hints", "they are hints to dlt's own destinations"),
    ignored("parent", "there are no child tables"),
];

// Statics that name other statics cannot stand inside an expression.
static PATH_OR_ENDPOINT: [Shape; 2] = [Shape::Text, Shape::Object(&ENDPOINT)];
static PATH_OR_SCHEMA: [Shape; 2] = [Shape::Text, Shape::Object(&SCHEMA)];
static COLUMN_OR_PARTITION: Shape = Shape::Either(&TEXT_OR_PARTITION);
static TEXT_OR_PARTITION: [Shape; 2] = [Shape::Text, Shape::Object(&PARTITION)];
static A_HINT: Shape = Shape::Object(&HINT);

pub const COLUMN_NAMES: Shape = Shape::OneOrMany(&COLUMN_NAME);

const COLUMN_NAME: Shape = Shape::Parsed(&Grammar {
    what: "the name of a column",
    check: |text| known((!text.trim().is_empty()).then_some(())),
});

const SHARE: Shape =
    Shape::Parsed(&Grammar { what: "a number, or a share such as `1%`", check: |text| known(quantity::share(text)) });

static ENDPOINT: Table = table(
    "endpoint",
    "What to request, and where in the answer the records are.",
    &[
        field("path", Shape::Text, "Below the client's base_url. Default: the resource's name."),
        field("method", METHOD, "How.").or("GET"),
        field("params", PARAMS, "Query parameters; a list is repeated, null is left out."),
        field("json", Shape::Any, "The body, as JSON."),
        field("data", DATA, "The body: a form as an object or as a list of pairs, or a text as it is."),
        field("headers", Shape::Map(&Shape::Scalar), "Sent in place of the client's of the same name."),
        field("auth", Shape::Tagged(&AUTH), "Credentials in place of the client's; null sends none."),
        field("data_selector", SELECTOR, "Where in a page the records stand. Default: found out from the first page."),
        field("paginator", Shape::Tagged(&PAGINATOR), "How the resource is paged. Default: the client's, or `auto`."),
        field("allow_missing_data", Shape::Bool, ALLOW_MISSING_DATA),
        field("on_drift", ON_DRIFT, ON_DRIFT_DOC),
        field("incremental", Shape::Object(&INCREMENTAL), "Loads only what is new since the run before."),
        field("format", FORMAT, "What the answers are. Default: what their Content-Type says, else JSON."),
        field(
            "encoding",
            ENCODING,
            "The charset of the answers, such as `windows-1252`. Default: what they declare, else UTF-8.",
        ),
        field(
            "member",
            Shape::Text,
            "Of answers that are ZIP archives, the file to read. Default: the only one that can be.",
        ),
        field("csv", CSV, "How answers that are CSV are read."),
        field("response_actions", ACTIONS, "What to do with certain answers."),
    ],
);

static PARTITION: Table = table(
    "partition",
    "One level of directories.",
    &[
        field("column", Shape::Text, "The column.").required(),
        field(
            "transform",
            Shape::Parsed(&Grammar {
                what: "`identity`, `year`, `month`, `day`, `hour`, `bucket[n]` or `truncate[n]`",
                check: |text| known(notation::transform(text)),
            }),
            "What is done with its value.",
        )
        .or("identity"),
    ],
);

static NAMES_OR_METADATA: [Shape; 2] =
    [Shape::OneOrMany(&Shape::Choice(&[word("run_id"), word("extracted_at"), word("page")])), Shape::Object(&METADATA)];

static METADATA: Table = table(
    "metadata_columns",
    "What the run knows of a row, and the columns it stands in.",
    &[
        field("run_id", Shape::Text, "A string: the run that wrote the row."),
        field("extracted_at", Shape::Text, "A timestamp: when the row's page was handed on."),
        field("page", Shape::Text, "An int64: the row's page, 1 for the first."),
    ],
);

const ALLOW_MISSING_DATA: &str = "Whether a page in which `data_selector` finds nothing is one without records; else it is \
    an error. The endpoint's goes before the resource's. Default: `false`.";

pub const NAMING: Shape = Shape::Choice(&[word("direct"), word("snake_case")]);
pub const NAMING_DOC: &str = "What columns are called that no schema names: `direct` is as in the API, `snake_case` as dlt \
    would call them. The resource's goes before the top level's. Default: `direct`.";
pub const CHECKPOINT_INTERVAL: &str = "The least time between two checkpoints. Default: `30s`.";
pub const RESUME_WITHIN: &str = "How long after its last checkpoint a run that died is resumed, e.g. `30m`. Where only incomplete \
    lists are requested again, it counts from the run that read the others. Default: `1h`.";
pub const REWRITE_LIMIT: &str = "Bytes of older files that a change of the schema may rewrite within a run; the \
    resource's goes before the destination's, and that before the top level's. Default: `10GB`.";
pub const COMPACT_DOC: &str = "Whether small files are joined after a commit; `auto` is more than 20 of them in a \
    partition. The resource's goes before the destination's. Default: `off`.";

pub const COMPACT: Shape = Shape::Either(&WORD_OR_COMPACT);

static WORD_OR_COMPACT: [Shape; 2] = [Shape::Choice(&[word("auto"), word("off")]), Shape::Object(&COMPACT_TABLE)];

static COMPACT_TABLE: Table = table(
    "compact",
    "When small files are joined.",
    &[field("small_files", POSITIVE, "A partition with more small files than this is compacted.").required()],
);

/// dlt takes lengths of texts and bits of integers for a precision, too.
const SMALL: Shape = Shape::Count { min: 0, max: u32::MAX as u64 };

static DIGITS_OR_TRUNCATE: [Shape; 2] = [SMALL, TRUNCATE];

static HINT: Table = Table {
    ignored_prefix: Some("x-"),
    ..table(
        "column_hint",
        "dlt's hints for one column.",
        &[
            field("data_type", TYPE_NAME, "The column's type, in place of the schema's."),
            field(
                "precision",
                Shape::Either(&DIGITS_OR_TRUNCATE),
                "Digits of a decimal, 1 to 38; `truncate` cuts digits beyond microseconds of times and timestamps.",
            ),
            field("scale", SMALL, "Digits of a decimal after the point; no effect on other types."),
            field("format", Shape::Text, "How to read the column, as `format` of a schema's column."),
            field("nullable", Shape::Bool, "Whether the column may be null, in place of what the schema says."),
            field("primary_key", Shape::Bool, "Whether the column is part of the key."),
            field("merge_key", Shape::Bool, "Whether the column is part of the merge key."),
            field("hard_delete", Shape::Bool, "Whether the column says that a record deletes the row of its key."),
            field("partition", Shape::Bool, "Whether the table is partitioned by the column's value."),
            field(
                "dedup_sort",
                Shape::Choice(&[word("asc"), word("desc")]),
                "Which row of a key stays: `desc` keeps the highest value, `asc` the lowest.",
            ),
            ignored("name", "the key it stands under is the column's name"),
            ignored("description", NO_PLACE),
            ignored("unique", NO_PLACE),
            ignored("sort", "`sort_by` of `destination.parquet` sorts"),
            ignored("cluster", NO_PLACE),
            ignored("timezone", "`timestamp` is UTC, `timestamp_naive` has no zone"),
            ignored("variant", NO_PLACE),
            ignored("parent_key", "there are no child tables"),
            ignored("root_key", "there are no child tables"),
            ignored("row_key", "there are no child tables"),
            ignored("incremental", "it is set by dlt itself"),
        ],
    )
};

const NO_PLACE: &str = "Parquet has no place for it";
