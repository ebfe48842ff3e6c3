//! Where the pages of a resource come from: one list, or one for each record of its parent.

use std::{collections::HashSet, sync::Arc};

use serde_json::Value;

use super::{
    RunError, cursor,
    rows::{Rows, Walk, Wanted},
};
use crate::{
    decode::Sieve,
    digest,
    error::Result,
    fetch::{Client, Ends, Feed, FetchError, ListRequest, Lists, PageSource, Pages, Position},
    plan::{self, BindError, Bindings, Identity, IncrementalPlan, ListStart, ParentPlan, RequestPlan, ResourcePlan},
};

/// Where a field of a record stands.
type Place = std::ops::Range<usize>;

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
        if let (Some(parent), Some(rows)) = (&resource.parent, rows) {
            let feed = feed(resource, parent, rows);
            let lists = Lists::new(client, resource, feed, self.memory).short(rows.shortfall.clone());
            let lists = if self.is_silent { lists.silent() } else { lists };
            return Ok(match position {
                Some(position) => Box::new(lists.resume(position)),
                None => Box::new(lists),
            });
        }
        let incremental = resource.incremental.as_ref().map(IncrementalPlan::bindings).transpose().map_err(unbound)?;
        let bindings = Bindings { incremental: incremental.unwrap_or_default(), ..Bindings::default() };
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
fn feed(resource: &ResourcePlan, parent: &ParentPlan, rows: &Arc<Rows>) -> Feed {
    let place =
        |field: &crate::json::Selector| Some((rows.index_of(&Wanted::Place(field.clone()))?, field.to_string()));
    let key = |name: &str| format!("{}:", Value::from(name)).into_bytes();
    let include = parent.include.iter();
    Box::new(Requests {
        request: resource.request.clone(),
        incremental: resource.incremental.clone(),
        ends: ends(resource),
        places: parent.fields.iter().filter_map(place).collect(),
        include: include
            .filter_map(|field| Some((rows.index_of(&Wanted::Key(field.field.clone()))?, key(&field.name))))
            .collect(),
        rows: Arc::clone(rows),
        walk: Walk::default(),
        seen: HashSet::new(),
    })
}

/// What shows that a list has no later page that is wanted. Steps may change what a record's cursor is, so that their pages are
/// all looked at.
fn ends(resource: &ResourcePlan) -> Option<Ends> {
    let plan = resource.incremental.clone().filter(IncrementalPlan::may_end_early)?;
    if !resource.processing_steps.is_empty() {
        return None;
    }
    let sieve = Sieve::new(&resource.name, &plan, ListStart::default(), Identity::Off, false);
    Some(Arc::new(move |page| cursor::ends(&plan, sieve.side_of_last(page))))
}

struct Requests {
    request: RequestPlan,
    incremental: Option<IncrementalPlan>,
    ends: Option<Ends>,
    /// Fields of the rows, by what the request calls them.
    places: Vec<(usize, String)>,
    /// Fields of the rows, and the key of each with its colon.
    include: Vec<(usize, Vec<u8>)>,
    rows: Arc<Rows>,
    walk: Walk,
    /// Records whose list has had its turn: a parent that is listed twice has its children once.
    seen: HashSet<String>,
}

impl Iterator for Requests {
    type Item = Result<ListRequest, FetchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (number, values, range) = self.next_row()?;
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
        let request = values.and_then(|parent| {
            let incremental = self.incremental.as_ref().map(|plan| plan.bindings_of(&range)).transpose()?;
            let parent = parent.into_iter().collect();
            self.request.bind(&Bindings { parent, incremental: incremental.unwrap_or_default() })
        });
        let bound = request.map(|request| ListRequest { number, request, fields, ends: self.ends.clone() });
        Some(bound.map_err(|source| {
            let (page, record) = self.rows.origin(number);
            FetchError::Bind { parent: self.rows.parent().to_owned(), page, record, source }
        }))
    }
}

impl Requests {
    /// What tells a record's list: all that is taken from the record.
    fn key(&self, values: &[Place]) -> String {
        let fields = self.places.iter().map(|(field, _)| *field).chain(self.include.iter().map(|(field, _)| *field));
        let values: Vec<_> = fields.filter_map(|field| Some(self.rows.value(values.get(field)?))).collect();
        digest::key(&values.join(&b'\n'))
    }

    /// The next record whose list is to be read: its number, where its fields stand, and what is read of the list.
    fn next_row(&mut self) -> Option<(u64, Vec<Place>, plan::Range)> {
        loop {
            let number = self.walk.record;
            let values = self.walk.next(&self.rows)?;
            if !self.seen.insert(self.key(&values)) {
                continue;
            }
            match &self.incremental {
                None => return Some((number, values, plan::Range::default())),
                Some(plan) => match plan.range_of(number) {
                    Some(range) => return Some((number, values, range)),
                    None => continue,
                },
            }
        }
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
