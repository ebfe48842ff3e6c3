//! `auth`: credentials, and ways to obtain them.

use super::{COUNT, DURATION, SELECTOR, Shape, Table, Union, Word, field, later, request::DATA, table, variant, word};

pub static AUTH: Union = Union {
    what: "an auth",
    // As dlt has it.
    default: Some("bearer"),
    variants: &[
        variant("api_key", &API_KEY),
        variant("bearer", &BEARER),
        variant("http_basic", &HTTP_BASIC),
        variant("oauth2_client_credentials", &CLIENT_CREDENTIALS),
        variant("oauth2_refresh_token", &REFRESH_TOKEN),
        variant("jwt_bearer", &JWT_BEARER),
        variant("session", &SESSION),
    ],
};

static API_KEY: Table = table(
    "api_key",
    "A key in a header, a query parameter or a cookie.",
    &[
        field("name", Shape::Text, "Of the header, parameter or cookie.").or("Authorization"),
        field("api_key", Shape::Secret, "The key.").required(),
        field("location", Shape::Choice(LOCATIONS), "Where it is sent; `param` is `query`.").or("header"),
    ],
);

const LOCATIONS: &[Word] = &[word("header"), word("query"), word("param"), word("cookie")];

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

const URL: &str = "Of the token endpoint, whole: `https://…`. Credentials go there and are not redirected.";
const SCOPE: &str = "What the token is for; a list is joined by spaces.";
const SCOPES: Shape = Shape::OneOrMany(&Shape::Text);
const REQUEST_DATA: &str = "Further fields of the token request.";
const EXPIRATION: &str = "Seconds that a token is good for whose answer has no `expires_in`.";
const CLIENT_AUTH: &str = "Whether id and secret go into the form or into an `Authorization: Basic` header.";
const CLIENT_AUTHS: &[Word] = &[word("body"), word("basic")];

static CLIENT_CREDENTIALS: Table = table(
    "oauth2_client_credentials",
    "A token for the program itself (RFC 6749, 4.4), renewed before it expires and when it is refused.",
    &[
        field("access_token_url", Shape::Text, URL).required(),
        field("client_id", Shape::Text, "The client's id.").required(),
        field("client_secret", Shape::Secret, "The client's secret.").required(),
        field("access_token_request_data", Shape::Map(&Shape::Scalar), REQUEST_DATA),
        field("default_token_expiration", COUNT, EXPIRATION).or("3600"),
        field("access_token", Shape::Secret, "A token that is there already: used until it is refused."),
        field("scope", SCOPES, SCOPE),
        field("audience", Shape::Text, "Whom the token is for."),
        field("client_auth", Shape::Choice(CLIENT_AUTHS), CLIENT_AUTH).or("body"),
        later("session", "a requests session of one's own"),
    ],
);

static REFRESH_TOKEN: Table = table(
    "oauth2_refresh_token",
    "A token by a refresh token (RFC 6749, 6), renewed before it expires and when it is refused.",
    &[
        field("access_token_url", Shape::Text, URL).required(),
        field("refresh_token", Shape::Secret, "The refresh token to begin with.").required(),
        field("client_id", Shape::Text, "The client's id."),
        field("client_secret", Shape::Secret, "The client's secret."),
        field(
            "token_file",
            Shape::Text,
            "Where the refresh token is kept that the server gives in place of this one; relative to this file. Readable by \
             its owner only. A new `refresh_token` here outranks it.",
        ),
        field("access_token_request_data", Shape::Map(&Shape::Scalar), REQUEST_DATA),
        field("default_token_expiration", COUNT, EXPIRATION).or("3600"),
        field("scope", SCOPES, SCOPE),
        field("client_auth", Shape::Choice(CLIENT_AUTHS), CLIENT_AUTH).or("body"),
    ],
);

const ALGORITHMS: &[Word] = &[word("RS256"), word("ES256"), word("HS256")];

static JWT_BEARER: Table = table(
    "jwt_bearer",
    "A token by an assertion that is signed here (RFC 7523), renewed before it expires and when it is refused.",
    &[
        field("access_token_url", Shape::Text, URL).required(),
        field("issuer", Shape::Text, "`iss`: who we are.").required(),
        field("subject", Shape::Text, "`sub`: for whom we ask. Default: the issuer."),
        field("audience", Shape::Text, "`aud`: who is asked. Default: the access_token_url."),
        field("key", Shape::Secret, "The private key in PEM, such as `${file:key.pem}`; the secret of HS256."),
        field("key_file", Shape::File, "A file with the key, in place of `key`; relative to this file."),
        field("key_id", Shape::Text, "`kid`: which of our keys it is."),
        field("algorithm", Shape::Choice(ALGORITHMS), "What the key signs with.").or("RS256"),
        field("scope", SCOPES, SCOPE),
        field("expires_in", DURATION, "How long an assertion is good.").or("5m"),
        field("access_token_request_data", Shape::Map(&Shape::Scalar), REQUEST_DATA),
        field("default_token_expiration", COUNT, EXPIRATION).or("3600"),
    ],
);

static SESSION: Table = table(
    "session",
    "A login by a request of its own, whose answer bears a token or a cookie; again, once, when it is refused.",
    &[
        field("login", Shape::Object(&LOGIN), "The request that logs in.").required(),
        field("token_path", SELECTOR, "Where in the answer's body the token stands."),
        field("token_header", Shape::Text, "The answer's header that is the token."),
        field("token_cookie", Shape::Text, "The cookie that the answer sets; sent back under its name."),
        field("header", Shape::Text, "The header that the token is sent in, in place of `Authorization: Bearer`."),
        field("cookie", Shape::Text, "The cookie that the token is sent in, in place of `Authorization: Bearer`."),
        field("default_token_expiration", COUNT, "Seconds until we log in again. Default: when the API answers 401."),
    ],
);

static LOGIN: Table = table(
    "login",
    "One request, sent before all others. Its fields are not shown.",
    &[
        field("path", Shape::Text, "Below the client's base_url."),
        field("url", Shape::Text, "In place of `path`: whole, `https://…`."),
        field("method", Shape::Choice(&[word("POST"), word("GET"), word("post"), word("get")]), "How.").or("POST"),
        field("json", Shape::Any, "The body, as JSON."),
        field("data", DATA, "The body: a form as an object or as a list of pairs, or a text as it is."),
        field("headers", Shape::Map(&Shape::Scalar), "Headers of this request; those of the client are not sent."),
    ],
);
