//! What can go wrong between a request and its page.

pub(super) mod status;

use std::{fmt, time::Duration};

use reqwest::StatusCode;

use super::{
    auth::AuthError,
    foreign::ForeignHost,
    format::encoding,
    paginate::{PageToken, PaginateError},
    records::RecordsError,
    redirect::RedirectError,
};
use crate::{
    error::{ErrorKind, Failure},
    json::{MAX_DEPTH, SyntaxError},
    plan::{Action, BindError, Method, ResponseFormat},
};

/// Why a page is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// A request failed, after all the attempts that it was worth.
    #[error(transparent)]
    Request(Box<RequestError>),
    /// There are no credentials to send.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The answer came, and its records are not where the config says.
    #[error("page {page} of {url}: {problem}")]
    Records {
        page: u64,
        url: String,
        problem: RecordsError,
        /// Whether the page before told of this one.
        is_told: bool,
    },
    /// The answer came, and does not tell how the list goes on.
    #[error("page {page} of {url}: {problem}")]
    Paginate {
        page: u64,
        url: String,
        problem: PaginateError,
        /// The paginator's key by which the position would go into the body that the request has.
        body_key: Option<&'static str>,
    },
    /// Rows came or went while the list was read, and the config wants to hear of it so.
    #[error("page {page}: the list moved while it was read: {what}")]
    Drift { page: u64, what: String },
    #[error("the paginator's `limit` is 0: no page would hold a record")]
    NothingAsked,
    /// Its value is left out: it may be a secret.
    #[error("`{name}` cannot be sent as a header: its name or its value holds characters that HTTP does not allow")]
    Header { name: String },
    /// The API leads to a host that no request may go to.
    #[error("the API leads to {origin}, {}", .reason.text())]
    ForeignHost { origin: String, reason: ForeignHost },
    #[error("the HTTP client cannot be set up: {cause}")]
    Setup { cause: String },
    #[error("the request of the list for record {record} on page {page} of `{parent}` cannot be made")]
    Bind { parent: String, page: u64, record: u64, source: BindError },
    #[error("page {page}: the fields of the parent's record cannot be added to its records")]
    Included { page: u64, source: SyntaxError },
    #[error(
        "page {page}: with the fields of the parent's record (`include_from_parent`), its records take more than {limit} bytes of memory, the third of `memory_limit` that one page may have"
    )]
    IncludedMemory { page: u64, limit: usize },
    #[error("page {page} is lost")]
    Fault { page: u64, source: std::io::Error },
    #[error("stopped on request while pages were fetched")]
    Interrupted,
}

/// A request that failed for good. All texts in it are redacted.
#[derive(Debug)]
pub struct RequestError {
    /// Of the first hop.
    pub method: Method,
    /// Where the last attempt went, redirects included.
    pub url: String,
    /// 1 for the first page; `None` as long as nobody has said which page the request was for.
    pub page: Option<u64>,
    pub attempts: u32,
    /// From the start of the first attempt.
    pub elapsed: Duration,
    pub trouble: Trouble,
    /// Why no further attempt was made, where another reason than `max_attempts` ended it.
    pub gave_up: Option<String>,
    /// Whether credentials went along: they do to the origin of `base_url` only.
    pub credentials_sent: bool,
    /// The key of the config that has any for this resource.
    pub credentials: Option<&'static str>,
    pub has_body: bool,
    /// The position that was requested, as far as it is known.
    pub position: Option<PageToken>,
}

