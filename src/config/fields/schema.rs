//! A table's schema: a file of its own, or inline on a resource.

use super::{Field, Grammar, Shape, Table, field, ignored, ignored_word, table, word};
use crate::{schema::ColumnType, suggestion::nearest};

/// A schema file.
pub static SCHEMA: Table = table(
    "schema",
    "The columns of a table.",
    &[
        field("columns", Shape::List(&A_COLUMN), "In the order in which they are written.").required(),
        field("schema_contract", CONTRACT, "What happens to data that the schema does not expect."),
    ],
);

static COLUMN: Table = table("column", "One column.", COLUMN_FIELDS);

const COLUMN_FIELDS: &[Field] = &[
    field("name", Shape::Text, "The column's name in the table.").required(),
    field("source", Shape::Text, "The field it is filled from, dotted; `$` is the whole record. Default: the name."),
    field("type", TYPE_NAME, "What it holds.").required(),
    field("nullable", Shape::Bool, "Whether it may be null.").or("true"),
    field(
        "format",
        Shape::Text,
        "How to read it: strftime for dates and times, `epoch_s`, `epoch_ms`, `epoch_us` for timestamps, `hex` or \
         `base64url` for binary, `non_finite` for floats whose texts `NaN`, `Infinity` and `-Infinity` are values.",
    ),
    field(
        "precision",
        TRUNCATE,
        "`truncate` cuts digits beyond microseconds of times and timestamps; else they do not fit.",
    ),
];

pub const TRUNCATE: Shape = Shape::Choice(&[word("truncate")]);

pub const TYPE_NAME: Shape = Shape::Parsed(&Grammar {
    what: "a type: `bool`, `int8` … `int64`, `uint8` … `uint64`, `float32`, `float64`, `decimal(p,s)`, `string`, `binary`, \
        `date`, `time`, `timestamp`, `timestamp_naive`, `json`, `uuid`, `list<T>`, `struct<name: T>`, `map<string, T>`",
    check: |text| match text.parse::<ColumnType>() {
        Ok(_) => Ok(()),
        Err(error) => Err((meant(error.message, text, error.offset), error.offset)),
    },
});

/// Names of types in SQL, JSON Schema and Python, and the type that holds their values.
const SYNONYMS: [(&str, &str); 16] = [
    ("int", "int64"),
    ("integer", "int64"),
    ("long", "int64"),
    ("str", "string"),
    ("varchar", "string"),
    ("char", "string"),
    ("float", "float64"),
    ("number", "float64"),
    ("real", "float64"),
    ("numeric", "decimal"),
    ("boolean", "bool"),
    ("datetime", "timestamp"),
    ("timestamptz", "timestamp"),
    ("object", "json"),
    ("dict", "json"),
    ("array", "list"),
];

/// The message, and the name of a type that is near to the unknown one at this byte.
fn meant(message: String, text: &str, offset: usize) -> String {
    let rest = text.get(offset..).unwrap_or_default();
    let word = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    let synonym = SYNONYMS.iter().find(|(synonym, _)| synonym.eq_ignore_ascii_case(word)).map(|(_, name)| *name);
    match synonym.or_else(|| nearest(word, ColumnType::names()).filter(|near| *near != word)) {
        Some(near) => format!("{message}, did you mean `{near}`?"),
        None => message,
    }
}

/// One word for both (`evolve`: for columns), or each by itself.
pub const CONTRACT: Shape = Shape::Either(&WORD_OR_CONTRACT);

static WORD_OR_CONTRACT: [Shape; 2] = [Shape::Choice(COLUMNS_WORDS), Shape::Object(&CONTRACT_TABLE)];
static A_COLUMN: Shape = Shape::Object(&COLUMN);

const COLUMNS_WORDS: &[super::Word] = &[word("freeze"), word("discard_row"), word("discard_value"), word("evolve")];

const DATA_TYPE_WORDS: &[super::Word] = &[
    word("freeze"),
    word("discard_row"),
    word("discard_value"),
    ignored_word(
        "evolve",
        "no value changes its column's type, or makes another column: one that does not fit ends the run",
    ),
];

static CONTRACT_TABLE: Table = table(
    "schema_contract",
    "What happens to data that the schema does not expect.",
    &[
        field("columns", Shape::Choice(COLUMNS_WORDS), "To a field that the schema does not declare.")
            .or("discard_value"),
        field("data_type", Shape::Choice(DATA_TYPE_WORDS), "To a value that does not fit its column.").or("freeze"),
        ignored("tables", "a resource has one table, which is there or is made"),
    ],
);
