//! What the lists of a resource need of its parent's records: a few fields of each, as bytes.
//!
//! Taken from pages as they go by, so that no page is kept and none is asked for twice. A field that a record lacks is known
//! with the record's place, and is an error of the resource that needs it, before that has asked for anything.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use super::{error::RunError, span::Span};
use crate::{
    digest::{self, sha256},
    json::{Kind, Node, Selector},
    model::Page,
    plan::ParentPlan,
};

/// Keys of a record that an error names.
const KEYS_SHOWN: usize = 20;

/// Bytes of the values that go into one digest.
const DIGEST_STEP: usize = 1 << 16;

/// One part in so many is what the kept bytes grow by at a time.
const GROWTH: usize = 4;

/// A field that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// For a place of a request: not null.
    Place(Selector),
    /// A key of the record, for the records of its list.
    Key(String),
}

/// The kept fields of a parent's records, in the order of its pages.
#[derive(Debug)]
pub(super) struct Rows {
    parent: String,
    wanted: Arc<[Wanted]>,
    /// For each record each field: its length, and its bytes as the API wrote them.
    bytes: Vec<u8>,
    /// Bytes that may be kept.
    most: u64,
    /// Set if there were more: those that came are no longer kept.
    is_full: bool,
    count: u64,
    pages: Vec<PageStart>,
    /// By field, the first record that lacks it.
    lacks: BTreeMap<usize, Lack>,
    /// Why these may not be all records of the parent.
    pub(super) shortfall: Option<String>,
    /// Which stretch of the sources above them these are the records of.
    pub(super) span: Span,
}

#[derive(Debug)]
struct PageStart {
    /// Records before it.
    first: u64,
    page: u64,
    numbers: Option<Arc<[u64]>>,
}

#[derive(Clone, Debug)]
struct Lack {
    record: u64,
    is_null: bool,
    keys: Vec<String>,
}

impl Wanted {
    /// All that a child needs.
    pub(super) fn of(plan: &ParentPlan) -> impl Iterator<Item = Self> {
        let places = plan.fields.iter().map(|field| Self::Place(field.clone()));
        places.chain(plan.include.iter().map(|field| Self::Key(field.field.clone())))
    }

    fn find<'a>(&self, record: Node<'a>) -> Option<Node<'a>> {
        match self {
            Self::Place(selector) => selector.find(record),
            Self::Key(key) => record.get(key),
        }
    }
}

impl Rows {
    /// Keeps no more than `most` bytes: beyond, [`check`](Self::check) fails.
    pub(super) fn new(parent: &str, wanted: Arc<[Wanted]>, most: u64) -> Self {
        let (bytes, pages, lacks) = (Vec::new(), Vec::new(), BTreeMap::new());
        let span = Span::default();
        let parent = parent.to_owned();
        Self { parent, wanted, bytes, most, is_full: false, count: 0, pages, lacks, shortfall: None, span }
    }

    /// Why there may be more of them.
    pub(super) fn short(self, shortfall: Option<String>) -> Self {
        Self { shortfall, ..self }
    }

    /// Of which stretch these are.
    pub(super) fn of(self, span: Span) -> Self {
        Self { span, ..self }
    }

    /// Adds records that came behind these.
    pub(super) fn append(&mut self, later: Self) {
        let before = self.count;
        self.is_full |= later.is_full;
        self.reserve(later.bytes.len());
        self.extend(&later.bytes);
        self.count += later.count;
        self.pages.extend(later.pages.into_iter().map(|start| PageStart { first: start.first + before, ..start }));
        for (field, lack) in later.lacks {
            self.lacks.entry(field).or_insert(Lack { record: lack.record + before, ..lack });
        }
        self.shortfall = self.shortfall.take().or(later.shortfall);
    }

    pub(super) fn take(&mut self, page: &Page) {
        let Some(index) = page.records else { return };
        self.pages.push(PageStart { first: self.count, page: page.number, numbers: page.numbers.clone() });
        let records = page.document.node(index);
        match records.kind() {
            Kind::Array => records.items().for_each(|record| self.push(record)),
            _ => self.push(records),
        }
    }

    fn push(&mut self, record: Node<'_>) {
        let wanted = Arc::clone(&self.wanted);
        for (field, wanted) in wanted.iter().enumerate() {
            let found = wanted.find(record);
            let is_null = found.is_some_and(|found| found.kind() == Kind::Null);
            if found.is_none() || is_null && matches!(wanted, Wanted::Place(_)) {
                self.lacks.entry(field).or_insert_with(|| Lack { record: self.count, is_null, keys: keys(record) });
            }
            let raw = found.map_or(&b"null"[..], Node::raw);
            self.reserve(raw.len() + 4);
            // A document is less than 2 GiB.
            self.extend(&(raw.len() as u32).to_le_bytes());
            self.extend(raw);
        }
        self.count += 1;
    }