/// What is wrong with one attempt. All texts in it are redacted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Trouble {
    /// A status that is no success, and the first bytes of what the server said to it.
    Status {
        status: StatusCode,
        /// Whether it is for the rate of the requests, and passes.
        is_limit: bool,
        body: String,
        /// A word that the headers ask for: for 401 the first known scheme of `WWW-Authenticate`, for 405 a method of `Allow`.
        asks: Option<&'static str>,
    },
    /// An answer that `response_actions` calls a fault.
    Ruled {
        status: StatusCode,
        action: Action,
        message: Option<String>,
        body: String,
    },
    /// A success that carries an error.
    ErrorInSuccess {
        status: StatusCode,
        /// Whether it is for the rate of the requests, and passes.
        is_throttle: bool,
        /// The API's own words.
        body: String,
        /// A part of the answer by which a rule can recognise it.
        content: Option<String>,
    },
    /// No connection, or one that broke before the answer's head.
    Connection {
        cause: String,
    },
    /// Whoever answered has a certificate that is not to be trusted for this address.
    Certificate {
        cause: String,
    },
    /// Whoever answered does not take our certificate, or that there is none.
    Refused {
        cause: String,
    },
    /// Whoever answered does not speak TLS.
    Plain {
        cause: String,
    },
    Timeout {
        after: Duration,
    },
    /// The body broke off, or cannot be decompressed.
    Body {
        cause: String,
    },
    /// A success whose body is a document of HTML or XML: what stands there is not the API, and will not be next time.
    Markup {
        content_type: String,
        body: String,
    },
    /// A success with an empty body and another status than 204.
    Empty {
        content_type: String,
    },
    /// A success whose body is a binary file, e.g. `a ZIP archive`.
    Binary {
        what: &'static str,
        content_type: String,
    },
    /// A success whose body begins as expected and then breaks: most likely it was truncated.
    Broken {
        cause: String,
        content_type: String,
        body: String,
    },
    /// A success whose body is of another format than the expected one. A retry returns the same body.
    Format {
        cause: String,
        content_type: String,
        body: String,
        looks_like: Option<ResponseFormat>,
    },
    /// A success with a field whose name is not valid text.
    Name {
        cause: String,
    },
    /// A success whose body can be read in more than one way.
    Ambiguous {
        cause: String,
        body: String,
    },
    /// The decoded body is larger than `client.max_body_size`.
    TooLarge {
        limit: u64,
    },
    /// The decoded body and the index of its values are larger than a page may be under `memory_limit`.
    Memory {
        limit: u64,
    },
    /// JSON nested deeper than [`MAX_DEPTH`]: so it will be next time.
    TooDeep,
    Redirect(RedirectError),
}

/// What to do about a certificate.
pub(super) const CERTIFICATE: &str = "name the authority that vouches for the server in `client.tls.ca_file`, or fix the address, if the certificate is for another";

/// And about ours.
pub(super) const REFUSED: &str = "does it want a certificate? `client.tls.cert_file` and `client.tls.key_file` name ours, issued by an authority that the server trusts and not expired; it is shown to the origin of `client.base_url` and to `client.allowed_hosts`";

/// What to do where there is no TLS.
pub(super) const PLAIN: &str = "is the address `http://…`, or the port another one?";

impl Trouble {
    /// Whether another attempt may do better.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Ruled { action, .. } => *action == Action::Retry,
            Self::Status { status, is_limit, .. } => {
                *is_limit || status.is_server_error() || *status == StatusCode::REQUEST_TIMEOUT
            }
            Self::ErrorInSuccess { is_throttle, .. } => *is_throttle,
            Self::Connection { .. } | Self::Timeout { .. } | Self::Body { .. } | Self::Broken { .. } => true,
            Self::Certificate { .. }
            | Self::Refused { .. }
            | Self::Plain { .. }
            | Self::Markup { .. }
            | Self::Empty { .. }
            | Self::Binary { .. }
            | Self::Format { .. }
            | Self::Name { .. }
            | Self::Ambiguous { .. }
            | Self::TooLarge { .. }
            | Self::Memory { .. }
            | Self::TooDeep
            | Self::Redirect(_) => false,
        }
    }

    /// Whether the server is likely to be overloaded: fewer requests at a time may help.
    pub(super) fn is_overload(&self) -> bool {
        match self {
            Self::Status { is_limit: true, .. } => true,
            Self::ErrorInSuccess { is_throttle, .. } => *is_throttle,
            Self::Status { status, .. } | Self::Ruled { status, .. } => {
                matches!(*status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
            }
            Self::Timeout { .. } => true,
            _ => false,
        }
    }
}

