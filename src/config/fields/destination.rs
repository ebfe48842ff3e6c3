//! `destination`: the lake.

use super::{
    DURATION, Field, Grammar, POSITIVE, SIZE, Shape, Table, field, known,
    resource::{COLUMN_NAMES, COMPACT, COMPACT_DOC, REWRITE_LIMIT},
    table, word,
};
use crate::config::notation;

pub static DESTINATION: Table = table("destination", "Where the tables go.", FIELDS);

const FIELDS: &[Field] = &[
    field(
        "url",
        Shape::Text,
        "A path (relative to the working directory), or file://, s3://, gs://, az://, memory://.",
    )
    .or("./lake"),
    field("options", Shape::Map(&Shape::Scalar), "The store's own options, such as `endpoint` and `region`."),
    field("table_format", Shape::Choice(&[word("parquet"), word("delta")]), "How a table keeps its versions.")
        .or("parquet"),
    field("rewrite_limit", SIZE, REWRITE_LIMIT),
    field("compact", COMPACT, COMPACT_DOC),
    field("retain", DURATION, "How long the files of earlier versions are kept for their readers.").or("7d"),
    field("parquet", Shape::Object(&PARQUET), "How data files are written."),
];

static PARQUET: Table = table(
    "parquet",
    "How data files are written.",
    &[
        field(
            "compression",
            Shape::Parsed(&Grammar {
                what: "`none`, `snappy`, `lz4`, `gzip(0…9)` or `zstd(1…22)`",
                check: |text| known(notation::compression(text)),
            }),
            "Of every column.",
        )
        .or("zstd(3)"),
        field("target_file_size", SIZE, "A file is closed when it is this large, encoded.").or("256MB"),
        field("row_group_rows", POSITIVE, "Rows of a row group.").or("250000"),
        field("bloom_filter", COLUMN_NAMES, "Columns that get Bloom filters, in the tables that have them."),
        field("sort_by", COLUMN_NAMES, "Sorts the rows of each row group, in the tables that have these columns."),
    ],
);
