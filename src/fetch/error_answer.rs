//! Recognises an error that came with the status of a success, such as `200 {"data": null, "errors": [{"message": "…"}]}`.
//!
//! ```text
//! answer + ExpectedRecords ──judge──► Records          decode the page
//!                                     Partial(text)    decode it, and warn: errors beside records
//!                                     Error            fail, or retry a throttle
//! ```
//!
//! Records outrank all signs: an answer that has some is never an error. A single object is a record unless it has only fields
//! of messages, or no field of the table's. Pure, and cheap for a list: its records are counted no further than to one.

use std::collections::HashSet;

use super::envelope;
use crate::{
    json::{Document, Key, Kind, Node, Selector},
    plan::{PaginatorPlan, ResourcePlan, StepOperation},
    schema::Source,
};

/// Words are field names without case, `_` and `-`: `errorMessage` and `error_message` are `errormessage`.
const ERRORS: [&str; 8] =
    ["errors", "error", "errormessage", "errormessages", "errordescription", "errormsg", "fault", "exception"];

const SUCCESS: [&str; 3] = ["success", "ok", "issuccess"];

const STATUS: [&str; 2] = ["status", "stat"];

const CODES: [&str; 9] =
    ["code", "status", "stat", "statuscode", "errorcode", "errcode", "httpstatus", "httpcode", "httpstatuscode"];

/// Fields that hold the API's explanation, the most telling first.
const MESSAGES: [&str; 13] = [
    "message",
    "detail",
    "title",
    "errormessage",
    "errordescription",
    "errormsg",
    "errmsg",
    "msg",
    "statusmessage",
    "statustext",
    "messages",
    "description",
    "reason",
];

/// Further fields of messages. A record has others besides.
const NO_RECORD: [&str; 8] =
    ["type", "errortype", "erroruri", "errorid", "requestid", "traceid", "correlationid", "documentationurl"];

/// Fields that go with an error, and with records as well: no fields of a message unless a sign of failure is beside them.
const CONTEXT: [&str; 24] = [
    "description",
    "reason",
    "details",
    "timestamp",
    "path",
    "instance",
    "help",
    "info",
    "moreinfo",
    "documentation",
    "extensions",
    "links",
    "meta",
    "metadata",
    "version",
    "apiversion",
    "jsonrpc",
    "params",
    "retryafter",
    "trace",
    "stacktrace",
    "debug",
    "cause",
    "warnings",
];

/// Texts by which APIs limit the rate of requests, without case, spaces and punctuation.
const THROTTLES: [&str; 9] = [
    "ratelimit",
    "throttl",
    "toomanyrequests",
    "toomanycalls",
    "quotaexceeded",
    "exceededyourquota",
    "requestlimitexceeded",
    "overquerylimit",
    "slowdown",
];

/// Levels of nested values that are searched for texts.
const DEPTH: usize = 6;

/// Messages of one answer that are quoted.
const QUOTED: usize = 3;

/// Bytes of the answer that the proposed rule looks for.
const CONTENT: std::ops::RangeInclusive<usize> = 8..=60;

/// The place of a resource's records, and the fields that they have.
#[derive(Clone, Debug, Default)]
pub(super) struct ExpectedRecords {
    /// `None` until `auto` has found it.
    pub selector: Option<Selector>,
    /// Whether the paginator is for lists alone.
    is_paged: bool,
    /// Fields that the table's columns read; `None` where these are unknown, or read the record as a whole.
    fields: Option<HashSet<String>>,
}

/// What a success carries.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AnswerVerdict {
    /// Records, none of them, or what the search for records has to explain.
    Records,
    /// Records, and errors beside them, quoted.
    Partial(String),
    Error(ErrorAnswer),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct ErrorAnswer {
    /// The API's own words; not redacted.
    pub text: String,
    /// Whether it is for the rate of the requests, and passes.
    pub is_throttle: bool,
    /// A part of the body by which `response_actions` can recognise the answer; not redacted.
    pub content: Option<String>,
}

impl ExpectedRecords {
    pub(super) fn new(resource: &ResourcePlan) -> Self {
        Self {
            selector: resource.data_selector.clone(),
            is_paged: matches!(resource.paginator, PaginatorPlan::Offset(_) | PaginatorPlan::PageNumber(_)),
            fields: known_fields(resource),
        }
    }

