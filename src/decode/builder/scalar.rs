//! Builders of values without inner ones: bools, numbers, temporal values, texts and bytes.

use std::{borrow::Cow, sync::Arc};

use arrow::{
    array::{ArrayBuilder, ArrayRef, ArrowPrimitiveType, BooleanBuilder, GenericByteBuilder, PrimitiveBuilder},
    datatypes::{
        BinaryType, ByteArrayType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
        Int32Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type,
        UInt64Type, Utf8Type,
    },
    error::ArrowError,
};

use super::{BoxedBuilder, Builder};
use crate::{
    decode::{
        convert::{json, number, temporal, text},
        finding::{Findings, Misfit},
        layout::{BytesText, Layout},
    },
    json::{Kind, Node},
    schema::ColumnType,
};

/// Offsets into a column's bytes have 31 bits.
const MAX_BYTES: usize = i32::MAX as usize;

/// A guess at the bytes of one text, to save the first few reallocations.
const TEXT: usize = 16;

pub(super) fn build<'a>(data_type: &'a ColumnType, layout: &'a Layout, rows: usize) -> BoxedBuilder<'a> {
    let notation = &layout.notation;
    match data_type {
        ColumnType::Bool => Box::new(Bool { data_type, values: BooleanBuilder::with_capacity(rows) }),
        ColumnType::Int8 => primitive::<Int8Type, _>(data_type, rows, number::integer),
        ColumnType::Int16 => primitive::<Int16Type, _>(data_type, rows, number::integer),
        ColumnType::Int32 => primitive::<Int32Type, _>(data_type, rows, number::integer),
        ColumnType::Int64 => primitive::<Int64Type, _>(data_type, rows, number::integer),
        ColumnType::UInt8 => primitive::<UInt8Type, _>(data_type, rows, number::integer),
        ColumnType::UInt16 => primitive::<UInt16Type, _>(data_type, rows, number::integer),
        ColumnType::UInt32 => primitive::<UInt32Type, _>(data_type, rows, number::integer),
        ColumnType::UInt64 => primitive::<UInt64Type, _>(data_type, rows, number::integer),
        ColumnType::Float32 if layout.non_finite => primitive::<Float32Type, _>(data_type, rows, number::any_float),
        ColumnType::Float64 if layout.non_finite => primitive::<Float64Type, _>(data_type, rows, number::any_float),
        ColumnType::Float32 => primitive::<Float32Type, _>(data_type, rows, number::float),
        ColumnType::Float64 => primitive::<Float64Type, _>(data_type, rows, number::float),
        ColumnType::Decimal { precision, scale } => {
            let read = |node, kind| number::decimal(node, kind, *precision, *scale);
            primitive::<Decimal128Type, _>(data_type, rows, read)
        }
        ColumnType::Date => {
            primitive::<Date32Type, _>(data_type, rows, |node, kind| temporal::date(node, kind, notation))
        }
        ColumnType::Time => {
            primitive::<Time64MicrosecondType, _>(data_type, rows, |node, kind| temporal::time(node, kind, notation))
        }
        ColumnType::Timestamp => {
            let read = |node, kind| temporal::timestamp(node, kind, notation);
            primitive::<TimestampMicrosecondType, _>(data_type, rows, read)
        }
        ColumnType::TimestampNaive => {
            let read = |node, kind| temporal::timestamp_naive(node, kind, notation);
            primitive::<TimestampMicrosecondType, _>(data_type, rows, read)
        }
        ColumnType::Binary => match layout.bytes {
            BytesText::Base64 => bytes::<BinaryType, _>(data_type, rows, text::base64),
            BytesText::Base64Url => bytes::<BinaryType, _>(data_type, rows, text::base64url),
            BytesText::Hex => bytes::<BinaryType, _>(data_type, rows, text::hex),
        },
        ColumnType::Uuid => bytes::<Utf8Type, _>(data_type, rows, text::uuid),
        ColumnType::String => bytes::<Utf8Type, _>(data_type, rows, text::string),
        // Nested types have builders of their own.
        ColumnType::Json | ColumnType::List(_) | ColumnType::Struct(_) | ColumnType::Map(_) => {
            bytes::<Utf8Type, _>(data_type, rows, json::json)
        }
    }
}

struct Bool<'a> {
    data_type: &'a ColumnType,
    values: BooleanBuilder,
}

impl<'a> Builder<'a> for Bool<'a> {
    fn append(&mut self, node: Node<'a>, findings: &mut Findings<'a>) {
        match node.kind() {
            Kind::Null => self.values.append_null(),
            kind => match text::bool(node, kind) {
                Ok(value) => self.values.append_value(value),
                Err(misfit) => {
                    self.values.append_null();
                    findings.add(node, self.data_type, misfit);
                }
            },
        }
    }

    fn append_null(&mut self) {
        self.values.append_null();
    }

    fn memory(&self) -> usize {
        self.values.len() / 4
    }

    fn finish(mut self: Box<Self>) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(self.values.finish()))
    }
}

/// Values of one width; `read` makes each of its JSON.
struct Primitive<'a, T: ArrowPrimitiveType, F> {
    data_type: &'a ColumnType,
    values: PrimitiveBuilder<T>,
    read: F,
}

