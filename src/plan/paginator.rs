//! How a list is cut into pages, and what happens when it moves while it is read.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::json::Selector;

/// dlt's paginators. Serialises, since one that was found out from the first page is part of a run's position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PaginatorPlan {
    /// Found out from the first page.
    Auto,
    /// One record, which comes whole, unless the first answer is a list: that has pages by this paginator. The first request
    /// has no position, since an API that gives one record may refuse parameters of a list.
    SingleEntity {
        #[serde(with = "as_text")]
        list: Box<PaginatorPlan>,
    },
    SinglePage,
    Offset(OffsetPlan),
    PageNumber(PageNumberPlan),
    Cursor(CursorPlan),
    HeaderCursor {
        /// The response header that holds the next cursor.
        cursor_key: String,
        cursor_param: String,
    },
    JsonLink(JsonLinkPlan),
    HeaderLink {
        /// The relation of the next page in the header.
        links_next_key: String,
        header: String,
        #[serde(default)]
        stop_after_empty_page: bool,
    },
}

/// `?offset=200&limit=100`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffsetPlan {
    pub limit: u64,
    pub offset: u64,
    pub offset_param: Slot,
    /// `None`: the limit is not sent.
    pub limit_param: Option<Slot>,
    /// Path of the number of records of the result set, where the config names it.
    pub total_path: Option<Selector>,
    /// A response header with the same number.
    pub total_header: Option<String>,
    /// No page is asked for at or beyond this offset.
    pub maximum_offset: Option<u64>,
    pub stop_after_empty_page: bool,
    #[serde(default)]
    pub stop_after_short_page: ShortPage,
    /// Where a page tells whether another one follows.
    pub has_more_path: Option<Selector>,
    /// Path of a flag that is true on the last page.
    #[serde(default)]
    pub is_last_path: Option<Selector>,
    /// Records before each page that are asked for again; less than `limit`.
    pub overlap: u64,
}

/// `?page=3`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageNumberPlan {
    pub base_page: u64,
    /// The first page asked for.
    pub page: u64,
    pub page_param: Slot,
    /// Where a page tells how many *pages* there are in all.
    pub total_path: Option<Selector>,
    /// A response header that tells how many *records* there are in all.
    pub total_header: Option<String>,
    /// No page of this number or above is asked for.
    pub maximum_page: Option<u64>,
    pub stop_after_empty_page: bool,
    #[serde(default)]
    pub stop_after_short_page: ShortPage,
    pub has_more_path: Option<Selector>,
    #[serde(default)]
    pub is_last_path: Option<Selector>,
    /// Records before each page that are asked for again, with the page before it.
    #[serde(default)]
    pub overlap: u64,
}

/// A cursor in the body of each page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CursorPlan {
    /// Where a page holds the next cursor.
    pub cursor_path: Selector,
    pub cursor_param: Slot,
    pub stop_after_empty_page: bool,
    pub has_more_path: Option<Selector>,
    #[serde(default)]
    pub is_last_path: Option<Selector>,
}

/// The URL of the next page in the body of each page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JsonLinkPlan {
    /// Where a page holds the next one's URL.
    pub next_url_path: Selector,
    #[serde(default)]
    pub stop_after_empty_page: bool,
    #[serde(default)]
    pub has_more_path: Option<Selector>,
    #[serde(default)]
    pub is_last_path: Option<Selector>,
}

/// Which numbers of an answer are totals: the number of records of the whole result set. `offset` and `page_number` have the
/// places that the config names in their own plans.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TotalsPlan {
    /// Numbers are totals by their names, e.g. `total` or `meta.total_count`; false where the config names one or says `null`.
    pub by_name: bool,
    pub path: Option<Selector>,
    pub header: Option<String>,
}

impl Default for TotalsPlan {
    fn default() -> Self {
        Self { by_name: true, path: None, header: None }
    }
}

/// What later runs of the same endpoint may begin with, as a run under `auto` has detected it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learned {
    /// Where the records are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paginator: Option<PaginatorPlan>,
}

/// What a page does that is shorter than the page size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShortPage {
    /// One more page is requested, alone, to confirm the end.
    #[default]
    Confirm,
    /// It ends the result set.
    Stop,
    /// The walk goes on to an empty page.
    GoOn,
}

/// What a run does with a result set of which more records are known to exist than were received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnIncomplete {
    /// It commits nothing.
    #[default]
    Fail,
    /// It commits what cannot be wrong, and fails.
    Keep,
    /// It commits all, and warns.
    Warn,
}

/// Where in a request a paginator puts a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// A query parameter.
    Param(String),
    /// A path of keys in the JSON of the body.
    Body(Vec<String>),
}

/// What happens when rows were seen to come or go while the list was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDrift {
    /// The summary says it.
    #[default]
    Warn,
    /// The list is read again, a few times at most; rows that came before are duplicates.
    Refetch,
    /// The run fails.
    Fail,
}