    pub(super) fn with_selector(&self, selector: Selector) -> Self {
        Self { selector: Some(selector), ..self.clone() }
    }

    /// Returns true if the object has no field of the table's, whose columns are known.
    pub(super) fn shares_none(&self, object: Node<'_>) -> bool {
        let is_known = |fields: &HashSet<String>, key: Key<'_>| key.text().is_ok_and(|key| fields.contains(&*key));
        self.fields.as_ref().is_some_and(|fields| !object.fields().any(|(key, _)| is_known(fields, key)))
    }
}

/// The first keys of the columns' sources. Steps that make other records leave the API's fields unknown, and fields of the
/// parent's record are added later.
fn known_fields(resource: &ResourcePlan) -> Option<HashSet<String>> {
    if resource.processing_steps.iter().any(|step| step.operation != StepOperation::Filter) {
        return None;
    }
    let included = resource.parent.iter().flat_map(|parent| parent.include.iter().map(|field| field.name.as_str()));
    let included: HashSet<&str> = included.collect();
    let mut fields = HashSet::new();
    for column in &resource.schema.columns {
        let key = match &column.source {
            Source::Path(keys) => keys.first(),
            Source::Evolved(key) | Source::Unseen(key) => Some(key),
            Source::Record => return None,
            Source::Load(_) => None,
        };
        fields.extend(key.filter(|key| !included.contains(key.as_str())).cloned());
    }
    Some(fields).filter(|fields| !fields.is_empty())
}

/// `names`: what a list of the records may be called where the selector is unknown.
pub(super) fn judge(
    document: &Document,
    expected: &ExpectedRecords,
    names: impl FnOnce() -> [String; 2],
) -> AnswerVerdict {
    let root = document.root();
    if root.kind() != Kind::Object {
        return AnswerVerdict::Records;
    }
    let search = || envelope::find(document, &names(), expected.is_paged);
    let searched = if expected.selector.is_none() { Some(search()) } else { None };
    // The page of an empty list has no field of a record.
    let is_nothing = searched.as_ref().is_some_and(|envelope| envelope.is_nothing);
    let selector =
        expected.selector.clone().or(searched.map(|envelope| envelope.selector)).unwrap_or_else(Selector::root);
    let keys = selector.keys().unwrap_or_default();
    let signs = Signs::read(root, &keys);
    let error = |object| AnswerVerdict::Error(signs.error(document, object));
    match found(root, &selector, signs.has_any()) {
        Found::Object(object) if is_message(object, &signs) || !is_nothing && expected.shares_none(object) => {
            error(object)
        }
        Found::Object(object) if signs.is_failure() && is_hollow(object, selector.is_root()) => error(object),
        Found::Nothing if signs.is_failure() => error(root),
        Found::Nothing if lacks(root, &keys) && is_message(root, &signs) && !signs.has_succeeded => error(root),
        Found::List | Found::Object(_) if !selector.is_root() => signs.partial(),
        Found::List | Found::Object(_) | Found::Nothing => AnswerVerdict::Records,
    }
}

enum Found<'a> {
    List,
    /// One object in place of a list.
    Object(Node<'a>),
    /// Null, an empty list, or not there.
    Nothing,
}

/// `is_wanted`: a query visits the whole answer, so it is evaluated only where its result may show an error.
fn found<'a>(root: Node<'a>, selector: &Selector, is_wanted: bool) -> Found<'a> {
    if selector.takes_elements() {
        let is_element = |node: &Node<'_>| match node.kind() {
            Kind::Array => node.items().next().is_some(),
            kind => kind == Kind::Object,
        };
        return if is_wanted && !selector.find_all(root).iter().any(is_element) { Found::Nothing } else { Found::List };
    }
    match selector.find(root) {
        Some(node) if node.kind() == Kind::Object => Found::Object(node),
        Some(node) if node.items().next().is_some() => Found::List,
        _ => Found::Nothing,
    }
}

fn lacks(root: Node<'_>, keys: &[String]) -> bool {
    keys.first().is_none_or(|key| root.get(key).is_none())
}

