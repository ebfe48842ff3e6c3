//! Builders of lists, structs and maps: each appends to the builders of its inner values, and adds the place of findings.

use std::{borrow::Cow, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, ListArray, MapArray, NullBufferBuilder, StringBuilder, StructArray},
    buffer::{OffsetBuffer, ScalarBuffer},
    datatypes::{DataType, FieldRef, Fields},
    error::ArrowError,
};
use hashbrown::HashMap;

use super::{BoxedBuilder, Builder, build};
use crate::{
    decode::{
        finding::{Findings, Step, wrong_kind},
        keys::Keys,
        layout::{Layout, PLAIN, WHOLE},
    },
    json::{Kind, Node, StringError},
    schema::{ColumnType, Field},
};

/// Inner values between two looks at their memory: of a struct of very many fields, each takes as much as all of them.
const LOOK: usize = 1 << 10;

/// The end of each row's inner values, and the null rows. A page has less than 2^31 bytes, and so fewer values.
struct Rows {
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl Rows {
    fn new(rows: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Self { offsets, nulls: NullBufferBuilder::new(rows) }
    }

    fn push(&mut self, inner: i32, valid: bool) {
        let end = self.offsets.last().map_or(0, |end| end + inner);
        self.offsets.push(end);
        self.nulls.append(valid);
    }

    fn offsets(&mut self) -> OffsetBuffer<i32> {
        OffsetBuffer::new(ScalarBuffer::from(std::mem::take(&mut self.offsets)))
    }
}

/// Returns the error for a nested Arrow type without an inner field, which our types never create.
fn no_inner_field() -> ArrowError {
    ArrowError::SchemaError("a nested type without its inner field".to_owned())
}

/// `list<T>` of arrays.
pub(super) struct List<'a> {
    data_type: &'a ColumnType,
    rows: Rows,
    items: BoxedBuilder<'a>,
}

impl<'a> List<'a> {
    pub fn new(data_type: &'a ColumnType, item: &'a ColumnType, layout: &'a Layout, rows: usize) -> Self {
        Self { data_type, rows: Rows::new(rows), items: build(item, layout, rows) }
    }
}

impl<'a> Builder<'a> for List<'a> {
    fn append(&mut self, node: Node<'a>, findings: &mut Findings<'a>) {
        match node.kind() {
            Kind::Null => self.append_null(),
            Kind::Array => {
                let mut count = 0;
                for (index, item) in node.items().enumerate() {
                    if index % LOOK == LOOK - 1 && findings.is_full(self.items.memory()) {
                        break;
                    }
                    let before = findings.len();
                    self.items.append(item, findings);
                    findings.locate(before, || Step::Index(index));
                    count += 1;
                }
                self.rows.push(count, true);
            }
            kind => {
                self.append_null();
                findings.add(node, self.data_type, wrong_kind(kind));
            }
        }
    }

    fn append_null(&mut self) {
        self.rows.push(0, false);
    }

    fn memory(&self) -> usize {
        size_of_val(self.rows.offsets.as_slice()) + self.items.memory()
    }

    fn finish(mut self: Box<Self>) -> Result<ArrayRef, ArrowError> {
        let DataType::List(field) = self.data_type.to_arrow() else { return Err(no_inner_field()) };
        let items = self.items.finish()?;
        Ok(Arc::new(ListArray::try_new(field, self.rows.offsets(), items, self.rows.nulls.finish())?))
    }
}

/// `struct<…>` of objects. Fields that it does not name are ignored, or found where it is to be whole.
pub(super) struct Struct<'a> {
    data_type: &'a ColumnType,
    fields: &'a [Field],
    keys: Keys<'a>,
    children: Vec<BoxedBuilder<'a>>,
    nulls: NullBufferBuilder,
    is_whole: bool,
}

impl<'a> Struct<'a> {
    pub fn new(data_type: &'a ColumnType, fields: &'a [Field], layout: &'a Layout, rows: usize) -> Self {
        let inner = if layout.whole { &WHOLE } else { &PLAIN };
        let keys = Keys::new(fields.iter().map(|field| field.name.as_str()));
        let children = fields.iter().map(|field| build(&field.data_type, inner, rows)).collect();
        Self { data_type, fields, keys, children, nulls: NullBufferBuilder::new(rows), is_whole: layout.whole }
    }

    fn append_fields(&mut self, object: Node<'a>, findings: &mut Findings<'a>) {
        let is_whole = self.is_whole;
        self.keys.search(object, |key, value| {
            if is_whole && value.kind() != Kind::Null {
                findings.add_unknown(key, value);
            }
        });
        for ((child, field), found) in self.children.iter_mut().zip(self.fields).zip(self.keys.found()) {
            match found {
                None => child.append_null(),
                Some(value) => {
                    let before = findings.len();
                    child.append(*value, findings);
                    findings.locate(before, || Step::Key(Cow::Borrowed(&field.name)));
                }
            }
        }
        self.nulls.append(true);
    }
}

