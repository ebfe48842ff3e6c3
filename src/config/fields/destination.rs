//! `destination`: the lake.

use super::{
    DURATION, Field, Grammar, POSITIVE, SIZE, Shape, Table, field, known,
    resource::{COLUMN_NAMES, COMPACT, COMPACT_DOC, REWRITE_LIMIT},
    table, word,
};
use crate::config::{notation, quantity};

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

/// S3 copies no larger object in one request, and a file is copied where it cannot be renamed. It may become a row group
/// larger than this, for which 5 GiB leave room.
const FILE_SIZE: Shape = Shape::Parsed(&Grammar {
    what: "a size of at most 5GB, such as `256MB` or `1GiB`",
    check: |text| known(quantity::size(text).filter(|size| (1..=5_000_000_000).contains(size))),
});

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
        field("target_file_size", FILE_SIZE, "A file is closed when it is this large, encoded; at most 5 GB.")
            .or("256MB"),
        field("row_group_rows", POSITIVE, "Rows of a row group.").or("250000"),
        field("bloom_filter", COLUMN_NAMES, "Columns that get Bloom filters, in the tables that have them."),
        field("sort_by", COLUMN_NAMES, "Sorts the rows of each row group, in the tables that have these columns."),
    ],
);
