//! `endpoint.format`, `endpoint.csv` and `endpoint.response_actions`: what answers look like, and what some of them mean.

use super::{Grammar, Shape, Table, field, table, word};
use crate::config::notation;

pub const FORMAT: Shape = Shape::Choice(&[word("json"), word("ndjson"), word("csv")]);

pub const CSV: Shape = Shape::Object(&CSV_TABLE);

static CSV_TABLE: Table = table(
    "csv",
    "How CSV becomes records. Every cell is text, and fits a column by the same rules as a text of JSON.",
    &[
        field("delimiter", ONE_LETTER, "Between cells; a tab is `\\t`.").or(","),
        field("quote", ONE_LETTER, "Around cells with delimiters in them; null: cells are never quoted.").or("\""),
        field("header", Shape::Bool, "Whether the first row is the names of the columns.").or("true"),
        field("columns", Shape::List(&Shape::Text), "The names of the columns, in place of the header's."),
        field(
            "null_values",
            Shape::OneOrMany(&Shape::Text),
            "Cells that are null. Default: the empty one; with `[]` an empty cell is an empty text.",
        ),
    ],
);

const ONE_LETTER: Shape = Shape::Parsed(&Grammar {
    what: "one ASCII character, or `\\t`",
    check: |text| super::known(notation::letter(text)),
});

pub const ACTIONS: Shape = Shape::List(&AN_ACTION);

static AN_ACTION: Shape = Shape::Object(&ACTION);

static ACTION: Table = table(
    "response_action",
    "What is done with answers of a status, with a text in them, or both. The first that fits is done.",
    &[
        field("status_code", Shape::Either(&STATUS), "The answer's status."),
        field("content", Shape::Text, "A part of the answer's body, as it stands there."),
        field(
            "action",
            Shape::Choice(&[word("ignore"), word("retry"), word("fail"), word("stop")]),
            "`ignore`: a page without records, counted in the summary; `retry`: tried again like a 503; `fail`: the \
             resource fails; `stop`: the list is over.",
        )
        .required(),
        field("message", Shape::Text, "What to tell about it; of no use with `ignore`."),
    ],
);

static STATUS: [Shape; 2] = [
    Shape::Count { min: 100, max: 599 },
    Shape::Parsed(&Grammar {
        what: "a status from 100 to 599",
        check: |text| super::known(text.parse().ok().filter(|status: &u16| (100..600).contains(status))),
    }),
];