impl Trouble {
    /// Of the answer, where there is one and it is at fault.
    pub(super) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status { status, .. } | Self::Ruled { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Returns true if `response_actions` say that the credentials have expired.
    pub(super) fn wants_new_token(&self) -> bool {
        matches!(self, Self::Ruled { action: Action::RefreshToken, .. })
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { status, body, .. } if body.is_empty() => write!(f, "the server answered {status}"),
            Self::Status { status, body, .. } => write!(f, "the server answered {status}: {body}"),
            Self::Ruled { status, message: Some(message), .. } => write!(f, "{message} (the server answered {status})"),
            Self::Ruled { status, action, body, .. } => {
                let action = action.word();
                write!(f, "the server answered {status}, and `response_actions` says `{action}`: {body}")
            }
            Self::ErrorInSuccess { status, body, .. } => {
                write!(f, "the server answered {status} with an error in place of records: {body}")
            }
            Self::Connection { cause } => write!(f, "the connection failed: {cause}"),
            Self::Certificate { cause } => write!(f, "the server's certificate is not trusted: {cause}"),
            Self::Refused { cause } => write!(f, "the server refused the TLS handshake: {cause}"),
            Self::Plain { cause } => write!(f, "what answers there does not speak TLS: {cause}"),
            Self::Timeout { after } => write!(f, "no whole answer within {after:?}"),
            Self::Body { cause } => write!(f, "the body broke off: {cause}"),
            Self::Markup { content_type, body } => {
                write!(f, "the body ({content_type}) is no JSON but a document of HTML or XML; it begins: {body}")
            }
            Self::Empty { content_type } => {
                write!(f, "the answer is empty: the body ({content_type}) has no bytes except whitespace")
            }
            Self::Binary { what, content_type } => {
                write!(f, "the body ({content_type}) is not text; it looks like {what}")
            }
            Self::Name { cause } => write!(f, "the body has an invalid field name: {cause}"),
            Self::Broken { cause, content_type, body } | Self::Format { cause, content_type, body, .. } => {
                write!(f, "the body ({content_type}) is {cause}; it begins: {body}")
            }
            Self::Ambiguous { cause, body } => write!(f, "the body is {cause}; it begins: {body}"),
            Self::TooLarge { limit } => write!(f, "the decoded body is larger than {limit} bytes"),
            Self::Memory { limit } => {
                write!(
                    f,
                    "the page takes more than {limit} bytes of memory, the third of `memory_limit` that one page may have"
                )
            }
            Self::TooDeep => write!(f, "the body is JSON nested more than {MAX_DEPTH} levels deep"),
            Self::Redirect(problem) => problem.fmt(f),
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method.word(), self.url)?;
        if let Some(page) = self.page {
            write!(f, ", page {page}")?;
        }
        write!(f, ": {}", self.trouble)?;
        let plural = if self.attempts == 1 { "" } else { "s" };
        write!(f, " ({} attempt{plural} in {:.1} s", self.attempts, self.elapsed.as_secs_f64())?;
        match &self.gave_up {
            Some(reason) => write!(f, "; {reason})"),
            None => f.write_str(")"),
        }
    }
}

impl std::error::Error for RequestError {}

impl RequestError {
    fn hint(&self) -> Option<String> {
        let hint = self.trouble_hint();
        if !self.may_count_from_one() {
            return hint;
        }
        let rest = hint.map(|hint| format!("; else {hint}")).unwrap_or_default();
        Some(format!("if the API counts its pages from 1, set `base_page: 1` on the paginator{rest}"))
    }

    /// Page 0 was requested, and the API refused the request for what it asks.
    fn may_count_from_one(&self) -> bool {
        let is_refused = match &self.trouble {
            // A database refuses the negative offset that page 0 becomes.
            Trouble::Status { status, is_limit: false, .. } => matches!(status.as_u16(), 400 | 404 | 416 | 422 | 500),
            Trouble::ErrorInSuccess { is_throttle, .. } => !is_throttle,
            _ => false,
        };
        is_refused && self.position == Some(PageToken::Page(0))
    }