impl OffsetPlan {
    /// dlt's defaults, without a total.
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            offset: 0,
            offset_param: Slot::param("offset"),
            limit_param: Some(Slot::param("limit")),
            total_path: None,
            total_header: None,
            maximum_offset: None,
            stop_after_empty_page: true,
            stop_after_short_page: ShortPage::default(),
            has_more_path: None,
            is_last_path: None,
            overlap: 0,
        }
    }
}

impl PageNumberPlan {
    /// dlt's defaults but for the number of the first page, without a total.
    pub fn new(base_page: u64) -> Self {
        Self {
            base_page,
            page: base_page,
            page_param: Slot::param("page"),
            total_path: None,
            total_header: None,
            maximum_page: None,
            stop_after_empty_page: true,
            stop_after_short_page: ShortPage::default(),
            has_more_path: None,
            is_last_path: None,
            overlap: 0,
        }
    }
}

impl CursorPlan {
    /// A cursor in a query parameter, with dlt's defaults.
    pub fn new(cursor_path: Selector, cursor_param: impl Into<String>) -> Self {
        let cursor_param = Slot::Param(cursor_param.into());
        Self { cursor_path, cursor_param, stop_after_empty_page: false, has_more_path: None, is_last_path: None }
    }
}

impl JsonLinkPlan {
    /// With dlt's defaults.
    pub fn new(next_url_path: Selector) -> Self {
        Self { next_url_path, stop_after_empty_page: false, has_more_path: None, is_last_path: None }
    }
}

impl PaginatorPlan {
    /// As the config calls it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Auto | Self::SingleEntity { .. } => "auto",
            Self::SinglePage => "single_page",
            Self::Offset(_) => "offset",
            Self::PageNumber(_) => "page_number",
            Self::Cursor(_) => "cursor",
            Self::HeaderCursor { .. } => "header_cursor",
            Self::JsonLink(_) => "json_link",
            Self::HeaderLink { .. } => "header_link",
        }
    }

    /// The paginator as JSON for the summary, e.g. `{"type": "offset", "limit": 100}`: keys with their default are left out.
    pub fn to_json(&self) -> Value {
        let mut object = serde_json::Map::new();
        object.insert("type".to_owned(), self.word().into());
        for (key, value) in self.entries().into_iter().filter(|(key, value)| !is_default(key, value)) {
            object.insert(key.to_owned(), value);
        }
        Value::Object(object)
    }

    /// The paginator as a config that says the same, in YAML's flow style: what pins one that was detected.
    pub fn to_config(&self) -> String {
        if matches!(self, Self::Auto | Self::SingleEntity { .. } | Self::SinglePage) {
            return self.word().to_owned();
        }
        let entries: Vec<_> = self.entries().iter().map(|(key, value)| format!(", {key}: {value}")).collect();
        format!("{{type: {}{}}}", self.word(), entries.concat())
    }

    fn entries(&self) -> Vec<(&'static str, Value)> {
        match self {
            Self::Auto | Self::SingleEntity { .. } | Self::SinglePage => Vec::new(),
            Self::Offset(plan) => plan.entries(),
            Self::PageNumber(plan) => plan.entries(),
            Self::Cursor(plan) => plan.entries(),
            Self::HeaderCursor { cursor_key, cursor_param } => {
                vec![("cursor_key", cursor_key.clone().into()), ("cursor_param", cursor_param.clone().into())]
            }
            Self::JsonLink(plan) => plan.entries(),
            Self::HeaderLink { links_next_key, header, .. } => {
                vec![("links_next_key", links_next_key.clone().into()), ("header", header.clone().into())]
            }
        }
    }
}

/// Whether a paginator without this key is the same.
fn is_default(key: &str, value: &Value) -> bool {
    let default = match key {
        "offset_param" => "offset",
        "limit_param" => "limit",
        "page_param" => "page",
        "cursor_param" => "cursor",
        "links_next_key" => "next",
        "header" => "Link",
        "base_page" => return *value == 0,
        _ => return false,
    };
    *value == default
}

impl OffsetPlan {
    fn entries(&self) -> Vec<(&'static str, Value)> {
        let mut entries = vec![("limit", self.limit.into())];
        entries.push(self.offset_param.entry("offset_param", "offset_body_path"));
        entries.push(match &self.limit_param {
            Some(slot) => slot.entry("limit_param", "limit_body_path"),
            None => ("limit_param", "".into()),
        });
        entries.extend(self.total_path.as_ref().map(|path| ("total_path", text(path))));
        entries.extend(self.total_header.as_ref().map(|name| ("total_header", name.clone().into())));
        entries.extend(ends(self.has_more_path.as_ref(), self.is_last_path.as_ref(), false));
        entries
    }
}

