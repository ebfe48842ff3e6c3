//! Where the pages of a resource come from: one list, or one for each record of its parent.

use std::sync::Arc;

use serde_json::Value;

use super::{
    RunError,
    rows::{Rows, Walk, Wanted},
};
use crate::{
    error::Result,
    fetch::{Client, Feed, FetchError, ListRequest, Lists, PageSource, Pages, Position},
    plan::{BindError, Bindings, IncrementalPlan, ParentPlan, RequestPlan, ResourcePlan},
};

/// What pages are fetched with.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    pub(super) client: &'a Arc<Client>,
    /// Bytes that pages may hold which came before their turn.
    pub(super) memory: u64,
    /// Whether pages are told to the reporter.
    pub(super) is_silent: bool,
}

impl Sources<'_> {
    /// The same for pages that are no resource's of the run.
    pub(super) fn silent(self) -> Self {
        Self { is_silent: true, ..self }
    }

    /// The pages of a resource, from `position` on where there is one. `rows` are those of its parent, if it has one.
    pub(super) fn open(
        &self,
        resource: &ResourcePlan,
        rows: Option<&Arc<Rows>>,
        position: Option<Position>,
    ) -> Result<Box<dyn PageSource>> {
        let client = Arc::clone(self.client);
        let unbound = |source| RunError::Request { resource: resource.name.clone(), source };
        let incremental = resource.incremental.as_ref().map(IncrementalPlan::bindings).transpose().map_err(unbound)?;
        let bindings = Bindings { incremental: incremental.unwrap_or_default(), ..Bindings::default() };
        if let (Some(parent), Some(rows)) = (&resource.parent, rows) {
            let feed = feed(&resource.request, parent, rows, &bindings);
            let lists = Lists::new(client, resource, feed, self.memory).short(rows.shortfall.clone());
            let lists = if self.is_silent { lists.silent() } else { lists };
            return Ok(match position {
                Some(position) => Box::new(lists.resume(position)),
                None => Box::new(lists),
            });
        }
        let request = resource.request.bind(&bindings).map_err(unbound)?;
        let pages = Pages::new(client, resource, &request, self.memory)?;
        // Where a page may show that it is the last that matters, none is asked for before it was looked at.
        let pages = if resource.may_end_early() { pages.one_by_one() } else { pages };
        let pages = if self.is_silent { pages.silent() } else { pages };
        Ok(match position {
            Some(position) => Box::new(pages.resume(position)),
            None => Box::new(pages),
        })
    }
}

/// The requests of a resource for the records of its parent, one behind the other.
fn feed(request: &RequestPlan, parent: &ParentPlan, rows: &Arc<Rows>, bindings: &Bindings) -> Feed {
    let place =
        |field: &crate::json::Selector| Some((rows.index_of(&Wanted::Place(field.clone()))?, field.to_string()));
    let key = |name: &str| format!("{}:", Value::from(name)).into_bytes();
    let include = parent.include.iter();
    Box::new(Requests {
        request: request.clone(),
        bindings: bindings.clone(),
        places: parent.fields.iter().filter_map(place).collect(),
        include: include
            .filter_map(|field| Some((rows.index_of(&Wanted::Key(field.field.clone()))?, key(&field.name))))
            .collect(),
        rows: Arc::clone(rows),
        walk: Walk::default(),
    })
}

struct Requests {
    request: RequestPlan,
    bindings: Bindings,
    /// Fields of the rows, by what the request calls them.
    places: Vec<(usize, String)>,
    /// Fields of the rows, and the key of each with its colon.
    include: Vec<(usize, Vec<u8>)>,
    rows: Arc<Rows>,
    walk: Walk,
}

impl Iterator for Requests {
    type Item = Result<ListRequest, FetchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let number = self.walk.record;
        let values = self.walk.next(&self.rows)?;
        let raw = |field: usize| values.get(field).map_or(&b"null"[..], |place| self.rows.value(place));
        let mut fields = Vec::new();
        for (field, key) in &self.include {
            if !fields.is_empty() {
                fields.push(b',');
            }
            fields.extend_from_slice(key);
            fields.extend_from_slice(raw(*field));
        }
        let values: Result<Vec<_>, _> =
            self.places.iter().map(|(field, name)| Ok((name.clone(), value(raw(*field), name)?))).collect();
        let request = values.and_then(|values| {
            self.bindings.parent.extend(values);
            self.request.bind(&self.bindings)
        });
        let bound = request.map(|request| ListRequest { request, fields });
        Some(bound.map_err(|source| {
            let (page, record) = self.rows.origin(number);
            FetchError::Bind { parent: self.rows.parent().to_owned(), page, record, source }
        }))
    }
}

/// A field's value. A number that is not what it was once it is read is better taken as a text: as such it goes into an
/// address, digit by digit.
fn value(raw: &[u8], name: &str) -> Result<Value, BindError> {
    let value = serde_json::from_slice(raw);
    let value = value.map_err(|_| BindError::Unreadable { what: format!("the parent's `{name}`") })?;
    let is_exact = !matches!(value, Value::Number(_)) || value.to_string().as_bytes() == raw;
    Ok(if is_exact { value } else { Value::String(String::from_utf8_lossy(raw).into_owned()) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        let value = |raw: &str| value(raw.as_bytes(), "x").unwrap();
        assert_eq!(value("12"), json!(12));
        assert_eq!(value("1.5"), json!(1.5));
        assert_eq!(value("12345678901234567890123"), json!("12345678901234567890123"));
        assert_eq!(value("1.10"), json!("1.10"));
        assert_eq!(value(r#""\u00e9""#), json!("é"));
        assert!(super::value(b"01", "x").is_err());
    }
}
