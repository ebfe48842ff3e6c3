//! How a list is paged, by the names and types of its parameters and of the fields beside its records.
//!
//! Names are compared without signs and case: `PageSize`, `page_size` and `page[size]` are one. What a name says counts only if
//! the type does not say otherwise. What was guessed is told.

use serde_json::{Value, json};

use super::{
    document::{Document, Operation},
    pagination_fields::{Field as BesideField, Next, fields, is_envelope, nexts, of_type},
    parameters::Parameter,
    records::Records,
};
use crate::import::{Note, name::snake};

const OFFSETS: [&str; 5] = ["offset", "skip", "start", "startat", "pageoffset"];
const LIMITS: [&str; 9] = ["limit", "perpage", "pagesize", "pagelimit", "size", "take", "maxresults", "count", TOP];
const PAGES: [&str; 7] = ["page", "pagenumber", "pageno", "pagenum", "pageindex", "currentpage", "p"];
const CURSORS: [&str; 14] = [
    "continue",
    "cursor",
    "nextcursor",
    "pagecursor",
    "pagetoken",
    "nextpagetoken",
    "nexttoken",
    "after",
    "pageafter",
    "startingafter",
    "continuationtoken",
    "continuation",
    "startcursor",
    "marker",
];
/// Parameters that take the id of the last record that came.
const LAST_IDS: [&str; 6] = ["startingafter", "startafter", "afterid", "lastid", "after", "pageafter"];

/// Of OData: how many records the whole list is to have.
const TOP: &str = "top";

const TOTALS: [&str; 20] = [
    "total",
    "totalcount",
    "totalresults",
    "totalelements",
    "totalitems",
    "totalrecords",
    "totalentries",
    "totalrows",
    "totalhits",
    "totalobjects",
    "totalsize",
    "totalnumber",
    "totalfound",
    "totalmatches",
    "recordsfiltered",
    "filtercount",
    "numfound",
    "nbhits",
    "odatacount",
    "numbermatched",
];
/// Numbers of records, of the page or of the result set.
const COUNTS: [&str; 5] = ["count", "resultcount", "recordcount", "itemcount", "rowcount"];
const TOTAL_PAGES: [&str; 10] = [
    "pages",
    "totalpages",
    "totalpage",
    "pagecount",
    "lastpage",
    "numpages",
    "pagestotal",
    "totalpagecount",
    "numberofpages",
    "nbpages",
];
/// Phrases in the description of a number of records.
const OF_ALL_PAGES: [&str; 5] = ["all pages", "across pages", "across all", "over all", "every page"];
const OF_ONE_PAGE: [&str; 6] = ["this page", "current page", "per page", "each page", "single page", "on the page"];
const MORE: [&str; 3] = ["hasmore", "hasnext", "hasnextpage"];

/// Parts and words of names that say that a parameter may be about pages.
const ABOUT_PAGES: [&str; 6] = ["page", "offset", "limit", "cursor", "token", "size"];
const WORDS_ABOUT_PAGES: [&str; 16] = [
    "skip", "top", "per", "next", "start", "after", "before", "max", "from", "first", "last", "index", "count", "take",
    "rows", "marker",
];

/// Records to ask for where the description sets no bound.
const PAGE_SIZE: u64 = 100;

/// What is known of a list's pages.
pub(super) struct Pages<'p, 'a> {
    pub(super) paginator: Option<Value>,
    /// Parameters that are the paginator's.
    pub(super) own_params: Vec<&'p Parameter<'a>>,
    /// How many records to ask for, where the paginator does not say it.
    pub(super) page_size: Option<(&'p Parameter<'a>, u64)>,
    /// A parameter without which the answer has no total, and its value: Directus has `meta.total_count` for `meta=total_count`.
    pub(super) total_switch: Option<(&'p Parameter<'a>, String)>,
}

impl Pages<'_, '_> {
    /// Returns true if the paginator sends this parameter, or it is the page size.
    pub(super) fn sends(&self, parameter: &Parameter<'_>) -> bool {
        let size = self.page_size.iter().map(|(size, _)| *size);
        let switch = self.total_switch.iter().map(|(switch, _)| *switch);
        let mut all = self.own_params.iter().copied().chain(size).chain(switch);
        all.any(|own| (own.place, own.holder, own.name) == (parameter.place, parameter.holder, parameter.name))
    }
}