impl PageNumberPlan {
    fn entries(&self) -> Vec<(&'static str, Value)> {
        let slot = self.page_param.entry("page_param", "page_body_path");
        let mut entries = vec![("base_page", self.base_page.into()), slot];
        entries.extend(self.total_path.as_ref().map(|path| ("total_path", text(path))));
        entries.extend(self.total_header.as_ref().map(|name| ("total_header", name.clone().into())));
        entries.extend(ends(self.has_more_path.as_ref(), self.is_last_path.as_ref(), false));
        entries
    }
}

impl CursorPlan {
    fn entries(&self) -> Vec<(&'static str, Value)> {
        let slot = self.cursor_param.entry("cursor_param", "cursor_body_path");
        let mut entries = vec![("cursor_path", text(&self.cursor_path)), slot];
        entries.extend(ends(self.has_more_path.as_ref(), self.is_last_path.as_ref(), self.stop_after_empty_page));
        entries
    }
}

impl JsonLinkPlan {
    fn entries(&self) -> Vec<(&'static str, Value)> {
        let mut entries = vec![("next_url_path", text(&self.next_url_path))];
        entries.extend(ends(self.has_more_path.as_ref(), self.is_last_path.as_ref(), self.stop_after_empty_page));
        entries
    }
}

/// The keys that end a result set beside what leads to its next page.
fn ends(
    has_more_path: Option<&Selector>,
    is_last_path: Option<&Selector>,
    stop_after_empty_page: bool,
) -> Vec<(&'static str, Value)> {
    let has_more = has_more_path.map(|path| ("has_more_path", text(path)));
    let is_last = is_last_path.map(|path| ("is_last_path", text(path)));
    let stop = stop_after_empty_page.then(|| ("stop_after_empty_page", true.into()));
    has_more.into_iter().chain(is_last).chain(stop).collect()
}

impl Slot {
    pub fn param(name: &str) -> Self {
        Self::Param(name.to_owned())
    }

    fn entry(&self, param: &'static str, body_path: &'static str) -> (&'static str, Value) {
        match self {
            Self::Param(name) => (param, name.clone().into()),
            Self::Body(keys) => (body_path, keys.join(".").into()),
        }
    }
}

impl std::fmt::Display for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Param(name) => f.write_str(name),
            Self::Body(keys) => write!(f, "{} in the body", keys.join(".")),
        }
    }
}

/// A plan within a plan as JSON text: serde's tagged enums cannot hold themselves.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _, ser::Error as _};

    use super::PaginatorPlan;

    pub fn serialize<S: Serializer>(plan: &PaginatorPlan, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&serde_json::to_string(plan).map_err(S::Error::custom)?)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<PaginatorPlan>, D::Error> {
        let text = String::deserialize(deserializer)?;
        serde_json::from_str(&text).map(Box::new).map_err(D::Error::custom)
    }
}

fn text(selector: &Selector) -> Value {
    selector.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(text: &str) -> Selector {
        text.parse().unwrap()
    }

    #[test]
    fn a_paginator_is_written_as_the_config_that_says_the_same() {
        let total_path = Some(selector("meta.pages"));
        for (plan, text) in [
            (PaginatorPlan::SinglePage, "single_page"),
            (PaginatorPlan::SingleEntity { list: Box::new(PaginatorPlan::Offset(OffsetPlan::new(7))) }, "auto"),
            (
                PaginatorPlan::PageNumber(PageNumberPlan { total_path, ..PageNumberPlan::new(1) }),
                r#"{type: page_number, base_page: 1, page_param: "page", total_path: "meta.pages"}"#,
            ),
            (
                PaginatorPlan::Offset(OffsetPlan { limit_param: None, ..OffsetPlan::new(7) }),
                r#"{type: offset, limit: 7, offset_param: "offset", limit_param: ""}"#,
            ),
            (
                PaginatorPlan::Cursor(CursorPlan {
                    has_more_path: Some(selector("more")),
                    ..CursorPlan::new(selector("c"), "after")
                }),
                r#"{type: cursor, cursor_path: "c", cursor_param: "after", has_more_path: "more"}"#,
            ),
            (
                PaginatorPlan::JsonLink(JsonLinkPlan::new(selector("links.next"))),
                r#"{type: json_link, next_url_path: "links.next"}"#,
            ),
            (
                PaginatorPlan::JsonLink(JsonLinkPlan {
                    has_more_path: Some(selector("more")),
                    stop_after_empty_page: true,
                    ..JsonLinkPlan::new(selector("next"))
                }),
                r#"{type: json_link, next_url_path: "next", has_more_path: "more", stop_after_empty_page: true}"#,
            ),
            (
                PaginatorPlan::HeaderLink {
                    links_next_key: "next".into(),
                    header: "Link".into(),
                    stop_after_empty_page: false,
                },
                r#"{type: header_link, links_next_key: "next", header: "Link"}"#,
            ),
        ] {
            assert_eq!(plan.to_config(), text);
            let stored = serde_json::to_string(&plan).unwrap();
            assert_eq!(serde_json::from_str::<PaginatorPlan>(&stored).unwrap(), plan);
        }
    }
}
