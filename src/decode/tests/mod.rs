//! Tests of the decoder as a whole: pages in, batches, rejects and errors out.

mod agreement;
mod columns;
mod contract;
mod evolve;

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::{DecodeError, Decoder};
use crate::{
    json::{Document, Kind, Selector},
    model::{Batch, Page},
    schema::{Column, ColumnsContract, Contract, DataTypeContract, Format, Source, TableSchema},
};

/// A column from `name: type`, or `name @ source: type` where the source is another dotted path or `$`.
fn column(text: &str) -> Column {
    let (place, data_type) = text.split_once(": ").unwrap();
    let (name, source) = place.split_once(" @ ").unwrap_or((place, place));
    let path: Selector = source.parse().unwrap();
    let source = if path.is_root() { Source::Record } else { Source::Path(path.keys().unwrap()) };
    Column { name: name.to_owned(), source, data_type: data_type.parse().unwrap(), nullable: true, format: None }
}

fn formatted(text: &str, format: Format) -> Column {
    Column { format: Some(format), ..column(text) }
}

fn required(text: &str) -> Column {
    Column { nullable: false, ..column(text) }
}

fn contract(columns: ColumnsContract, data_type: DataTypeContract) -> Contract {
    Contract { columns, data_type }
}

const DISCARD_ROW: Contract =
    Contract { columns: ColumnsContract::DiscardValue, data_type: DataTypeContract::DiscardRow };

const DISCARD_VALUE: Contract =
    Contract { columns: ColumnsContract::DiscardValue, data_type: DataTypeContract::DiscardValue };

fn decoder(columns: impl IntoIterator<Item = Column>, contract: Contract) -> Decoder {
    let schema = TableSchema { columns: columns.into_iter().collect() };
    Decoder::new("cases", &schema, contract, &[]).unwrap()
}

/// Page 3 of a resource, whose records are `body` as a whole.
fn page(body: impl Into<Vec<u8>>) -> Page {
    let document = Document::parse(body.into()).unwrap();
    let root = document.root();
    let count = if root.kind() == Kind::Array { root.items().count() as u64 } else { 1 };
    let records = Some(root.index());
    Page::new(3, Arc::new(document), records, count)
}

/// Decodes, and checks what holds of every batch.
fn decode(decoder: &Decoder, body: impl Into<Vec<u8>>) -> Result<Batch, DecodeError> {
    let batch = decoder.decode(&page(body))?;
    assert_eq!(batch.page, 3);
    assert_eq!(batch.rows.schema(), decoder.schema());
    assert_eq!(batch.rows.num_rows() as u64 + batch.rows_rejected, batch.rows_fetched);
    assert_eq!(batch.rejects.len() as u64, batch.rows_rejected + batch.values_discarded);
    Ok(batch)
}

/// The rows as JSON, nulls included.
fn rows(batch: &RecordBatch) -> serde_json::Value {
    let mut text = Vec::new();
    let builder = arrow_json::WriterBuilder::new().with_explicit_nulls(true);
    let mut writer = builder.build::<_, arrow_json::writer::JsonArray>(&mut text);
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    if text.is_empty() { serde_json::json!([]) } else { serde_json::from_slice(&text).unwrap() }
}