    /// Makes room for so many bytes, or gives up what is kept.
    fn reserve(&mut self, more: usize) {
        let bytes = self.bytes.len().saturating_add(more);
        if self.is_full || bytes as u64 > self.most {
            (self.bytes, self.is_full) = (Vec::new(), true);
        } else if bytes > self.bytes.capacity() {
            // Doubling would take as much again.
            self.bytes.reserve_exact(more.max(self.bytes.len() / GROWTH));
        }
    }

    fn extend(&mut self, bytes: &[u8]) {
        if !self.is_full {
            self.bytes.extend_from_slice(bytes);
        }
    }

    pub(super) fn parent(&self) -> &str {
        &self.parent
    }

    /// The page and the record on it.
    pub(super) fn origin(&self, record: u64) -> (u64, u64) {
        let behind = self.pages.partition_point(|start| start.first <= record);
        let Some(start) = behind.checked_sub(1).and_then(|index| self.pages.get(index)) else { return (0, 0) };
        let inside = record - start.first;
        let number = start.numbers.as_ref().and_then(|numbers| numbers.get(usize::try_from(inside).ok()?));
        (start.page, number.copied().unwrap_or(inside + 1))
    }

    /// Where a field stands among those that are kept.
    pub(super) fn index_of(&self, wanted: &Wanted) -> Option<usize> {
        self.wanted.iter().position(|known| known == wanted)
    }

    fn indexes(&self, plan: &ParentPlan) -> Vec<usize> {
        Wanted::of(plan).filter_map(|wanted| self.index_of(&wanted)).collect()
    }

    /// # Errors
    /// [`RunError::ParentField`] if a record lacks a field that the child needs, [`RunError::ParentMemory`] if they take more
    /// memory than there is for them.
    pub(super) fn check(&self, child: &str, plan: &ParentPlan) -> Result<(), RunError> {
        if self.is_full {
            let (resource, parent) = (child.to_owned(), self.parent.clone());
            return Err(RunError::ParentMemory { resource, parent, records: self.count, limit: self.most });
        }
        let lacks = self.indexes(plan).into_iter().filter_map(|field| Some((field, self.lacks.get(&field)?)));
        let Some((field, lack)) = lacks.min_by_key(|(_, lack)| lack.record) else { return Ok(()) };
        let (page, record) = self.origin(lack.record);
        let field = match self.wanted.get(field) {
            Some(Wanted::Place(selector)) => selector.to_string(),
            Some(Wanted::Key(key)) => key.clone(),
            None => String::new(),
        };
        let (resource, parent) = (child.to_owned(), self.parent.clone());
        let Lack { is_null, keys, .. } = lack.clone();
        Err(RunError::ParentField { resource, parent, page, record, field, is_null, keys })
    }

    /// Tells the values that a child takes from those of another time.
    pub(super) fn digest(&self, plan: &ParentPlan) -> String {
        let fields = self.indexes(plan);
        let (mut digest, mut step) = (String::new(), Vec::new());
        let mut walk = Walk::default();
        while let Some(values) = walk.next(self) {
            for value in fields.iter().filter_map(|&field| self.bytes.get(values.get(field)?.clone())) {
                step.extend_from_slice(&(value.len() as u64).to_le_bytes());
                step.extend_from_slice(value);
            }
            if step.len() > DIGEST_STEP {
                digest = sha256(&[digest.as_bytes(), &step].concat());
                step.clear();
            }
        }
        sha256(&[digest.as_bytes(), &step].concat())
    }

    /// For each record what tells its list from the others: a digest of the values that the child's request is filled with.
    pub(super) fn keys(&self, plan: &ParentPlan) -> Vec<String> {
        let fields: Vec<_> =
            plan.fields.iter().filter_map(|field| self.index_of(&Wanted::Place(field.clone()))).collect();
        let (mut keys, mut walk) = (Vec::new(), Walk::default());
        while let Some(values) = walk.next(self) {
            let places = fields.iter().filter_map(|&field| Some(self.value(values.get(field)?)));
            keys.push(digest::key(&places.collect::<Vec<_>>().join(&b'\n')));
        }
        keys
    }

    /// A value that [`Walk::next`] told the place of.
    pub(super) fn value(&self, place: &Range<usize>) -> &[u8] {
        self.bytes.get(place.clone()).unwrap_or_default()
    }
}

/// The names of a record's fields, the first of them.
fn keys(record: Node<'_>) -> Vec<String> {
    let keys = record.fields().filter_map(|(key, _)| key.text().ok().map(std::borrow::Cow::into_owned));
    keys.take(KEYS_SHOWN).collect()
}

/// Goes over the records, one by one.
#[derive(Debug, Default)]
pub(super) struct Walk {
    at: usize,
    /// Of the next record.
    pub(super) record: u64,
}