/// A name without its signs and its case.
pub(super) fn bare(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Returns true if a parameter has this bare name: `pagesize` is `page_size`, `page[size]`, and `{"page": {"size": …}}` of a body.
fn is_named(parameter: &Parameter<'_>, name: &str) -> bool {
    let own = bare(parameter.name);
    match parameter.holder {
        None => own == name,
        Some(holder) => bare(holder) + &own == name || is_envelope(holder) && own == name,
    }
}

/// `place`: of the paginator, for notes.
pub(super) fn pages<'p, 'a>(
    document: &'a Document,
    operation: &'p Operation<'a>,
    records: &Records<'a>,
    columns: &[Value],
    place: &'p str,
    notes: &mut Vec<Note>,
) -> Pages<'p, 'a> {
    let fields = fields(document, records);
    let pager = Pager { parameters: &operation.parameters, nexts: nexts(document, &fields), place };
    let more = of_type(document, &fields, &MORE, &["boolean"]);
    let found = pager
        .by_cursor(notes)
        .or_else(|| has_link_header(document, operation).then(|| Found::new(json!("header_link"))))
        .or_else(|| pager.by_odata())
        .or_else(|| pager.by_offset(total(document, &fields), notes))
        .or_else(|| pager.by_link())
        .or_else(|| pager.by_last_id(more?, &records.selector, columns))
        .or_else(|| pager.by_next_number())
        .or_else(|| pager.by_text(notes))
        .or_else(|| pager.by_page(total_pages(document, &fields), notes));
    let Some(found) = found else {
        let is_whole = records.selector == "$" && !operation.parameters.iter().any(may_page);
        let paginator = is_whole.then(|| json!("single_page"));
        let required = pager.limit().filter(|limit| limit.is_required);
        let page_size = required.map(|limit| (limit, size(limit, place, notes)));
        return Pages { paginator, own_params: Vec::new(), page_size, total_switch: None };
    };
    let limit = pager.limit().filter(|limit| !found.own.iter().any(|own| std::ptr::eq(*own, *limit)));
    // With a link, OData's `$top` cuts the list short.
    let limit = limit.filter(|limit| bare(limit.name) != TOP || found.sends_top);
    let page_size = limit.map(|limit| (limit, size(limit, place, notes)));
    let total_switch = found.paginator["total_path"].as_str().and_then(|path| pager.total_switch(&fields, path));
    Pages { paginator: Some(found.paginator), own_params: found.own, page_size, total_switch }
}

/// Returns the page size to send if the parameter is a page size by its name.
pub(super) fn size_of(parameter: &Parameter<'_>, place: &str, notes: &mut Vec<Note>) -> Option<u64> {
    let is_limit = parameter.is_number() && LIMITS.iter().any(|name| is_named(parameter, name));
    is_limit.then(|| size(parameter, place, notes))
}

/// Returns true if one of these parameters says which page is wanted: a limit alone may be a field of anything.
pub(super) fn asks_for_page(parameters: &[Parameter<'_>]) -> bool {
    let pager = Pager { parameters, nexts: Vec::new(), place: "" };
    pager.find(&OFFSETS, Parameter::is_number).is_some()
        || pager.find(&PAGES, Parameter::is_number).is_some()
        || pager.find(&CURSORS, Parameter::is_cursor).is_some()
}

/// Returns the path of the number of records of the result set.
///
/// `count` is the page's own number as often as that of the result set. It is the latter in an envelope with links, as Django
/// REST framework writes it, or where its description says so.
fn total(document: &Document, fields: &[BesideField<'_>]) -> Option<String> {
    let is_total = |field: &BesideField<'_>| !is_of_one_page(document, field);
    let is_count = |field: &BesideField<'_>| is_of_all(document, field, fields);
    number(document, fields, &TOTALS, is_total).or_else(|| number(document, fields, &COUNTS, is_count))
}

/// Returns the path of the number of pages of the result set.
fn total_pages(document: &Document, fields: &[BesideField<'_>]) -> Option<String> {
    number(document, fields, &TOTAL_PAGES, |field| !is_of_one_page(document, field))
}

/// Returns the path of the first matching number, in the order of `names`.
fn number(
    document: &Document,
    fields: &[BesideField<'_>],
    names: &[&str],
    is_meant: impl Fn(&BesideField<'_>) -> bool,
) -> Option<String> {
    let meant: Vec<_> = fields.iter().filter(|field| is_meant(field)).collect();
    let of_name = |name| {
        meant.iter().find_map(|field| of_type(document, std::slice::from_ref(*field), &[name], &["integer", "number"]))
    };
    names.iter().find_map(|name| of_name(*name))
}

fn is_of_all(document: &Document, count: &BesideField<'_>, fields: &[BesideField<'_>]) -> bool {
    let says = says(document, count);
    if is_of_one_page(document, count) || !says(&OF_ALL_PAGES) && says(&["page", "returned", "in this response"]) {
        return false;
    }
    let has = |name: &str| fields.iter().any(|field| field.name() == name);
    says(&["total", "overall", "all ", "matching"]) || has("next") && (has("previous") || has("prev"))
}

/// Returns true if the description limits a number to a single page.
fn is_of_one_page(document: &Document, field: &BesideField<'_>) -> bool {
    let says = says(document, field);
    says(&OF_ONE_PAGE) && !says(&OF_ALL_PAGES)
}

fn says(document: &Document, field: &BesideField<'_>) -> impl Fn(&[&str]) -> bool {
    let description = field.description(document).to_ascii_lowercase();
    move |phrases| phrases.iter().any(|phrase| description.contains(phrase))
}

/// A paginator, and the parameters that are its own.
struct Found<'p, 'a> {
    paginator: Value,
    own: Vec<&'p Parameter<'a>>,
    sends_top: bool,
}

impl<'p, 'a> Found<'p, 'a> {
    fn new(paginator: Value) -> Self {
        Self { paginator, own: Vec::new(), sends_top: true }
    }

    fn cursor(path: &str, parameter: &'p Parameter<'a>) -> Self {
        let mut found = Self::new(json!({"type": "cursor", "cursor_path": path}));
        found.send("cursor", parameter);
        found
    }

    /// Makes the paginator send a value as this parameter: `limit_param`, or `limit_body_path`.
    fn send(&mut self, value: &str, parameter: &'p Parameter<'a>) {
        let place = if parameter.is_body_field() { "body_path" } else { "param" };
        self.paginator[format!("{value}_{place}")] = json!(parameter.path());
        self.own.push(parameter);
    }

    /// Names the field with the total. Without one the run looks for a total itself, which null would forbid.
    fn with_total(mut self, path: Option<String>) -> Self {
        if let Some(path) = path {
            self.paginator["total_path"] = json!(path);
        }
        self
    }

    fn link(path: &str) -> Self {
        Self { sends_top: false, ..Self::new(json!({"type": "json_link", "next_url_path": path})) }
    }
}

/// What a list has that may page it.
struct Pager<'p, 'a> {
    parameters: &'p [Parameter<'a>],
    nexts: Vec<Next>,
    place: &'p str,
}

impl<'p, 'a> Pager<'p, 'a> {
    fn find(&self, names: &[&str], fits: impl Fn(&Parameter<'a>) -> bool) -> Option<&'p Parameter<'a>> {
        let sent: Vec<_> = self.parameters.iter().filter(|parameter| parameter.is_sent() && fits(parameter)).collect();
        names.iter().find_map(|name| sent.iter().copied().find(|parameter| is_named(parameter, name)))
    }

    fn limit(&self) -> Option<&'p Parameter<'a>> {
        self.find(&LIMITS, Parameter::is_number)
    }

    fn note(&self, key: &str, message: &str, notes: &mut Vec<Note>) {
        notes.push(Note::new(format!("{}.{key}", self.place), message));
    }

    fn by_cursor(&self, notes: &mut Vec<Note>) -> Option<Found<'p, 'a>> {
        let parameter = self.find(&CURSORS, Parameter::is_cursor).or_else(|| self.text_page())?;
        let told = self.nexts.iter().find_map(|next| match next {
            Next::Cursor(path) => Some(path),
            _ => None,
        });
        if let Some(path) = told {
            return Some(Found::cursor(path, parameter));
        }
        let path = self.text()?;
        let message = format!("`{path}` is taken for the cursor of the next page, since there is `{}`", parameter.name);
        self.note("cursor_path", &message, notes);
        Some(Found::cursor(path, parameter))
    }

    /// The parameter that is called as the object with the total, and takes a text.
    fn total_switch(&self, fields: &[BesideField<'_>], total: &str) -> Option<(&'p Parameter<'a>, String)> {
        let (holder, name) = fields.iter().find(|field| field.path() == total)?.ends()?;
        let switches = |one: &&Parameter<'_>| one.place == "query" && one.kind() == "string" && one.values().is_empty();
        let switch = self.parameters.iter().filter(switches).find(|parameter| parameter.name == holder)?;
        Some((switch, name.to_owned()))
    }

    /// A `page` that takes a text and no number, e.g. the `next_page` of the page before.
    fn text_page(&self) -> Option<&'p Parameter<'a>> {
        self.find(&["page"], |page| page.kind() == "string" && page.is_cursor() && !page.is_number())
    }

    fn text(&self) -> Option<&str> {
        self.nexts.iter().find_map(|next| match next {
            Next::Text(path) => Some(path.as_str()),
            _ => None,
        })
    }

    fn by_odata(&self) -> Option<Found<'p, 'a>> {
        self.nexts.iter().find_map(|next| match next {
            Next::ODataLink(path) => Some(Found::link(path)),
            _ => None,
        })
    }

    fn by_link(&self) -> Option<Found<'p, 'a>> {
        self.nexts.iter().find_map(|next| match next {
            Next::Link(path) => Some(Found::link(path)),
            _ => None,
        })
    }

    /// A text that is called `next` is a link more often than anything else.
    fn by_text(&self, notes: &mut Vec<Note>) -> Option<Found<'p, 'a>> {
        let path = self.text()?;
        let message = format!("`{path}` is taken for the URL of the next page: the description tells a text only");
        self.note("next_url_path", &message, notes);
        Some(Found::link(path))
    }

    fn by_offset(&self, total: Option<String>, notes: &mut Vec<Note>) -> Option<Found<'p, 'a>> {
        let offset = self.find(&OFFSETS, Parameter::is_number)?;
        let limit = self.limit()?;
        let mut found = Found::new(json!({"type": "offset", "limit": size(limit, self.place, notes)}));
        found.send("offset", offset);
        found.send("limit", limit);
        Some(found.with_total(total))
    }

    /// `has_more`, and a parameter that takes the last record's id.
    fn by_last_id(&self, more: String, selector: &str, columns: &[Value]) -> Option<Found<'p, 'a>> {
        let parameter = self.find(&LAST_IDS, Parameter::is_cursor)?;
        columns.iter().find(|column| column["name"] == "id")?;
        let records = if selector.starts_with('$') { selector.to_owned() } else { format!("$.{selector}") };
        let mut found = Found::cursor(&format!("{records}[-1].id"), parameter);
        found.paginator["has_more_path"] = json!(more);
        Some(found)
    }

    fn by_next_number(&self) -> Option<Found<'p, 'a>> {
        let path = self.nexts.iter().find_map(|next| match next {
            Next::Number(path) => Some(path),
            _ => None,
        })?;
        let parameter = self.find(&CURSORS, Parameter::is_cursor).or_else(|| self.find(&PAGES, Parameter::is_number));
        Some(Found::cursor(path, parameter?))
    }

    fn by_page(&self, total_pages: Option<String>, notes: &mut Vec<Note>) -> Option<Found<'p, 'a>> {
        let page = self.find(&PAGES, Parameter::is_number)?;
        let first = first(page).unwrap_or_else(|| {
            let message =
                format!("the description does not tell the number of the first page: `{}=1` is taken", page.name);
            self.note("base_page", &message, notes);
            1
        });
        let mut found = Found::new(json!({"type": "page_number", "base_page": first}));
        found.send("page", page);
        Some(found.with_total(total_pages))
    }
}

/// As many records as the API gives at once.
fn size(limit: &Parameter<'_>, place: &str, notes: &mut Vec<Note>) -> u64 {
    let largest = limit.values().into_iter().filter_map(Value::as_u64).filter(|size| *size <= 1000).max();
    // 0 is many an API's word for all there is.
    let told = largest.or_else(|| limit.number("maximum")).or_else(|| limit.number("default")).filter(|size| *size > 0);
    let size = told.unwrap_or_else(|| {
        let message = format!("the description sets no bound to `{}`: {PAGE_SIZE} records are asked for", limit.name);
        notes.push(Note::new(place, message));
        PAGE_SIZE
    });
    size.clamp(1, 1000)
}

/// The number of the first page; `None` if nothing tells it.
fn first(page: &Parameter<'_>) -> Option<u64> {
    let description = page.get("description").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    let says = |words: [&str; 4]| words.iter().any(|word| description.contains(word));
    let of_example = || page.example().and_then(|example| example.as_u64().or_else(|| example.as_str()?.parse().ok()));
    let numbers = [page.number("default"), page.number("minimum"), of_example()];
    let zero = says(["zero-", "zero based", "0-based", "0-index"]);
    let one = says(["one-", "one based", "1-based", "1-index"]);
    let in_words = (zero != one).then(|| u64::from(one));
    numbers.into_iter().flatten().find(|number| *number <= 1).or(in_words)
}

/// A `Link` header that the description tells of (RFC 8288).
fn has_link_header(document: &Document, operation: &Operation<'_>) -> bool {
    let response = document.response(operation).and_then(|response| document.follow(response));
    let headers = response.and_then(|response| response.get("headers")?.as_object());
    headers.is_some_and(|headers| headers.keys().any(|name| name.eq_ignore_ascii_case("link")))
}

/// Whether a parameter may be about pages, under a name that is not known.
fn may_page(parameter: &Parameter<'_>) -> bool {
    let name = bare(parameter.name);
    let words = snake(parameter.name);
    let is_about = ABOUT_PAGES.iter().any(|part| name.contains(part))
        || words.split('_').any(|word| WORDS_ABOUT_PAGES.contains(&word));
    parameter.is_sent() && is_about && (parameter.is_number() || parameter.is_cursor())
}