    fn trouble_hint(&self) -> Option<String> {
        let hint = match &self.trouble {
            Trouble::Status { is_limit: true, .. } => {
                "lower `client.rate_limit` or `client.max_concurrency`, or raise `client.retry.max_elapsed`"
            }
            Trouble::Status { status, body, asks, .. } => {
                return self.status_hint(*status, body, *asks);
            }
            Trouble::Ruled { action: Action::RefreshToken, .. } => {
                "check `client.auth`: the credentials cannot be renewed, or the server refuses the new ones too"
            }
            Trouble::Ruled { .. } => return None,
            Trouble::ErrorInSuccess { status, is_throttle, content, .. } => {
                return Some(accepting(*status, *is_throttle, content.as_deref()));
            }
            Trouble::Connection { .. } => "is `client.base_url` right, and can this machine reach it?",
            Trouble::Certificate { .. } => CERTIFICATE,
            Trouble::Refused { .. } => REFUSED,
            Trouble::Plain { .. } => PLAIN,
            Trouble::Timeout { .. } => "raise `client.timeout`, or ask for smaller pages",
            Trouble::Body { .. } => return None,
            Trouble::Markup { .. } => {
                "is this a login page, or one for browsers? Check `client.base_url`, `endpoint.path` and `client.auth`"
            }
            Trouble::Empty { .. } => return Some(self.empty_hint()),
            Trouble::Binary { what, .. } if let Some(encoding) = encoding(what) => {
                return Some(format!("set `encoding: {encoding}` on the endpoint"));
            }
            Trouble::Binary { .. } => {
                "restlake reads JSON, NDJSON and CSV as text, also within gzip files and ZIP archives: request a text form of the \
                 data, by `endpoint.path`, `endpoint.params` or an `Accept` header"
            }
            Trouble::Broken { .. } => {
                "the body was truncated: run again, or request smaller pages; if CSV cells are never quoted, set \
                 `csv: {quote: null}`"
            }
            Trouble::Format { looks_like, .. } => format_hint(*looks_like),
            Trouble::Name { .. } => {
                "have the API send names of fields as valid UTF-8, or declare its charset in `Content-Type`; for CSV, name the \
                 columns: `csv: {columns: [id, name]}`"
            }
            Trouble::Ambiguous { .. } => "name the columns yourself: `csv: {columns: [id, name]}`",
            Trouble::TooLarge { .. } => "ask for smaller pages, or raise `client.max_body_size`",
            Trouble::Memory { .. } => "ask for smaller pages, or raise `memory_limit`",
            Trouble::TooDeep => {
                "request a flatter form of the records, by `endpoint.params` or another `endpoint.path`"
            }
            Trouble::Redirect(problem) => return Some(problem.hint()),
        };
        Some(hint.to_owned())
    }

    /// Returns the `response_actions` line that accepts an empty body: as the last page if pages came before it.
    fn empty_hint(&self) -> String {
        let action = if self.page.is_some_and(|page| page > 1) { "stop" } else { "ignore" };
        format!(
            "if an empty answer means that there are no records, set `response_actions: [{{status_code: 200, empty: true, \
             action: {action}}}]`; else check `endpoint.path` and `endpoint.params`"
        )
    }
}

/// Returns the setting that reads a body of another format.
fn format_hint(looks_like: Option<ResponseFormat>) -> &'static str {
    match looks_like {
        Some(ResponseFormat::Json) => "set `format: json` if this is the data and not an error of the API",
        Some(ResponseFormat::Ndjson) => "set `format: ndjson`: the body has a JSON value on each line",
        Some(ResponseFormat::Csv) => "set `format: csv`: the lines of the body have the same number of cells",
        None => {
            "restlake reads JSON, NDJSON and CSV: set `format: csv` or `format: ndjson` on the endpoint if this is one of them; \
             else check `endpoint.path`, and `endpoint.format`, if it is set"
        }
    }
}

/// How to have an answer taken for a page: the line for the `endpoint`. A text of JSON is one of YAML as well.
fn accepting(status: StatusCode, is_throttle: bool, content: Option<&str>) -> String {
    let content = content.map(|content| format!(", content: {}", serde_json::Value::from(content)));
    let (status, content) = (status.as_u16(), content.unwrap_or_default());
    let rate = match is_throttle {
        true => "lower `client.rate_limit` or `client.max_concurrency`, or raise `client.retry.max_elapsed`; ",
        false => "",
    };
    format!(
        "{rate}if this answer is a page, accept it in the `endpoint`: `response_actions: [{{status_code: {status}{content}, action: accept}}]`"
    )
}

/// What to do where a page behind the first one lacks its records.
fn behind_first(is_told: bool) -> String {
    let ends = "the pages before it came: does the API tell of an error here, with the status of a success?";
    let missing = "if pages without records lack them, set `allow_missing_data: true`";
    match is_told {
        true => format!("{ends} Else, {missing}"),
        false => format!(
            "{ends} If the list ends here, let the paginator know the end (`total_path`, `total_header`, `has_more_path`, \
             `maximum_offset` or `maximum_page`); {missing}"
        ),
    }
}

impl From<RequestError> for FetchError {
    fn from(error: RequestError) -> Self {
        Self::Request(Box::new(error))
    }
}

