//! The top level.

use super::{
    DURATION, Field, POSITIVE, SIZE, Shape, Table,
    client::CLIENT,
    destination::DESTINATION,
    field, ignored,
    paginator::{ON_INCOMPLETE, ON_INCOMPLETE_DOC},
    resource::{CHECKPOINT_INTERVAL, NAMING, NAMING_DOC, RESOURCE, RESUME_WITHIN, REWRITE_LIMIT},
    table,
};

/// The whole config file.
pub static ROOT: Table = table("config", "A pipeline: which API, which resources, into which lake.", FIELDS);

const FIELDS: &[Field] = &[
    field("name", Shape::Text, "Names the pipeline. Default: the file's stem."),
    field("client", Shape::Object(&CLIENT), "The API, and how to talk to it.").required(),
    field("resource_defaults", Shape::Object(&RESOURCE), "Keys that every resource has unless it sets them itself."),
    field(
        "resources",
        Shape::List(&NAME_OR_RESOURCE),
        "What to export: one table each. A text stands for a resource of that name and path.",
    )
    .required(),
    field("destination", Shape::Object(&DESTINATION), "Where the tables go."),
    field(
        "memory_limit",
        SIZE,
        "Bytes that pages, rows, open files and keys may take. A page, with the index of its values, may take a third of it; the keys of a resource may take half.",
    )
    .or("2GB"),
    field(
        "max_columns",
        POSITIVE,
        "Columns that a table may have, fields of structs counted one by one; more of them are an error.",
    )
    .or("10000"),
    field("checkpoint_interval", DURATION, CHECKPOINT_INTERVAL),
    field("resume_within", DURATION, RESUME_WITHIN),
    field("rewrite_limit", SIZE, REWRITE_LIMIT),
    field("on_incomplete", ON_INCOMPLETE, ON_INCOMPLETE_DOC),
    field("naming", NAMING, NAMING_DOC),
    ignored("parallelized", "`max_concurrency` of the client says how many requests are in flight"),
    ignored("max_table_nesting", "nested data stays nested, or is declared as columns"),
    ignored("root_key", "there are no child tables"),
];

static NAME_OR_RESOURCE: Shape = Shape::Either(&TEXT_OR_RESOURCE);
static TEXT_OR_RESOURCE: [Shape; 2] = [Shape::Text, Shape::Object(&RESOURCE)];
