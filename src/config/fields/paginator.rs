//! `paginator`, of the client and of an endpoint.

use super::{COUNT, Field, Grammar, POSITIVE, SELECTOR, Shape, Table, Union, field, table, variant, word};
use crate::{config::notation, json::Selector};

pub static PAGINATOR: Union = Union {
    what: "a paginator",
    // As dlt has it.
    default: Some("auto"),
    variants: &[
        variant("auto", &AUTO),
        variant("cursor", &CURSOR),
        variant("header_cursor", &HEADER_CURSOR),
        variant("header_link", &HEADER_LINK),
        variant("json_link", &JSON_LINK),
        variant("json_response", &JSON_LINK),
        variant("offset", &OFFSET),
        variant("page_number", &PAGE_NUMBER),
        variant("single_page", &SINGLE_PAGE),
    ],
};

static AUTO: Table =
    table("auto", "Detected from the first page, and reported in a note.", &[TOTAL_PATH, TOTAL_HEADER_OF_RECORDS]);

static SINGLE_PAGE: Table = table("single_page", "One request is all.", &[TOTAL_PATH, TOTAL_HEADER_OF_RECORDS]);

static OFFSET: Table = table(
    "offset",
    "`?offset=200&limit=100`.",
    &[
        field("limit", POSITIVE, "Records to ask for with each request.").required(),
        field("offset", COUNT, "Of the first request.").or("0"),
        field("offset_param", Shape::Text, "The parameter's name.").or("offset"),
        field("offset_body_path", BODY_PATH, "Where in the JSON of the body the offset stands, in place of a parameter."),
        field("limit_param", Shape::Text, "The parameter's name; an empty one does not send the limit.").or("limit"),
        field("limit_body_path", BODY_PATH, "Where in the JSON of the body the limit stands, in place of a parameter."),
        TOTAL_PATH.or("total"),
        TOTAL_HEADER,
        field("maximum_offset", COUNT, "No page is asked for at or beyond it."),
        STOP_AFTER_EMPTY_PAGE,
        STOP_AFTER_SHORT_PAGE,
        HAS_MORE_PATH,
        IS_LAST_PATH,
        field(
            "overlap",
            COUNT,
            "Records before each page that are asked for again, so that rows that came or went meanwhile are seen; less \
             than `limit`.",
        )
        .or("0"),
        ON_DRIFT_FIELD,
    ],
);

static PAGE_NUMBER: Table = table(
    "page_number",
    "`?page=3`.",
    &[
        field("base_page", COUNT, "The number of the API's first page.").or("0"),
        field("page", COUNT, "The first page to ask for. Default: `base_page`."),
        field("page_param", Shape::Text, "The parameter's name.").or("page"),
        field("page_body_path", BODY_PATH, "Where in the JSON of the body the page stands, in place of a parameter."),
        field(
            "total_path",
            SELECTOR,
            "Path of the number of *pages* of the result set; null if no number is a total. Without the key, numbers of records \
             are totals by their names.",
        )
        .or("total"),
        TOTAL_HEADER,
        field("maximum_page", COUNT, "No page of this number or above is asked for."),
        STOP_AFTER_EMPTY_PAGE,
        STOP_AFTER_SHORT_PAGE,
        HAS_MORE_PATH,
        IS_LAST_PATH,
        field(
            "overlap",
            COUNT,
            "Records before each page that are asked for again, so that rows that came or went meanwhile are seen: after each \
             page the one before it is requested once more for them. No more than a page holds.",
        )
        .or("0"),
        ON_DRIFT_FIELD,
    ],
);

static CURSOR: Table = table(
    "cursor",
    "Each page holds the cursor of the next one.",
    &[
        field("cursor_path", SELECTOR, "Where a page holds the next cursor.").or("cursors.next"),
        field("cursor_param", Shape::Text, "The parameter that takes it. Default: `cursor`."),
        field("cursor_body_path", BODY_PATH, "Where in the JSON of the body it goes, in place of a parameter."),
        field("stop_after_empty_page", Shape::Bool, "A page without records ends the result set, whatever its cursor.")
            .or("false"),
        HAS_MORE_PATH,
        IS_LAST_PATH,
        TOTAL_PATH,
        TOTAL_HEADER_OF_RECORDS,
    ],
);

static HEADER_CURSOR: Table = table(
    "header_cursor",
    "A response header holds the cursor of the next page.",
    &[
        field("cursor_key", HEADER_NAME, "The header's name.").or("next"),
        field("cursor_param", Shape::Text, "The parameter that takes the cursor.").or("cursor"),
        TOTAL_PATH,
        TOTAL_HEADER_OF_RECORDS,
    ],
);