/// Whether an object has only fields of messages.
fn is_message(object: Node<'_>, signs: &Signs<'_>) -> bool {
    let mut fields = object.fields().map(|(key, _)| word(key)).peekable();
    let is_rpc = object.get("jsonrpc").is_some();
    let is_failure = signs.is_failure() || Signs::read(object, &[]).is_failure();
    fields.peek().is_some()
        && fields.all(|word| is_of_message(&word) || is_failure && (is_context(&word) || is_rpc && word == "id"))
        && object.fields().any(|(key, _)| is_of_message(&word(key)))
}

fn is_of_message(word: &str) -> bool {
    // Of `MESSAGES` these two are fields of many a record.
    let is_text = MESSAGES.contains(&word) && !["description", "reason"].contains(&word);
    is_text || [&ERRORS[..], &SUCCESS, &STATUS, &CODES, &NO_RECORD].iter().any(|words| words.contains(&word))
}

fn is_context(word: &str) -> bool {
    CONTEXT.contains(&word)
}

/// Whether an object holds no value, as GraphQL's `{"items": null}`; of the whole answer what goes with an error is no value.
fn is_hollow(object: Node<'_>, is_answer: bool) -> bool {
    let is_aside = |key: Key<'_>| {
        let word = word(key);
        is_of_message(&word) || is_context(&word)
    };
    object.fields().all(|(key, value)| is_void(value, DEPTH) || is_answer && is_aside(key))
}

fn is_void(node: Node<'_>, depth: usize) -> bool {
    match node.kind() {
        Kind::Null => true,
        Kind::String => node.raw().len() == 2,
        Kind::Object if depth > 0 => node.fields().all(|(_, value)| is_void(value, depth - 1)),
        Kind::Array if depth > 0 => node.items().all(|item| is_void(item, depth - 1)),
        _ => false,
    }
}

/// Whether the field of an error holds one.
fn is_filled(node: Node<'_>, depth: usize) -> bool {
    match node.kind() {
        Kind::Null | Kind::Bool(false) => false,
        Kind::Bool(true) | Kind::Word => true,
        Kind::String | Kind::Number => {
            let text = plain(node).unwrap_or_default().to_ascii_lowercase();
            !["", "0", "false", "null", "none", "ok", "success"].contains(&text.as_str())
        }
        Kind::Object => depth == 0 || node.fields().any(|(_, value)| is_filled(value, depth - 1)),
        Kind::Array => depth == 0 || node.items().any(|item| is_filled(item, depth - 1)),
    }
}

fn word(key: Key<'_>) -> String {
    let text = key.text().unwrap_or_default();
    text.chars().filter(|letter| letter.is_alphanumeric()).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// A scalar's text.
fn plain(node: Node<'_>) -> Option<String> {
    let is_scalar = matches!(node.kind(), Kind::String | Kind::Number);
    is_scalar.then(|| node.string().map(|text| text.trim().to_owned()).unwrap_or_default())
}

/// What an answer says of itself, beside its records.
struct Signs<'a> {
    /// The objects on the way to the records.
    holders: Vec<Node<'a>>,
    /// Filled fields of errors.
    errors: Vec<(Key<'a>, Node<'a>)>,
    /// `success: false`, `status: failed` and the like.
    failure: Option<(Key<'a>, Node<'a>)>,
    has_succeeded: bool,
}

impl<'a> Signs<'a> {
    /// `keys`: the way to the records; the fields on it are no signs.
    fn read(root: Node<'a>, keys: &[String]) -> Self {
        let mut signs = Self { holders: Vec::new(), errors: Vec::new(), failure: None, has_succeeded: false };
        let (mut holder, mut keys) = (Some(root), keys.iter());
        while let Some(node) = holder {
            let next = keys.next();
            signs.holders.push(node);
            let beside = node.fields().filter(|(key, _)| next.is_none_or(|next| !key.is(next)));
            beside.for_each(|(key, value)| signs.add(key, value));
            let Some(next) = next.filter(|_| keys.len() > 0) else { break };
            holder = node.get(next);
        }
        signs
    }

