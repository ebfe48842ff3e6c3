//! `write_disposition` of a resource: a word, or the word with how a merge goes about it.

use super::{Field, Grammar, Shape, Table, Word, field, ignored, known, later, later_word, table, word};
use crate::config::notation;

/// The word alone, or the object.
pub const WRITE_DISPOSITION: Shape = Shape::Either(&WORD_OR_OBJECT);

/// `keep` or `delete`: here, and on the resource itself.
pub const ON_MISSING: Shape = Shape::Choice(&[word("keep"), word("delete")]);

pub const ON_MISSING_DOC: &str = "What a merge does with the rows whose key the run did not bring.";

static WORD_OR_OBJECT: [Shape; 2] = [Shape::Choice(DISPOSITIONS), Shape::Object(&TABLE)];

static TABLE: Table = table("write_disposition", "A write disposition with its options.", FIELDS);

const DISPOSITIONS: &[Word] = &[word("append"), word("replace"), word("merge"), word("skip")];

const FIELDS: &[Field] = &[
    field("disposition", Shape::Choice(DISPOSITIONS), "What happens to the rows that the table has already.")
        .required(),
    field(
        "strategy",
        Shape::Choice(&[word("upsert"), word("delete-insert"), word("insert-only"), word("scd2"), later_word("cdc")]),
        "How a merge is done. Default: `upsert`; with a `merge_key`, `delete-insert`.",
    ),
    field("on_missing", ON_MISSING, ON_MISSING_DOC),
    field(
        "validity_column_names",
        Shape::List(&Shape::Text),
        "scd2: the two columns that say from when and until when a version of a row holds. Default: `_dlt_valid_from` and \
         `_dlt_valid_to`.",
    ),
    field(
        "active_record_timestamp",
        MOMENT,
        "scd2: what the second of them is as long as a version holds. Default: null.",
    ),
    field(
        "boundary_timestamp",
        MOMENT,
        "scd2: when old versions end and new ones begin. Default: when the run begins.",
    ),
    ignored("row_version_column_name", "versions of a row are compared by all of its columns"),
    ignored("skip_unchanged_rows", "a row that has not changed replaces itself"),
    ignored("deduplicated", "`dedup` of the resource says whether duplicates within a run are removed"),
    later("source_filter", "merging a part of the rows"),
    later("destination_scope", "merging into a part of the table"),
];

const MOMENT: Shape = Shape::Parsed(&Grammar {
    what: "an ISO 8601 date or timestamp such as `9999-12-31` or `2026-11-22T07:00:00Z`",
    check: |text| known(notation::moment(text)),
});
