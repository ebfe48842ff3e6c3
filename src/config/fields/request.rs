//! What a request consists of, besides its path: parts of `endpoint`.

use super::{Grammar, Shape, Table, Union, field, incremental::INCREMENTAL_PARAM, table, variant};
use crate::config::notation;

pub const METHOD: Shape = Shape::Parsed(&Grammar { what: "`GET` or `POST`", check: notation::method });

pub const PARAMS: Shape = Shape::Map(&VALUE_OR_PARAM);

pub const DATA: Shape = Shape::Either(&TEXT_OR_FORM);

static VALUE_OR_PARAM: Shape = Shape::Either(&SCALARS_OR_PARAM);
static SCALARS_OR_PARAM: [Shape; 2] = [SCALARS, Shape::Tagged(&PARAM)];
static TEXT_OR_FORM: [Shape; 3] = [Shape::Text, Shape::Map(&SCALARS), Shape::List(&PAIR)];
static PAIR: Shape = Shape::List(&Shape::Scalar);

const SCALARS: Shape = Shape::OneOrMany(&Shape::Scalar);

static PARAM: Union = Union {
    what: "a parameter",
    default: None,
    variants: &[variant("resolve", &RESOLVE), variant("incremental", &INCREMENTAL_PARAM)],
};

static RESOLVE: Table = table(
    "resolve",
    "Fills the place of its name in the path with a field of another resource's records.",
    &[
        field("resource", Shape::Text, "The parent.").required(),
        field("field", Shape::Text, "Where in its record the value stands.").required(),
    ],
);
