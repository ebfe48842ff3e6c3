//! Cursors whose name says nothing about a next page, and has that meaning in one well-known API and its likes.

use super::{
    Plan,
    scan::{Scan, is_next_name, squeezed},
    signs::{End, cursors},
};
use crate::{
    fetch::paginate::PageToken,
    json::{Kind, Node, Selector},
    plan::{CursorPlan, PaginatorPlan, Slot},
};

impl<'a> Scan<'a> {
    /// Returns the paginators of MediaWiki, Kubernetes, AWS, Airtable, Reddit, and CouchDB or Pinterest.
    pub fn known_cursors(&self) -> Vec<Plan> {
        if !self.is_list() {
            return Vec::new();
        }
        let ways = [Self::continuation, Self::marker, Self::text_offset, Self::listing, Self::bookmark];
        ways.into_iter().map(|way| way(self)).find(|plans| !plans.is_empty()).unwrap_or_default()
    }

    /// Returns a token that no parameter is known for, as a reason for more: DynamoDB's `LastEvaluatedKey`, an unknown object
    /// under `next`, or several parameters of MediaWiki at once.
    pub fn next_token(&self) -> Option<String> {
        let root = Some(self.page.root).filter(|_| self.is_list());
        let objects = root.into_iter().chain(self.holder()).flat_map(Node::fields);
        let is_token = |key: &str| {
            squeezed(key) == "lastevaluatedkey" || key == "continue" || is_next_name(&key.to_ascii_lowercase())
        };
        let is_filled = |node: Node<'_>| match node.kind() {
            Kind::Object => node.fields().any(|(_, value)| value.kind() != Kind::Null),
            Kind::String => node.raw().len() > 2,
            Kind::Number => node.raw() != b"0",
            _ => false,
        };
        let mut named = objects.filter_map(|(key, value)| Some((key.text().ok()?, value)));
        let found = named.find(|(key, value)| is_token(key) && is_filled(*value));
        found.map(|(key, _)| format!("`{key}` says that there is a next page"))
    }

    /// `continue: {apcontinue: "B", continue: "-||"}` of MediaWiki, `metadata.continue: "…"` of Kubernetes.
    fn continuation(&self) -> Vec<Plan> {
        if let Some((path, _)) = self.near("continue").find(|(_, node)| is_filled_text(*node)) {
            return cursors(&Selector::from_keys(path), &End::default(), ["continue".to_owned()]);
        }
        let inside = self.values.iter().filter(|(path, node)| {
            matches!(path.as_slice(), [above, key] if above == "continue" && key != "continue") && is_token(*node)
        });
        // Of several parameters each has to be sent, which a cursor of one cannot do.
        match inside.collect::<Vec<_>>().as_slice() {
            [(path, _)] => cursors(&Selector::from_keys(path), &End::default(), path.last().cloned()),
            _ => Vec::new(),
        }
    }

    /// `IsTruncated: true, Marker: "…"` of AWS IAM. Its other tokens begin with `Next`.
    fn marker(&self) -> Vec<Plan> {
        let is_truncated = self.flags().any(|flag| {
            flag.says_more
                && flag.path().keys().is_some_and(|keys| keys.last().is_some_and(|key| squeezed(key) == "istruncated"))
        });
        let found = self.near("marker").find(|(_, node)| is_truncated && is_filled_text(*node));
        let Some((path, _)) = found else { return Vec::new() };
        cursors(&Selector::from_keys(path), &self.end(), ["Marker", "marker"].map(str::to_owned))
    }

    /// `offset: "itr…"` of Airtable: a number would be the offset of this page.
    fn text_offset(&self) -> Vec<Plan> {
        let is_cursor = |node: Node<'_>| {
            is_filled_text(node) && node.string().is_ok_and(|text| text.trim().parse::<f64>().is_err())
        };
        let found = self.near("offset").find(|(_, node)| is_cursor(*node));
        found
            .map(|(path, _)| cursors(&Selector::from_keys(path), &self.end(), ["offset".to_owned()]))
            .unwrap_or_default()
    }

    /// `data: {after: "t3_…", before: null, children: […]}` of Reddit. Without `before`, `after` may be a filter of the request.
    fn listing(&self) -> Vec<Plan> {
        let Some((records, above)) = self.records.and_then(<[String]>::split_last) else { return Vec::new() };
        let has_before = self.holder().is_some_and(|holder| holder.get("before").is_some());
        let path = [above, &["after".to_owned()]].concat();
        let is_cursor = self.values.iter().any(|(other, node)| *other == path && is_filled_text(*node));
        if is_cursor && (has_before || records == "children") && self.asked("after").is_none() {
            return cursors(&Selector::from_keys(&path), &self.end(), ["after".to_owned()]);
        }
        Vec::new()
    }

    /// `bookmark: "…"` of Pinterest and CouchDB, which is there after the last page too.
    fn bookmark(&self) -> Vec<Plan> {
        let found = self.near("bookmark").find(|(_, node)| is_filled_text(*node));
        let Some((path, _)) = found else { return Vec::new() };
        let mut plan = CursorPlan::new(Selector::from_keys(path), "bookmark");
        plan.stop_after_empty_page = true;
        if self.has_body {
            plan.cursor_param = Slot::Body(vec!["bookmark".to_owned()]);
        }
        vec![(PaginatorPlan::Cursor(plan), PageToken::First)]
    }
}

fn is_filled_text(node: Node<'_>) -> bool {
    node.kind() == Kind::String && node.raw().len() > 2
}

fn is_token(node: Node<'_>) -> bool {
    is_filled_text(node) || node.kind() == Kind::Number
}
