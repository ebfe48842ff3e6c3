//! `paginator`, of the client and of an endpoint.

use super::{COUNT, Field, POSITIVE, SELECTOR, Shape, Table, Union, field, later, later_variant, table, variant};

pub static PAGINATOR: Union = Union {
    what: "a paginator",
    default: None,
    variants: &[
        variant("offset", &OFFSET),
        variant("page_number", &PAGE_NUMBER),
        variant("single_page", &SINGLE_PAGE),
        later_variant("auto"),
        later_variant("cursor"),
        later_variant("header_cursor"),
        later_variant("header_link"),
        later_variant("json_link"),
        later_variant("json_response"),
    ],
};

static SINGLE_PAGE: Table = table("single_page", "One request is all.", &[]);

static OFFSET: Table = table(
    "offset",
    "`?offset=200&limit=100`.",
    &[
        field("limit", POSITIVE, "Records to ask for with each request.").required(),
        field("offset", COUNT, "Of the first request.").or("0"),
        field("offset_param", Shape::Text, "The parameter's name.").or("offset"),
        field("limit_param", Shape::Text, "The parameter's name; null does not send the limit.").or("limit"),
        field("total_path", SELECTOR, "Where a page tells how many records there are in all; null: nowhere.")
            .or("total"),
        TOTAL_HEADER,
        field("maximum_offset", COUNT, "No page is asked for at or beyond it."),
        STOP_AFTER_EMPTY_PAGE,
        HAS_MORE_PATH,
        later("offset_body_path", "an offset in the body of a POST"),
        later("limit_body_path", "a limit in the body of a POST"),
    ],
);

static PAGE_NUMBER: Table = table(
    "page_number",
    "`?page=3`.",
    &[
        field("base_page", COUNT, "The number of the API's first page.").or("0"),
        field("page", COUNT, "The first page to ask for. Default: `base_page`."),
        field("page_param", Shape::Text, "The parameter's name.").or("page"),
        field("total_path", SELECTOR, "Where a page tells how many *pages* there are in all; null: nowhere.")
            .or("total"),
        TOTAL_HEADER,
        field("maximum_page", COUNT, "No page of this number or above is asked for."),
        STOP_AFTER_EMPTY_PAGE,
        HAS_MORE_PATH,
        later("page_body_path", "a page in the body of a POST"),
    ],
);

const TOTAL_HEADER: Field =
    field("total_header", Shape::Text, "A response header that tells how many *records* there are in all.");

const STOP_AFTER_EMPTY_PAGE: Field =
    field("stop_after_empty_page", Shape::Bool, "A page without records ends the list.").or("true");

const HAS_MORE_PATH: Field = field("has_more_path", SELECTOR, "Where a page tells whether another one follows.");
