//! What answers look like, what some of them mean, and what is done with their records: `endpoint.format`, `endpoint.csv`,
//! `endpoint.response_actions` and `processing_steps`.

use super::{Grammar, Shape, Table, field, table, word};
use crate::config::notation;

pub const FORMAT: Shape = Shape::Choice(&[word("json"), word("ndjson"), word("csv")]);

pub const ENCODING: Shape = Shape::Parsed(&Grammar {
    what: "a charset of WHATWG's Encoding Standard, such as `windows-1252`, `shift_jis` or `utf-16le`",
    check: |text| super::known(encoding_rs::Encoding::for_label(text.as_bytes())),
});

pub const CSV: Shape = Shape::Object(&CSV_TABLE);

static CSV_TABLE: Table = table(
    "csv",
    "How CSV and TSV become records. A cell fits a column by the same rules as a text of JSON; without a schema, columns of numbers, bools, dates and timestamps have these types.",
    &[
        field(
            "delimiter",
            ONE_LETTER,
            "Between cells; a tab is `\\t`. Default: that of `,`, `;`, tab and `|` by which the first rows have the same number of cells.",
        ),
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

pub const STEPS: Shape = Shape::List(&A_STEP);

static A_STEP: Shape = Shape::Object(&STEP);

static STEP: Table = table(
    "processing_step",
    "What is done with each record before it is decoded, by programs in jq that see the record alone. Of several keys \
     `filter` comes first and `yield_map` last.",
    &[
        field("filter", PROGRAM, "Keeps the records for which the first output is neither false nor null."),
        field("map", PROGRAM, "The first output takes the record's place; null or none takes the record out."),
        field("yield_map", PROGRAM, "Every output is a record of its own."),
    ],
);

const PROGRAM: Shape = Shape::Parsed(&Grammar {
    what: "a jq program such as `select(.id > 0)` or `{id, name}`",
    check: |text| match text.parse::<crate::jq::Program>() {
        Ok(_) => Ok(()),
        Err(error) => Err((error.message, error.offset)),
    },
});

pub const ACTIONS: Shape = Shape::List(&AN_ACTION);

static AN_ACTION: Shape = Shape::Object(&ACTION);

static ACTION: Table = table(
    "response_action",
    "What is done with answers of a status, with a text in them, or both. The first that fits is done.",
    &[
        field("status_code", Shape::Either(&STATUS), "The answer's status."),
        field("content", Shape::Text, "A part of the answer's body, as it stands there."),
        field("empty", Shape::Bool, "`true`: only answers whose body is empty.").or("false"),
        field(
            "action",
            Shape::Choice(&[word("accept"), word("ignore"), word("retry"), word("fail"), word("stop"), word("refresh_token")]),
            "`accept`: a page, whatever it holds; `ignore`: a page without records, counted in the summary; `retry`: tried again like a 503; `fail`: the \
             resource fails; `stop`: the page sequence is over; the records of a success are the last ones; `refresh_token`: tried again \
             once with new credentials, like a 401.",
        )
        .required(),
        field("message", Shape::Text, "What to tell about it; of no use with `accept` and `ignore`."),
    ],
);

static STATUS: [Shape; 2] = [
    Shape::Count { min: 100, max: 599 },
    Shape::Parsed(&Grammar {
        what: "a status from 100 to 599",
        check: |text| super::known(text.parse().ok().filter(|status: &u16| (100..600).contains(status))),
    }),
];