    fn add(&mut self, key: Key<'a>, value: Node<'a>) {
        let word = word(key);
        let text = || plain(value).unwrap_or_default().to_ascii_lowercase();
        let is_code = || text().parse().is_ok_and(|code: u16| (400..600).contains(&code));
        if ERRORS.contains(&word.as_str()) && is_filled(value, DEPTH) {
            self.errors.push((key, value));
        } else if SUCCESS.contains(&word.as_str()) {
            let is_false = value.kind() == Kind::Bool(false) || ["false", "0"].contains(&text().as_str());
            self.has_succeeded |= value.kind() == Kind::Bool(true);
            self.failure = self.failure.or(is_false.then_some((key, value)));
        } else if STATUS.contains(&word.as_str()) && ["error", "fail", "failed", "failure"].contains(&text().as_str())
            || CODES.contains(&word.as_str()) && is_code()
        {
            self.failure = self.failure.or(Some((key, value)));
        } else if CODES.contains(&word.as_str()) {
            self.has_succeeded |= ["ok", "success", "200", "0"].contains(&text().as_str());
        }
    }

    fn has_any(&self) -> bool {
        self.is_failure() || self.holders.iter().any(|holder| holder.fields().any(|(key, _)| is_of_message(&word(key))))
    }

    fn is_failure(&self) -> bool {
        !self.errors.is_empty() || self.failure.is_some()
    }

    fn partial(&self) -> AnswerVerdict {
        let mut texts = Vec::new();
        self.quote_errors(&mut texts);
        let raw = || self.errors.first().map(|(_, value)| lossy(*value));
        match texts.is_empty() {
            true => raw().map_or(AnswerVerdict::Records, AnswerVerdict::Partial),
            false => AnswerVerdict::Partial(joined(&texts)),
        }
    }

    fn quote_errors(&self, texts: &mut Vec<Node<'a>>) {
        self.errors.iter().for_each(|(_, value)| add_texts(*value, DEPTH, texts));
    }

    /// `object`: the answer, or what it has in place of records.
    fn error(&self, document: &Document, object: Node<'a>) -> ErrorAnswer {
        let own = Signs::read(object, &[]);
        let holders = || self.holders.iter().copied().chain([object]);
        let mut texts = Vec::new();
        self.quote_errors(&mut texts);
        own.quote_errors(&mut texts);
        let is_code = |text: &Node<'_>| !text.raw().contains(&b' ');
        // A lone `invalid_request` is explained by the message beside it.
        if texts.iter().all(is_code) {
            let messages = MESSAGES.iter().flat_map(|word| holders().filter_map(|holder| field(holder, word)));
            messages.take(1).for_each(|message| add_texts(message, DEPTH, &mut texts));
        }
        let is_throttle = holders().any(throttles)
            || self.errors.iter().any(|(_, value)| says_throttle(*value, DEPTH))
            || object.index() != document.root().index() && says_throttle(object, DEPTH);
        let text = if texts.is_empty() { lossy(object) } else { joined(&texts) };
        let sign = self.errors.first().copied().or(own.errors.first().copied()).or(self.failure).or(own.failure);
        let sign = sign.or_else(|| object.fields().next());
        let content = texts.iter().find_map(|text| distinctive(*text));
        let content = content.or_else(|| sign.and_then(|(key, value)| written(document, key, value)));
        ErrorAnswer { text, is_throttle: is_throttle || texts.is_empty() && says_throttle(object, DEPTH), content }
    }
}

fn lossy(node: Node<'_>) -> String {
    String::from_utf8_lossy(node.raw()).into_owned()
}

fn field<'a>(object: Node<'a>, name: &str) -> Option<Node<'a>> {
    object.fields().find(|(key, value)| word(*key) == name && is_filled(*value, DEPTH)).map(|(_, value)| value)
}

