//! `client`: the API, its credentials, and how hard it may be asked.

use super::{
    DURATION, Field, Grammar, POSITIVE, Shape, Table, Union, field, later, later_variant, paginator::PAGINATOR, table,
    variant, word,
};
use crate::config::quantity;

pub static CLIENT: Table = table("client", "The API, and how to talk to it.", FIELDS);

const FIELDS: &[Field] = &[
    field("base_url", Shape::Text, "Every path is below it: http:// or https://.").required(),
    field("headers", Shape::Map(&Shape::Scalar), "Sent with every request."),
    field("auth", Shape::Tagged(&AUTH), "Credentials; sent to the origin of base_url only."),
    field("paginator", Shape::Tagged(&PAGINATOR), "How resources are paged, unless they say it themselves."),
    field("max_concurrency", POSITIVE, "Requests in flight to this API: the upper bound of the adaptive limit.")
        .or("16"),
    field("rate_limit", Shape::Object(&RATE_LIMIT), "A token bucket, shared by all resources."),
    field("timeout", DURATION, "For one attempt, its body included.").or("60s"),
    field("connect_timeout", DURATION, "For the connection of one attempt.").or("10s"),
    field("retry", Shape::Object(&RETRY), "When a passing fault is given up on."),
    field("max_body_size", BODY_SIZE, "The largest body, decompressed; less than 2 GiB.").or("256MB"),
    later("session", "a requests session of one's own"),
];

const BODY_SIZE: Shape = Shape::Parsed(&Grammar {
    what: "a size such as `256MB`, less than 2GiB",
    check: |text| {
        let size = quantity::size(text).filter(|size| *size > 0);
        super::known(size.filter(|size| *size < (2 << 30)))
    },
});

static RATE_LIMIT: Table = table(
    "rate_limit",
    "A bucket of so many requests, which fills up again in so long.",
    &[
        field("requests", POSITIVE, "So many requests go through at once at first.").required(),
        field("per", DURATION, "How long it takes to fill the bucket.").or("1s"),
    ],
);

static RETRY: Table = table(
    "retry",
    "Exponential backoff with jitter; `Retry-After` outranks it.",
    &[
        field("max_attempts", POSITIVE, "The first one counts.").or("5"),
        field("initial_backoff", DURATION, "The wait before the second attempt; each later wait is longer.").or("1s"),
        field("max_backoff", DURATION, "No wait is longer.").or("300s"),
        field("max_elapsed", DURATION, "No attempt begins later than this after the first.").or("30m"),
    ],
);

pub static AUTH: Union = Union {
    what: "an auth",
    // As dlt has it.
    default: Some("bearer"),
    variants: &[
        variant("api_key", &API_KEY),
        variant("bearer", &BEARER),
        variant("http_basic", &HTTP_BASIC),
        later_variant("oauth2_client_credentials"),
    ],
};

static API_KEY: Table = table(
    "api_key",
    "A key in a header, a query parameter or a cookie.",
    &[
        field("name", Shape::Text, "Of the header, parameter or cookie.").or("Authorization"),
        field("api_key", Shape::Secret, "The key.").required(),
        field("location", Shape::Choice(&[word("header"), word("query"), word("cookie")]), "Where it is sent.")
            .or("header"),
    ],
);

static BEARER: Table =
    table("bearer", "`Authorization: Bearer …`.", &[field("token", Shape::Secret, "The token.").required()]);

static HTTP_BASIC: Table = table(
    "http_basic",
    "`Authorization: Basic …`.",
    &[
        field("username", Shape::Text, "The user.").required(),
        field("password", Shape::Secret, "The password.").required(),
    ],
);
