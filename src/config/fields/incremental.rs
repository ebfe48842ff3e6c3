//! `endpoint.incremental`, and the parameter of `type: incremental`.

use super::{
    Field, Grammar, SELECTOR, Shape, Table, field, ignored, known, later, resource::COLUMN_NAMES, table, word,
};
use crate::config::quantity;

pub static INCREMENTAL: Table = table("incremental", "Loads only what is new since the run before.", FIELDS);

/// The same in the place of a parameter's value, without what names other parameters.
pub static INCREMENTAL_PARAM: Table =
    table("incremental_param", "A parameter whose value is where this run begins.", PARAM_FIELDS);

const CURSOR_PATH: Field =
    field("cursor_path", SELECTOR, "The field of a record that tells how new it is, or the name of its column.")
        .required();
const INITIAL_VALUE: Field =
    field("initial_value", Shape::Scalar, "Where the first run begins. Default: at the first record.");
const LAST_VALUE_FUNC: Field = field(
    "last_value_func",
    Shape::Choice(&[word("max"), word("min")]),
    "Whether the largest or the smallest value is where the next run begins.",
)
.or("max");
const LAG: Field = field(
    "lag",
    Shape::Either(&NUMBER_OR_DURATION),
    "How much before the last value a run begins: seconds of a timestamp, days of a date, so much of a number; or a duration.",
);
const ROW_ORDER: Field = field(
    "row_order",
    Shape::Choice(&[word("asc"), word("desc")]),
    "In which order the API gives its records, if it does: pages that cannot hold new ones are not requested then.",
);
const ON_MISSING: Field = field(
    "on_cursor_value_missing",
    Shape::Choice(&[word("raise"), word("include"), word("exclude")]),
    "What becomes of a record without a value at cursor_path.",
)
.or("raise");
const RANGE_START: Field = field(
    "range_start",
    EDGE,
    "Whether records at the start belong to the range; those that are loaded already do not come twice.",
)
.or("closed");
const PRIMARY_KEY: Field = field(
    "primary_key",
    COLUMN_NAMES,
    "What tells that a record at the start was loaded before; an empty list: nothing does. Default: the resource's key under \
     `append`, else all of the record.",
);
const CONVERT: Field = field(
    "convert",
    Shape::Either(&TEXT_OR_CONVERT),
    "The form in which values are sent: a strftime pattern or an epoch.",
);
const SCHEDULERS: Field = ignored("allow_external_schedulers", "`restlake run --start T --end T` gives the interval");
const TRANSFORM: Field = later("transform", "what `convert` says");

const EDGE: Shape = Shape::Choice(&[word("closed"), word("open")]);

const END_VALUE: Field = field(
    "end_value",
    Shape::Scalar,
    "Where each run ends. Without a `window`, each one begins at the initial value then, whatever was loaded before.",
);
const RANGE_END: Field = field("range_end", EDGE, "Whether records at the end value belong to the range.").or("open");

const FIELDS: &[Field] = &[
    CURSOR_PATH,
    INITIAL_VALUE,
    END_VALUE,
    field("start_param", Shape::Text, "The query parameter that says where a run begins."),
    field("end_param", Shape::Text, "The query parameter that says where it ends."),
    LAST_VALUE_FUNC,
    LAG,
    ROW_ORDER,
    ON_MISSING,
    RANGE_START,
    RANGE_END,
    PRIMARY_KEY,
    CONVERT,
    field("window", Shape::Object(&WINDOW), "Cuts what is to be read into slices, each a commit of its own."),
    SCHEDULERS,
    TRANSFORM,
];

const PARAM_FIELDS: &[Field] = &[
    CURSOR_PATH,
    INITIAL_VALUE,
    END_VALUE,
    LAST_VALUE_FUNC,
    LAG,
    ROW_ORDER,
    ON_MISSING,
    RANGE_START,
    RANGE_END,
    PRIMARY_KEY,
    CONVERT,
    SCHEDULERS,
    TRANSFORM,
];

static WINDOW: Table = table(
    "window",
    "Slices of the interval that a run reads.",
    &[
        field(
            "step",
            Shape::Either(&NUMBER_OR_DURATION),
            "How large a slice is: a duration, or a number where the cursor is one.",
        )
        .required(),
        field("lookback", Shape::Either(&NUMBER_OR_DURATION), "How much before the cursor a run begins again."),
    ],
);

static NUMBER_OR_DURATION: [Shape; 2] = [Shape::Parsed(&STEP), NUMBER];

/// A number is taken as its text.
const NUMBER: Shape = Shape::Scalar;

const STEP: Grammar = Grammar {
    what: "a number, or a duration such as `10s`, `2h` or `7d`",
    check: |text| known(quantity::duration(text).map(drop).or_else(|| text.parse::<f64>().ok().map(drop))),
};

static TEXT_OR_CONVERT: [Shape; 2] = [Shape::Text, Shape::Object(&CONVERT_TABLE)];

static CONVERT_TABLE: Table = table(
    "convert",
    "The form in which values are sent.",
    &[
        field("format", Shape::Text, "A strftime pattern such as `%Y-%m-%d`, or `epoch_s`, `epoch_ms`, `epoch_us`.")
            .required(),
        field("timezone", Shape::Text, "By which clock: a name such as `Europe/Berlin`, or `+02:00`. Default: UTC."),
    ],
);
