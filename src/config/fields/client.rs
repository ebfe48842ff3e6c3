//! `client`: the API, its credentials, and how hard it may be asked.

use super::{
    DURATION, Field, Grammar, POSITIVE, Shape, Table, auth::AUTH, field, later, paginator::PAGINATOR, table, word,
};
use crate::config::{notation, quantity};

pub static CLIENT: Table = table("client", "The API, and how to talk to it.", FIELDS);

const FIELDS: &[Field] = &[
    field("base_url", Shape::Text, "Every path is below it: http:// or https://.").required(),
    field("headers", Shape::Map(&Shape::Scalar), "Sent with every request."),
    field("auth", Shape::Tagged(&AUTH), "Credentials; sent to the origin of base_url and to allowed_hosts only."),
    field(
        "allowed_hosts",
        Shape::OneOrMany(&Shape::Text),
        "Who may see the credentials besides base_url: `api.example.com` (https), `*.example.com`, `http://10.0.0.1:8080`.",
    ),
    field(
        "foreign_hosts",
        Shape::Choice(&[word("warn"), word("refuse")]),
        "Hosts that neither base_url nor allowed_hosts name, where a link or a redirect leads to one. `warn`: requests go there \
         without credentials, with a warning for each host; `refuse`: an error.",
    )
    .or("warn"),
    field("tls", Shape::Object(&TLS), "Private authorities, and a certificate of our own."),
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

static RATE_LIMIT: Table = Table {
    reads_text: Some(|text| {
        notation::rate(text).map(|(requests, per)| format!("{{requests: {requests}, per: {per}}}"))
    }),
    ..table(
        "rate_limit",
        "A bucket of so many requests, which fills up again in so long.",
        &[
            field("requests", POSITIVE, "So many requests go through at once at first.").required(),
            field("per", DURATION, "How long it takes to fill the bucket.").or("1s"),
        ],
    )
};

static RETRY: Table = table(
    "retry",
    "Exponential backoff with jitter; `Retry-After` outranks it.",
    &[
        field("max_attempts", POSITIVE, "The first one counts.").or("5"),
        field("initial_backoff", DURATION, "The wait before the second attempt; each later wait is longer.").or("1s"),
        field("max_backoff", DURATION, "No wait is longer.").or("300s"),
        field(
            "max_elapsed",
            DURATION,
            "No attempt begins later than this after the first; no quota's reset is waited for that is farther away.",
        )
        .or("30m"),
    ],
);

static TLS: Table = table(
    "tls",
    "Certificates in PEM; the paths are relative to this file.",
    &[
        field("ca_file", Shape::File, "Authorities that are trusted besides the machine's own."),
        field(
            "cert_file",
            Shape::File,
            "Our certificate, then those that vouch for it; shown where credentials may go.",
        ),
        field("key_file", Shape::File, "The private key of `cert_file`."),
    ],
);