impl<'a> Builder<'a> for Struct<'a> {
    fn append(&mut self, node: Node<'a>, findings: &mut Findings<'a>) {
        match node.kind() {
            Kind::Null => self.append_null(),
            Kind::Object => self.append_fields(node, findings),
            kind => {
                self.append_null();
                findings.add(node, self.data_type, wrong_kind(kind));
            }
        }
    }

    fn append_null(&mut self) {
        self.children.iter_mut().for_each(|child| child.append_null());
        self.nulls.append(false);
    }

    fn memory(&self) -> usize {
        self.children.iter().map(|child| child.memory()).sum()
    }

    fn finish(mut self: Box<Self>) -> Result<ArrayRef, ArrowError> {
        let DataType::Struct(fields) = self.data_type.to_arrow() else { return Err(no_inner_field()) };
        let rows = self.nulls.len();
        let children = self.children.into_iter().map(Builder::finish).collect::<Result<_, _>>()?;
        Ok(Arc::new(StructArray::try_new_with_length(fields, children, self.nulls.finish(), rows)?))
    }
}

/// `map<string, T>` of objects. Of duplicate keys the last counts, in its own place.
pub(super) struct Map<'a> {
    data_type: &'a ColumnType,
    rows: Rows,
    keys: StringBuilder,
    values: BoxedBuilder<'a>,
    /// The entries of one object; kept for its memory.
    entries: Vec<(Cow<'a, str>, Node<'a>)>,
}

impl<'a> Map<'a> {
    pub fn new(data_type: &'a ColumnType, value: &'a ColumnType, layout: &'a Layout, rows: usize) -> Self {
        let values = build(value, layout, rows);
        Self { data_type, rows: Rows::new(rows), keys: StringBuilder::new(), values, entries: Vec::new() }
    }

    /// A key that is no text takes the whole map down: an entry can't be null.
    fn collect(&mut self, object: Node<'a>) -> Result<(), StringError> {
        self.entries.clear();
        for (key, value) in object.fields() {
            self.entries.push((key.text()?, value));
        }
        keep_last_duplicates(&mut self.entries);
        Ok(())
    }

    fn append_entries(&mut self, findings: &mut Findings<'a>) {
        let mut count = 0;
        for (index, (key, value)) in self.entries.drain(..).enumerate() {
            if index % LOOK == LOOK - 1 && findings.is_full(self.values.memory()) {
                break;
            }
            // All keys together are shorter than the page, which the builder's offsets hold.
            self.keys.append_value(&key);
            let before = findings.len();
            self.values.append(value, findings);
            findings.locate(before, || Step::Key(key.clone()));
            count += 1;
        }
        self.rows.push(count, true);
    }
}

/// Few keys are compared with each other; many (a page may consist of them) are hashed.
fn keep_last_duplicates(entries: &mut Vec<(Cow<'_, str>, Node<'_>)>) {
    const FEW: usize = 16;
    let is_last: Vec<bool> = if entries.len() <= FEW {
        let behind = |place: usize| entries.iter().skip(place + 1);
        entries.iter().enumerate().map(|(place, (key, _))| !behind(place).any(|(other, _)| other == key)).collect()
    } else {
        let last: HashMap<&str, usize> = entries.iter().enumerate().map(|(place, (key, _))| (&**key, place)).collect();
        entries.iter().enumerate().map(|(place, (key, _))| last.get(&**key) == Some(&place)).collect()
    };
    let mut is_last = is_last.into_iter();
    entries.retain(|_| is_last.next().unwrap_or(true));
}

impl<'a> Builder<'a> for Map<'a> {
    fn append(&mut self, node: Node<'a>, findings: &mut Findings<'a>) {
        match node.kind() {
            Kind::Null => self.append_null(),
            Kind::Object => match self.collect(node) {
                Ok(()) => self.append_entries(findings),
                Err(error) => {
                    self.append_null();
                    findings.add(node, self.data_type, error.into());
                }
            },
            kind => {
                self.append_null();
                findings.add(node, self.data_type, wrong_kind(kind));
            }
        }
    }

    fn append_null(&mut self) {
        self.rows.push(0, false);
    }

    fn memory(&self) -> usize {
        size_of_val(self.rows.offsets.as_slice()) + self.keys.values_slice().len() + self.values.memory()
    }

    fn finish(mut self: Box<Self>) -> Result<ArrayRef, ArrowError> {
        let DataType::Map(field, ordered) = self.data_type.to_arrow() else { return Err(no_inner_field()) };
        let fields = entry_fields(&field)?;
        let values = self.values.finish()?;
        let rows = values.len();
        let columns = vec![Arc::new(self.keys.finish()) as ArrayRef, values];
        let entries = StructArray::try_new_with_length(fields, columns, None, rows)?;
        Ok(Arc::new(MapArray::try_new(field, self.rows.offsets(), entries, self.rows.nulls.finish(), ordered)?))
    }
}

fn entry_fields(field: &FieldRef) -> Result<Fields, ArrowError> {
    match field.data_type() {
        DataType::Struct(fields) => Ok(fields.clone()),
        _ => Err(no_inner_field()),
    }
}
