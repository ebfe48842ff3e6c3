//! How a list is paged, by the names of its parameters and of the fields beside its records.

use serde_json::{Map, Value, json};

use super::{
    document::{Document, Operation},
    lists::all_properties,
};
use crate::schema::file::selector;

const OFFSETS: [&str; 4] = ["offset", "skip", "start", "$skip"];
const LIMITS: [&str; 10] =
    ["limit", "per_page", "page_size", "pageSize", "perPage", "size", "take", "max_results", "count", "$top"];
const PAGES: [&str; 4] = ["page", "page_number", "pageNumber", "p"];
const CURSORS: [&str; 8] =
    ["cursor", "page_token", "pageToken", "next_token", "nextToken", "after", "starting_after", "continuation_token"];
/// Fields beside the records that hold the next cursor or link, the usual ones first.
const NEXT_CURSORS: [&str; 10] = [
    "next_cursor",
    "nextCursor",
    "next_page_token",
    "nextPageToken",
    "next_token",
    "nextToken",
    "end_cursor",
    "endCursor",
    "cursor",
    "next",
];
const NEXT_LINKS: [&str; 5] = ["next", "next_url", "nextUrl", "nextLink", "@odata.nextLink"];
const TOTALS: [&str; 6] = ["total", "total_count", "totalCount", "count", "total_results", "totalElements"];
const ENVELOPES: [&str; 7] = ["links", "_links", "paging", "pagination", "meta", "page_info", "pageInfo"];

/// Records to ask for where the description sets no bound.
const PAGE_SIZE: u64 = 100;

/// What is known of a list's pages.
pub(super) struct Pages {
    pub(super) paginator: Option<Value>,
    /// Parameters that are the paginator's.
    pub(super) own_params: Vec<String>,
    /// How many records to ask for, where the paginator does not say it.
    pub(super) page_size: Option<(String, u64)>,
}

pub(super) fn pages(document: &Document, operation: &Operation<'_>, answer: &Value, selector: &str) -> Pages {
    let fields = fields(document, answer);
    let find = |names: &[&str]| names.iter().find_map(|name| parameter(document, operation, name));
    let (offset, limit, page, cursor) = (find(&OFFSETS), find(&LIMITS), find(&PAGES), find(&CURSORS));
    let field = |names: &[&str]| names.iter().find_map(|name| fields.iter().find(|(last, _)| last == name));
    let (paginator, own) = if let (Some(cursor), Some((_, path))) = (&cursor, field(&NEXT_CURSORS)) {
        (json!({"type": "cursor", "cursor_path": path, "cursor_param": cursor.name}), vec![cursor])
    } else if let (Some(offset), Some(limit)) = (&offset, &limit) {
        let total = field(&TOTALS).map(|(_, path)| path);
        let paginator = json!({
            "type": "offset", "limit": limit.size(), "offset_param": offset.name, "limit_param": limit.name,
            "total_path": total,
        });
        (paginator, vec![offset, limit])
    } else if let Some((_, path)) = field(&NEXT_LINKS) {
        (json!({"type": "json_link", "next_url_path": path}), Vec::new())
    } else if let Some(page) = &page {
        let paginator =
            json!({"type": "page_number", "base_page": page.first(), "page_param": page.name, "total_path": null});
        (paginator, vec![page])
    } else {
        let nothing_pages = [&offset, &limit, &page, &cursor].iter().all(|found| found.is_none());
        let is_whole = nothing_pages && fields.is_empty() && selector == "$";
        return Pages { paginator: is_whole.then(|| json!("single_page")), own_params: Vec::new(), page_size: None };
    };
    let own_params: Vec<String> = own.iter().map(|parameter| parameter.name.clone()).collect();
    let page_size = limit.filter(|limit| !own_params.contains(&limit.name));
    let page_size = page_size.map(|limit| (limit.name.clone(), limit.size()));
    Pages { paginator: Some(paginator), own_params, page_size }
}

/// A query parameter of an operation.
struct Parameter<'a> {
    name: String,
    schema: &'a Map<String, Value>,
}

impl Parameter<'_> {
    fn number(&self, key: &str) -> Option<u64> {
        self.schema.get(key)?.as_u64()
    }

    /// As many records as the API gives at once.
    fn size(&self) -> u64 {
        self.number("maximum").or_else(|| self.number("default")).unwrap_or(PAGE_SIZE).clamp(1, 1000)
    }

    /// The number of the first page.
    fn first(&self) -> u64 {
        self.number("default").or_else(|| self.number("minimum")).unwrap_or(1).min(1)
    }
}

fn parameter<'a>(document: &'a Document, operation: &Operation<'a>, name: &str) -> Option<Parameter<'a>> {
    let found = operation.parameters.iter().copied().find(|parameter| {
        parameter.get("in").and_then(Value::as_str) == Some("query")
            && parameter.get("name").and_then(Value::as_str) == Some(name)
    })?;
    // Swagger 2 has the schema's keys in the parameter itself.
    let schema = found.get("schema").and_then(|schema| document.follow(schema)?.as_object());
    Some(Parameter { name: name.to_owned(), schema: schema.unwrap_or(found) })
}

/// The fields beside the records and in the usual envelopes: the last step of each path, and the path.
fn fields(document: &Document, answer: &Value) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for (name, property) in all_properties(document, answer) {
        fields.push((name.clone(), selector(std::slice::from_ref(name))));
        let Some(property) = document.follow(property).filter(|_| ENVELOPES.contains(&name.as_str())) else { continue };
        let inner = all_properties(document, property);
        fields.extend(inner.into_iter().map(|(inner, _)| (inner.clone(), selector(&[name.clone(), inner.clone()]))));
    }
    fields
}
