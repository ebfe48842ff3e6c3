//! `?cursor=abc`: each page holds the cursor of the next one, in its body or in a header.
//!
//! As in dlt, a cursor that is missing, null, empty (`""`, `{}`, `[]`), `false` or 0 ends the list. An empty header does too.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Ahead, EndMarks, Extent, PageToken, PageView, PaginateError, Paginator};
use crate::{
    fetch::request::Request,
    json::{Kind, Node, Selector},
    plan::{CursorPlan, Slot},
    secret::shortened,
};

/// A cursor as the API wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CursorValue {
    Text(String),
    /// Its digits: whatever its size, none of them is lost.
    Number(String),
}

impl CursorValue {
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) => text,
        }
    }

    /// As JSON. A number that would change goes as its text.
    fn json(&self) -> Value {
        let text = self.text();
        let number = matches!(self, Self::Number(_)).then(|| text.parse::<serde_json::Number>().ok()).flatten();
        number.filter(|number| number.to_string() == text).map_or_else(|| text.into(), Value::Number)
    }

    /// What stands at `node`; `None` if that is no further page.
    pub(in crate::fetch) fn read(node: Node<'_>, path: &Selector) -> Result<Option<Self>, PaginateError> {
        let broken = |found| PaginateError::NoReference { path: path.to_string(), found, wanted: "a cursor" };
        match node.kind() {
            Kind::Null | Kind::Bool(false) => Ok(None),
            Kind::String => {
                let text = node.string().map_err(|_| broken("broken text"))?.into_owned();
                Ok((!text.is_empty()).then_some(Self::Text(text)))
            }
            Kind::Number => {
                let text = node.raw_text().map_err(|_| broken("no number"))?.to_owned();
                Ok((!is_zero(&text)).then_some(Self::Number(text)))
            }
            Kind::Bool(true) => Err(broken("`true`")),
            Kind::Array | Kind::Object if is_empty(node) => Ok(None),
            Kind::Array => Err(broken("an array")),
            Kind::Object => Err(broken("an object")),
            Kind::Word => Err(broken("a word that JSON does not know")),
        }
    }
}

/// An array or an object with nothing in it.
pub(super) fn is_empty(node: Node<'_>) -> bool {
    node.items().next().is_none() && node.fields().next().is_none()
}

fn is_zero(number: &str) -> bool {
    number.split(['e', 'E']).next().is_some_and(|digits| !digits.contains(|c: char| ('1'..='9').contains(&c)))
}

impl fmt::Display for CursorValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", shortened(&self.text().replace(char::is_control, ""), 40))
    }
}

#[derive(Clone, Debug)]
pub(super) struct Cursor {
    cursor_path: Selector,
    cursor_param: Slot,
    end: EndMarks,
}

impl Cursor {
    pub(super) fn new(plan: CursorPlan) -> Self {
        let CursorPlan { cursor_path, cursor_param, stop_after_empty_page, has_more_path, is_last_path } = plan;
        Self {
            cursor_path,
            cursor_param,
            end: EndMarks { has_more_path, is_last_path, stop_after_empty_page, ..EndMarks::default() },
        }
    }
}

impl Paginator for Cursor {
    fn start(&self) -> PageToken {
        PageToken::First
    }

    fn apply(&self, token: &PageToken, request: &mut Request) {
        let PageToken::Cursor(cursor) = token else { return };
        match &self.cursor_param {
            Slot::Param(name) => request.set_param(name, cursor.text()),
            Slot::Body(path) => request.set_in_body(path, cursor.json()),
        }
    }

    fn goes_on_at(&self, page: &PageView<'_>) -> Option<&Selector> {
        Some(&self.cursor_path).filter(|_| !self.end.is_last(page, page.count))
    }

    fn more(&self, page: &PageView<'_>) -> Option<bool> {
        self.end.has_more(page)
    }

    fn advance(&self, _: &PageToken, page: &PageView<'_>) -> Result<Option<PageToken>, PaginateError> {
        if self.end.is_last(page, page.count) {
            return Ok(None);
        }
        let Some(found) = self.cursor_path.find(page.root) else { return Ok(None) };
        Ok(CursorValue::read(found, &self.cursor_path)?.map(PageToken::Cursor))
    }

    fn ahead(&self, _: &PageToken, _: &Extent) -> Ahead {
        Ahead::Unknown
    }
}

#[derive(Clone, Debug)]
pub(super) struct HeaderCursor {
    pub cursor_key: String,
    pub cursor_param: String,
}

impl Paginator for HeaderCursor {
    fn start(&self) -> PageToken {
        PageToken::First
    }

    fn apply(&self, token: &PageToken, request: &mut Request) {
        if let PageToken::Cursor(cursor) = token {
            request.set_param(&self.cursor_param, cursor.text());
        }
    }

    fn advance(&self, _: &PageToken, page: &PageView<'_>) -> Result<Option<PageToken>, PaginateError> {
        let Some(value) = page.headers.get(&self.cursor_key) else { return Ok(None) };
        let text = String::from_utf8_lossy(value.as_bytes());
        let text = text.trim();
        Ok((!text.is_empty()).then(|| PageToken::Cursor(CursorValue::Text(text.to_owned()))))
    }

    fn ahead(&self, _: &PageToken, _: &Extent) -> Ahead {
        Ahead::Unknown
    }
}