impl FetchError {
    /// Whether the API refused the request itself, as it does a page that does not exist.
    pub(super) fn is_refusal(&self) -> bool {
        let Self::Request(error) = self else { return false };
        matches!(&error.trouble, Trouble::Status { status, is_limit: false, .. } if status.is_client_error())
    }

    /// The same error, told which page it was about.
    pub(super) fn at_page(mut self, number: u64, position: &PageToken) -> Self {
        if let Self::Request(error) = &mut self {
            error.page = Some(number);
            error.position = Some(position.clone());
        }
        self
    }
}

impl Failure for FetchError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Request(error) if error.trouble.is_passing() => ErrorKind::Transient,
            // The same command may find the list at rest.
            Self::Fault { .. } | Self::Drift { .. } => ErrorKind::Transient,
            Self::Auth(error) => error.kind(),
            Self::Interrupted => ErrorKind::Interrupted,
            _ => ErrorKind::User,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Request(error) => match error.trouble {
                Trouble::Status { .. } => "http_status",
                Trouble::Ruled { .. } => "response_action",
                Trouble::ErrorInSuccess { .. } => "http_error_in_success",
                Trouble::Connection { .. } => "http_connection",
                Trouble::Certificate { .. } | Trouble::Refused { .. } => "http_certificate",
                Trouble::Plain { .. } => "http_no_tls",
                Trouble::Timeout { .. } => "http_timeout",
                Trouble::Body { .. } => "http_body",
                Trouble::Markup { .. }
                | Trouble::Broken { .. }
                | Trouble::Format { .. }
                | Trouble::Ambiguous { .. } => "http_not_json",
                Trouble::Empty { .. } => "http_empty_body",
                Trouble::Binary { .. } => "http_binary_body",
                Trouble::Name { .. } => "http_field_name",
                Trouble::TooLarge { .. } => "http_body_too_large",
                Trouble::Memory { .. } => "memory_limit",
                Trouble::TooDeep => "http_json_too_deep",
                Trouble::Redirect(_) => "http_redirect",
            },
            Self::Auth(error) => error.code(),
            Self::Records { problem: RecordsError::TooLarge { .. }, .. } => "memory_limit",
            Self::Records { .. } => "records_not_found",
            Self::Paginate { .. } => "pagination",
            Self::Drift { .. } => "list_moved",
            Self::NothingAsked => "pagination_limit",
            Self::Header { .. } => "http_header",
            Self::ForeignHost { .. } => "http_foreign_host",
            Self::Setup { .. } => "http_setup",
            Self::Bind { .. } => "request",
            Self::Included { .. } => "include_from_parent",
            Self::IncludedMemory { .. } => "memory_limit",
            Self::Fault { .. } => "fetch_fault",
            Self::Interrupted => "interrupted",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Request(error) => error.hint(),
            Self::Auth(error) => error.hint(),
            Self::Records { page: 2.., problem: RecordsError::Missing { .. }, is_told, .. } => {
                Some(behind_first(*is_told))
            }
            Self::Records { problem, .. } => problem.hint(),
            Self::Paginate { problem, body_key, .. } => Some(problem.hint(*body_key)),
            Self::Drift { .. } => Some(
                "run it again; have the API sort by what does not change (its parameters are `endpoint.params`), set `overlap`, \
                 or let the list be read again: `on_drift: refetch`"
                    .to_owned(),
            ),
            Self::ForeignHost { reason: ForeignHost::Refused, .. } => {
                Some("add the host to `client.allowed_hosts`, or set `foreign_hosts: warn`".to_owned())
            }
            Self::ForeignHost { reason: ForeignHost::LinkLocal, .. } => {
                Some("if requests are to go there, make it the host of `client.base_url` or of `client.allowed_hosts`".to_owned())
            }
            Self::IncludedMemory { .. } => Some(
                "name shorter fields in `include_from_parent`, ask for smaller pages, or raise `memory_limit`".to_owned(),
            ),
            Self::NothingAsked => Some("set `limit` to the number of records that a page shall hold".to_owned()),
            Self::Bind { .. } => Some("fix the places `{…}` of the endpoint, or the values that fill them".to_owned()),
            Self::Header { .. } => {
                Some("check `client.headers` and `client.auth`; is there a line break in it?".to_owned())
            }
            _ => None,
        }
    }
}