/// The texts of an error: itself, or its message, or those of its elements.
fn add_texts<'a>(node: Node<'a>, depth: usize, texts: &mut Vec<Node<'a>>) {
    let is_known = |texts: &[Node<'_>]| texts.iter().any(|text| text.raw() == node.raw());
    match node.kind() {
        Kind::String if texts.len() < QUOTED && is_filled(node, 0) && !is_known(texts) => texts.push(node),
        Kind::Array if depth > 0 => node.items().for_each(|item| add_texts(item, depth - 1, texts)),
        Kind::Object if depth > 0 => {
            let words = MESSAGES.iter().chain(&ERRORS).find_map(|word| field(node, word));
            match words {
                Some(message) => add_texts(message, depth - 1, texts),
                // Such as `{"name": ["is too long"]}`.
                None => node.fields().for_each(|(_, value)| add_texts(value, depth - 1, texts)),
            }
        }
        _ => {}
    }
}

fn joined(texts: &[Node<'_>]) -> String {
    let texts = texts.iter().map(|text| text.string().map_or_else(|_| lossy(*text), |text| text.trim().to_owned()));
    texts.collect::<Vec<_>>().join("; ")
}

/// Whether the fields of messages of this object speak of a throttle.
fn throttles(holder: Node<'_>) -> bool {
    let mut fields = holder.fields().filter(|(key, _)| {
        let word = word(*key);
        is_of_message(&word) || is_context(&word)
    });
    fields.any(|(key, value)| is_code_of_throttle(key, value) || says_throttle(value, DEPTH))
}

fn is_code_of_throttle(key: Key<'_>, value: Node<'_>) -> bool {
    CODES.contains(&word(key).as_str()) && plain(value).as_deref() == Some("429")
}

fn says_throttle(node: Node<'_>, depth: usize) -> bool {
    match node.kind() {
        Kind::String => node.string().is_ok_and(|text| is_throttle(&text)),
        Kind::Object if depth > 0 => {
            node.fields().any(|(key, value)| is_code_of_throttle(key, value) || says_throttle(value, depth - 1))
        }
        Kind::Array if depth > 0 => node.items().any(|item| says_throttle(item, depth - 1)),
        _ => false,
    }
}

/// An address may be one of a page about limits, and a quoted name a field such as GitHub's `'rateLimit'`.
fn is_throttle(text: &str) -> bool {
    const QUOTES: [char; 4] = ['\'', '"', '`', '’'];
    if text.starts_with("http://") || text.starts_with("https://") {
        return false;
    }
    let letters = text.chars().filter(|letter| letter.is_alphanumeric() || QUOTES.contains(letter));
    let letters: String = letters.flat_map(char::to_lowercase).collect();
    let is_name = |start: usize| letters.get(..start).is_some_and(|before| before.ends_with(QUOTES));
    THROTTLES.iter().any(|words| letters.match_indices(words).any(|(start, _)| !is_name(start)))
}

/// The longest part of a text that is the same in the body, in the config and in any charset; `None` if it is too short to be
/// one answer's.
fn distinctive(text: Node<'_>) -> Option<String> {
    let is_plain = |byte: &u8| (b' '..=b'~').contains(byte) && !b"\"\\$".contains(byte);
    let parts = text.raw().split(|byte| !is_plain(byte)).filter_map(|part| std::str::from_utf8(part).ok());
    let longest = parts.map(str::trim).max_by_key(|part| part.len())?;
    let part = longest.get(..(*CONTENT.end()).min(longest.len()))?.trim_end();
    CONTENT.contains(&part.len()).then(|| part.to_owned())
}

/// A field as the body has it, or its name alone.
fn written(document: &Document, key: Key<'_>, value: Node<'_>) -> Option<String> {
    let name = std::str::from_utf8(key.raw()).ok().filter(|name| name.is_ascii() && !name.contains(['\\', '$']))?;
    let name = format!("\"{name}\"");
    let before = document.bytes().get(..value.offset())?;
    let start = before.windows(name.len()).rposition(|window| window == name.as_bytes())?;
    let whole = document.bytes().get(start..value.offset() + value.raw().len())?;
    let is_short = whole.len() <= *CONTENT.end() && !matches!(value.kind(), Kind::Object | Kind::Array);
    let is_plain = whole.iter().all(|byte| (b' '..=b'~').contains(byte) && !b"\\$".contains(byte));
    let whole = std::str::from_utf8(whole).ok().filter(|_| is_short && is_plain);
    Some(whole.map_or(name, str::to_owned))
}

#[cfg(test)]
mod tests;