static JSON_LINK: Table = table(
    "json_link",
    "Each page holds the URL of the next one.",
    &[
        field(
            "next_url_path",
            SELECTOR,
            "Where a page holds it, whole or relative to the page's own. It takes the place of that URL, parameters included.",
        )
        .or("next"),
        STOP_AFTER_EMPTY_LINKED_PAGE,
        HAS_MORE_PATH,
        IS_LAST_PATH,
        TOTAL_PATH,
        TOTAL_HEADER_OF_RECORDS,
    ],
);

static HEADER_LINK: Table = table(
    "header_link",
    "The `Link` header (RFC 8288) holds the URL of the next page.",
    &[
        field("links_next_key", Shape::Text, "The link's relation.").or("next"),
        field("header", HEADER_NAME, "Another header in its place, such as `Next-Page`, which may be the URL alone.")
            .or("Link"),
        STOP_AFTER_EMPTY_LINKED_PAGE,
        TOTAL_PATH,
        TOTAL_HEADER_OF_RECORDS,
    ],
);

const TOTAL_PATH: Field = field(
    "total_path",
    SELECTOR,
    "Path of the number of records of the result set, e.g. `meta.total`; null if no number is a total. Without the key, numbers \
     are totals by their names.",
);

const TOTAL_HEADER_OF_RECORDS: Field = field(
    "total_header",
    HEADER_NAME,
    "Response header with the number of records of the result set, e.g. `X-Total-Count`.",
);

const TOTAL_HEADER: Field = field(
    "total_header",
    HEADER_NAME,
    "A response header that tells how many *records* there are in all; under `page_number` one with `page` in its name tells how \
     many pages.",
);

const STOP_AFTER_EMPTY_PAGE: Field =
    field("stop_after_empty_page", Shape::Bool, "A page without records ends the list.").or("true");

const STOP_AFTER_EMPTY_LINKED_PAGE: Field =
    field("stop_after_empty_page", Shape::Bool, "A page without records ends the result set, whatever its link.")
        .or("false");

const STOP_AFTER_SHORT_PAGE: Field = field(
    "stop_after_short_page",
    Shape::Either(&AUTO_OR_BOOL),
    "What a page does that is shorter than the page size: `auto` requests one more page to confirm the end, `true` ends the \
     result set without, `false` goes on to an empty page.",
)
.or("auto");

static AUTO_OR_BOOL: [Shape; 2] = [Shape::Choice(&[word("auto")]), Shape::Bool];

const HAS_MORE_PATH: Field =
    field("has_more_path", SELECTOR, "Path of a flag that is true where another page follows.");

const IS_LAST_PATH: Field = field(
    "is_last_path",
    SELECTOR,
    "Path of a flag that is true on the last page, e.g. `isLast`; beside `has_more_path`.",
);

pub const ON_INCOMPLETE: Shape = Shape::Choice(&[word("fail"), word("keep"), word("warn")]);
pub const ON_INCOMPLETE_DOC: &str = "What a run does with a result set of which more records are known to exist than were \
    received: `fail` commits nothing, `keep` commits what cannot be wrong (`merge`: all rows that came, `append`: rows up to \
    the cursor) and exits with code 6 as well, `warn` commits all and exits with code 0. Nothing is deleted in any case. Of a \
    resource with a list for each record of its parent, the run after one that committed nothing requests only the incomplete \
    lists again, within `resume_within`. The resource's goes before the top level's. Default: `fail`.";

/// What it says of one paginator goes before what its endpoint says.
const ON_DRIFT_FIELD: Field = field("on_drift", ON_DRIFT, ON_DRIFT_DOC);

pub const ON_DRIFT: Shape = Shape::Choice(&[word("refetch"), word("warn"), word("fail")]);
pub const ON_DRIFT_DOC: &str = "What happens when rows were seen to come or go while the list was read: the list is read \
    again, the summary says it, or the run fails. The paginator's goes before the endpoint's. Default: `refetch` where rows that \
    do not come are removed from the table (`replace`, `on_missing: delete`), else `warn`.";

const HEADER_NAME: Shape =
    Shape::Parsed(&Grammar { what: "a header's name such as `X-Next`", check: notation::header_name });

/// dlt splits it at its dots.
const BODY_PATH: Shape = Shape::Parsed(&Grammar {
    what: "a path of keys such as `page.after`",
    check: |text| match text.parse::<Selector>() {
        Ok(selector) if selector.keys().is_some_and(|keys| !keys.is_empty()) => Ok(()),
        Ok(_) => Err((String::new(), 0)),
        Err(error) => Err((error.message, error.offset)),
    },
});