fn primitive<'a, T, F>(data_type: &'a ColumnType, rows: usize, read: F) -> BoxedBuilder<'a>
where
    T: ArrowPrimitiveType,
    F: Fn(Node<'a>, Kind) -> Result<T::Native, Misfit> + 'a,
{
    let values = PrimitiveBuilder::with_capacity(rows).with_data_type(data_type.to_arrow());
    Box::new(Primitive::<T, F> { data_type, values, read })
}

impl<'a, T, F> Builder<'a> for Primitive<'a, T, F>
where
    T: ArrowPrimitiveType,
    F: Fn(Node<'a>, Kind) -> Result<T::Native, Misfit>,
{
    fn append(&mut self, node: Node<'a>, findings: &mut Findings<'a>) {
        match node.kind() {
            Kind::Null => self.values.append_null(),
            kind => match (self.read)(node, kind) {
                Ok(value) => self.values.append_value(value),
                Err(misfit) => {
                    self.values.append_null();
                    findings.add(node, self.data_type, misfit);
                }
            },
        }
    }

    fn append_null(&mut self) {
        self.values.append_null();
    }

    fn memory(&self) -> usize {
        self.values.len() * size_of::<T::Native>()
    }

    fn finish(mut self: Box<Self>) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(self.values.finish()))
    }
}

/// Values of any length; `read` makes each of its JSON.
struct Bytes<'a, T: ByteArrayType, F> {
    data_type: &'a ColumnType,
    values: GenericByteBuilder<T>,
    /// Bytes that may still be appended.
    room: usize,
    read: F,
}

fn bytes<'a, T, F>(data_type: &'a ColumnType, rows: usize, read: F) -> BoxedBuilder<'a>
where
    T: ByteArrayType,
    T::Native: ToOwned + AsRef<T::Native> + 'a,
    F: Fn(Node<'a>, Kind) -> Result<Cow<'a, T::Native>, Misfit> + 'a,
{
    let values = GenericByteBuilder::with_capacity(rows, rows * TEXT);
    Box::new(Bytes::<T, F> { data_type, values, room: MAX_BYTES, read })
}

impl<'a, T, F> Bytes<'a, T, F>
where
    T: ByteArrayType,
    T::Native: ToOwned + AsRef<T::Native> + 'a,
    F: Fn(Node<'a>, Kind) -> Result<Cow<'a, T::Native>, Misfit>,
{
    /// Arrow's builder panics where its offsets end.
    fn try_append(&mut self, node: Node<'a>, kind: Kind) -> Result<(), Misfit> {
        let value = (self.read)(node, kind)?;
        let length = AsRef::<[u8]>::as_ref(&*value).len();
        self.room = self.room.checked_sub(length).ok_or(Misfit::TooLong)?;
        self.values.append_value(&*value);
        Ok(())
    }
}

impl<'a, T, F> Builder<'a> for Bytes<'a, T, F>
where
    T: ByteArrayType,
    T::Native: ToOwned + AsRef<T::Native> + 'a,
    F: Fn(Node<'a>, Kind) -> Result<Cow<'a, T::Native>, Misfit>,
{
    fn append(&mut self, node: Node<'a>, findings: &mut Findings<'a>) {
        match node.kind() {
            Kind::Null => self.values.append_null(),
            kind => {
                if let Err(misfit) = self.try_append(node, kind) {
                    self.values.append_null();
                    findings.add(node, self.data_type, misfit);
                }
            }
        }
    }

    fn append_null(&mut self) {
        self.values.append_null();
    }

    fn memory(&self) -> usize {
        size_of_val(self.values.values_slice()) + size_of_val(self.values.offsets_slice())
    }

    fn finish(mut self: Box<Self>) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(self.values.finish()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;
    use arrow::array::{Array, AsArray, StringBuilder};

    #[test]
    fn a_text_behind_the_end_of_the_offsets_is_a_misfit_and_no_panic() {
        let document = Document::parse(br#"["ab", "cde", "c"]"#.to_vec()).unwrap();
        let mut builder = Box::new(Bytes::<Utf8Type, _> {
            data_type: &ColumnType::String,
            values: StringBuilder::new(),
            room: 4,
            read: text::string,
        });
        let mut findings = Findings::default();
        document.root().items().for_each(|node| builder.append(node, &mut findings));
        let misfits: Vec<_> = findings.as_slice().iter().map(|finding| finding.misfit).collect();
        assert_eq!(misfits, [Misfit::TooLong]);
        let array = builder.finish().unwrap();
        let texts: Vec<_> = array.as_string::<i32>().iter().collect();
        assert_eq!(texts, [Some("ab"), None, Some("c")]);
    }

    #[test]
    fn every_builder_makes_the_arrow_type_of_its_column_type() {
        let document = Document::parse(b"null".to_vec()).unwrap();
        for name in ColumnType::names().filter(|name| !["list", "struct", "map"].contains(name)) {
            let data_type: ColumnType = name.parse().unwrap();
            let mut builder = build(&data_type, &crate::decode::layout::PLAIN, 2);
            let mut findings = Findings::default();
            builder.append(document.root(), &mut findings);
            builder.append_null();
            let array = builder.finish().unwrap();
            assert_eq!((array.data_type(), array.null_count()), (&data_type.to_arrow(), 2), "{name}");
            assert_eq!(findings.len(), 0);
        }
    }
}