impl Walk {
    /// Where the next record's fields stand.
    pub(super) fn next(&mut self, rows: &Rows) -> Option<Vec<Range<usize>>> {
        if self.record >= rows.count {
            return None;
        }
        self.record += 1;
        Some(rows.wanted.iter().map(|_| self.field(rows)).collect())
    }

    fn field(&mut self, rows: &Rows) -> Range<usize> {
        let length = rows.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<4>());
        let start = self.at + 4;
        self.at = start + length.map_or(0, |length| u32::from_le_bytes(*length) as usize);
        start..self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{json::Document, plan::IncludedField};

    fn plan(fields: &[&str], include: &[&str]) -> ParentPlan {
        let fields = fields.iter().map(|field| field.parse().unwrap()).collect();
        let include = include.iter().map(|&field| IncludedField::of("p", field.to_owned())).collect();
        ParentPlan { resource: "p".to_owned(), fields, include }
    }

    fn page(number: u64, text: &str, numbers: Option<&[u64]>) -> Page {
        let document = Document::parse(text.into()).unwrap();
        let (count, numbers) = (document.root().items().count() as u64, numbers.map(Arc::from));
        Page {
            number,
            list: 0,
            document: Arc::new(document),
            records: Some(0),
            count,
            filtered: 0,
            duplicates: 0,
            rejects: Vec::new(),
            repeats: 0,
            pass: 0,
            numbers,
            hold: None,
        }
    }

    fn rows(plan: &ParentPlan, pages: &[Page]) -> Rows {
        let mut rows = Rows::new("p", Wanted::of(plan).collect(), u64::MAX);
        pages.iter().for_each(|page| rows.take(page));
        rows
    }

    #[test]
    fn fields_are_kept_as_the_api_wrote_them_and_know_where_they_came_from() {
        let plan = plan(&["a.b", "id"], &["x"]);
        let pages = [
            page(1, r#"[{"a":{"b":"\u00e9"},"id":1.10,"x":null}]"#, None),
            page(2, "[]", None),
            page(3, r#"[{"a":{"b":{}},"id":2,"x":[1, 2]},{"a":{"b":0},"id":3,"x":0}]"#, Some(&[2, 9])),
        ];
        let rows = rows(&plan, &pages);
        rows.check("c", &plan).unwrap();
        let (mut walk, mut seen) = (Walk::default(), Vec::new());
        while let Some(values) = walk.next(&rows) {
            let texts = values.iter().map(|value| String::from_utf8(rows.value(value).to_vec()).unwrap());
            seen.push((rows.origin(walk.record - 1), texts.collect::<Vec<_>>().join(" ")));
        }
        let seen: Vec<_> = seen.iter().map(|(origin, text)| (*origin, text.as_str())).collect();
        assert_eq!(seen, [((1, 1), r#""\u00e9" 1.10 null"#), ((3, 2), "{} 2 [1, 2]"), ((3, 9), "0 3 0")]);
    }

    #[test]
    fn what_a_record_lacks_is_an_error_of_who_needs_it_alone() {
        let both = plan(&["id", "slug"], &["x"]);
        let rows = rows(&both, &[page(4, r#"[{"id":1,"slug":"a","x":null},{"id":2,"slug":null},{"id":null}]"#, None)]);
        let told = |plan: &ParentPlan| rows.check("c", plan).map_err(|error| error.to_string());
        let told_of = |fields: &[&str], include: &[&str]| told(&plan(fields, include)).unwrap_err();
        assert!(
            told_of(&["slug"], &[]).contains("record 2 on page 4 of `p`: its `slug` is null"),
            "{}",
            told_of(&["slug"], &[])
        );
        assert!(told_of(&["id"], &[]).contains("record 3 on page 4"));
        assert!(told_of(&[], &["x"]).contains("it has no `x`, but `id`, `slug`"), "{}", told_of(&[], &["x"]));
        assert!(told(&plan(&[], &[])).is_ok());
    }

    #[test]
    fn the_digest_is_of_what_a_child_takes_and_of_nothing_else() {
        let (both, id) = (plan(&["id", "slug"], &[]), plan(&["id"], &[]));
        let of = |text: &str, plan: &ParentPlan| rows(&both, &[page(1, text, None)]).digest(plan);
        let (a, b) = (r#"[{"id":1,"slug":2},{"id":3,"slug":4}]"#, r#"[{"id":1,"slug":2},{"id":3,"slug":5}]"#);
        assert_eq!(of(a, &id), of(b, &id));
        assert_ne!(of(a, &both), of(b, &both));
        assert_eq!(of(a, &id), rows(&id, &[page(7, r#"[{"id":1},{"id":3}]"#, None)]).digest(&id));
    }
}
