//! One file against what its commit says: the footer, the checksum, the schema, and whether its rows belong where it lies.

use std::sync::Arc;

use arrow::{error::ArrowError, record_batch::RecordBatch};
use bytes::Bytes;
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
    },
    errors::ParquetError,
    file::metadata::{ParquetMetaData, ParquetMetaDataReader},
    schema::types::SchemaDescriptor,
};

use super::finding::{Findings, Problem};
use crate::{
    digest,
    error::Result,
    model::DataFile,
    store::TableStore,
    write::{FileShape, WriteError},
};

/// Bytes of the first read of a footer, enough for the metadata of most files.
const FOOTER: u64 = 64 << 10;

const BATCH_ROWS: usize = 8192;

/// The reason why the rows of a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Checks a whole file; `false` if its rows cannot be looked at any further.
pub(super) fn check_whole(content: &Bytes, file: &DataFile, shape: &FileShape, findings: &mut Findings) -> bool {
    if !digest::is_as_committed(content, &file.sha256) {
        findings.add(Problem::Checksum, &file.path, digest::sha256(content), &file.sha256);
        // Decoding what is known to be damaged tells nothing more.
        return false;
    }
    let metadata = match ParquetMetaDataReader::new().parse_and_finish(content) {
        Ok(metadata) => metadata,
        Err(error) => {
            findings.add(Problem::Unreadable, &file.path, error.to_string(), "a Parquet file");
            return false;
        }
    };
    if !check_footer(&metadata, file, shape, findings) {
        return false;
    }
    if let Err(error) = check_partition(content, file, shape, findings) {
        findings.add(Problem::Unreadable, &file.path, error.to_string(), "rows that can be read");
        return false;
    }
    true
}

/// Checks row count and schema; `false` if the schema is another.
pub(super) fn check_footer(
    metadata: &ParquetMetaData,
    file: &DataFile,
    shape: &FileShape,
    findings: &mut Findings,
) -> bool {
    let rows = metadata.file_metadata().num_rows();
    if u64::try_from(rows).ok() != Some(file.rows) {
        findings.add(Problem::Rows, &file.path, format!("{rows} rows"), format!("{} rows", file.rows));
    }
    let found = metadata.file_metadata().schema_descr();
    match shape.parquet(is_empty_table(file)) {
        Ok(expected) if same_columns(found, &expected) => true,
        Ok(expected) => {
            let (found, expected) = apart(found, &expected);
            findings.add(Problem::Schema, &file.path, found, expected);
            false
        }
        Err(error) => {
            findings.add(Problem::Schema, &file.path, columns(found).join(", "), error.to_string());
            false
        }
    }
}

/// Returns true for the file of an empty table, which has all columns.
pub(super) fn is_empty_table(file: &DataFile) -> bool {
    file.rows == 0 && file.partition.is_empty()
}

fn same_columns(found: &SchemaDescriptor, expected: &SchemaDescriptor) -> bool {
    found.root_schema().get_fields() == expected.root_schema().get_fields()
}

/// The columns that only one of two schemas has, of each; all of them where the order differs.
fn apart(found: &SchemaDescriptor, expected: &SchemaDescriptor) -> (String, String) {
    let (found, expected) = (columns(found), columns(expected));
    let only = |these: &[String], those: &[String]| {
        let only: Vec<_> = these.iter().filter(|column| !those.contains(column)).cloned().collect();
        if only.is_empty() { these.join(", ") } else { only.join(", ") }
    };
    (only(&found, &expected), only(&expected, &found))
}

/// `owner.email BYTE_ARRAY (String)`, one for each leaf.
fn columns(schema: &SchemaDescriptor) -> Vec<String> {
    let leaf = |column: &parquet::schema::types::ColumnDescPtr| {
        let mut text = format!("{} {}", column.path().string(), column.physical_type());
        if let Some(logical) = column.logical_type_ref() {
            text += &format!(" {logical:?}");
        }
        let is_required = column.self_type().get_basic_info().repetition() == parquet::basic::Repetition::REQUIRED;
        if is_required { text + " required" } else { text }
    };
    schema.columns().iter().map(leaf).collect()
}

fn check_partition(
    content: &Bytes,
    file: &DataFile,
    shape: &FileShape,
    findings: &mut Findings,
) -> Result<(), ReadError> {
    let names = shape.partition_columns();
    if names.is_empty() || file.rows == 0 {
        return Ok(());
    }
    let mut misplaced = None;
    for_each_batch(content, shape, &names, |rows| {
        if misplaced.is_none() {
            misplaced = shape.misplaced(rows, &file.partition)?;
        }
        Ok(())
    })?;
    if let Some(found) = misplaced {
        let text = |value: Option<String>| value.unwrap_or_else(|| "null".to_owned());
        let told = format!("rows of {}={}", found.key, text(found.told));
        findings.add(Problem::Partition, &file.path, format!("a row of {}={}", found.key, text(found.value)), told);
    }
    Ok(())
}

/// Reads some columns of a file whose schema is the table's, batch by batch.
pub(super) fn for_each_batch(
    content: &Bytes,
    shape: &FileShape,
    columns: &[&str],
    mut visit: impl FnMut(&RecordBatch) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    // With our own types, since arrow cannot compute with the zone that it makes of a file's `UTC`.
    let options = ArrowReaderOptions::new().with_schema(Arc::clone(shape.arrow(false)));
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(content.clone(), options)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
    for rows in builder.with_projection(mask).with_batch_size(BATCH_ROWS).build()? {
        visit(&rows?)?;
    }
    Ok(())
}

/// The metadata at the end of a file, without the file; `None` if the file is gone. The outer error is the store's.
pub(super) async fn footer(
    table: &TableStore,
    file: &DataFile,
) -> Result<Option<Result<ParquetMetaData, ParquetError>>> {
    let mut wanted = FOOTER.min(file.bytes);
    if wanted == 0 {
        return Ok(Some(Err(ParquetError::EOF("the file is empty".into()))));
    }
    loop {
        let part = file.bytes - wanted..file.bytes;
        let Some(parts) = table.get_ranges(&file.path, std::slice::from_ref(&part)).await? else { return Ok(None) };
        let bytes = parts.into_iter().next().unwrap_or_default();
        let mut reader = ParquetMetaDataReader::new();
        match reader.try_parse_sized(&bytes, file.bytes) {
            Ok(()) => return Ok(Some(reader.finish())),
            // What is wanted has to grow, and ends with the file.
            Err(ParquetError::NeedMoreData(more)) if more as u64 > wanted && more as u64 <= file.bytes => {
                wanted = more as u64;
            }
            Err(error) => return Ok(Some(Err(error))),
        }
    }
}
