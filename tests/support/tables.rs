//! Readers of a written table: the files as a lake's readers find them, and the rows in them.
//!
//! Independent of the code under test: directories are listed and decoded here, files read with the Parquet crate alone.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray},
    compute::concat_batches,
    datatypes::{DataType, Field, Schema, TimeUnit},
    util::display::{ArrayFormatter, FormatOptions},
};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

/// A data file and its rows.
#[derive(Clone, Debug)]
pub struct TableFile {
    /// Relative to the table's root, with `/`.
    pub path: String,
    /// Keys and values of the directories, decoded; `None` is null.
    pub partition: Vec<(String, Option<String>)>,
    /// With one text column more for each partition key that the file lacks.
    pub rows: RecordBatch,
}

/// All files below a local directory by their path relative to it, with `/`: what a reader may come across.
pub fn walk(root: &Path) -> BTreeMap<String, Bytes> {
    let mut files = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                files.insert(relative(root, &path), Bytes::from(std::fs::read(&path).unwrap()));
            }
        }
    }
    files
}

fn relative(root: &Path, path: &Path) -> String {
    let inside: PathBuf = path.strip_prefix(root).unwrap().to_owned();
    inside.iter().map(|part| part.to_str().unwrap()).collect::<Vec<_>>().join("/")
}

/// The files that `read_parquet('<root>/**/*.parquet')` finds, by path.
pub fn data_files(root: &Path) -> BTreeMap<String, Bytes> {
    walk(root).into_iter().filter(|(path, _)| path.ends_with(".parquet")).collect()
}

/// The table in a local directory, its files by path.
pub fn read_table(root: &Path) -> Vec<TableFile> {
    data_files(root).iter().map(|(path, content)| read_file(path, content)).collect()
}

/// One data file; `path` is relative to the table's root.
pub fn read_file(path: &str, content: &Bytes) -> TableFile {
    let partition: Vec<_> = path.split('/').filter_map(|part| part.split_once('=')).map(decode).collect();
    TableFile { path: path.to_owned(), rows: with_partition(&read_parquet(content), &partition), partition }
}

/// The rows of all files together, in order of the files; columns by name of the first.
pub fn all_rows(files: &[TableFile]) -> RecordBatch {
    let schema = files.first().expect("a table has a file, even without rows").rows.schema();
    let aligned = files.iter().map(|file| {
        let columns = schema.fields().iter().map(|field| file.rows.column_by_name(field.name()).unwrap().clone());
        RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap()
    });
    concat_batches(&schema, &aligned.collect::<Vec<_>>()).unwrap()
}

/// The rows as text, one value a column in the order of `columns`, sorted: to compare tables whose files lie differently.
pub fn sorted_texts(rows: &RecordBatch, columns: &[&str]) -> Vec<Vec<Option<String>>> {
    let options = FormatOptions::default();
    let texts: Vec<_> = columns.iter().map(|name| texts(rows.column_by_name(name).unwrap(), &options)).collect();
    let mut rows: Vec<Vec<_>> =
        (0..rows.num_rows()).map(|row| texts.iter().map(|column| column[row].clone()).collect()).collect();
    rows.sort();
    rows
}

fn texts(column: &ArrayRef, options: &FormatOptions<'_>) -> Vec<Option<String>> {
    let formatter = ArrayFormatter::try_new(column, options).unwrap();
    (0..column.len()).map(|row| (!column.is_null(row)).then(|| formatter.value(row).to_string())).collect()
}

/// All rows of a Parquet file. A zone of `UTC`, which arrow without a time zone database cannot print, becomes `+00:00`.
pub fn read_parquet(content: &Bytes) -> RecordBatch {
    let metadata = ArrowReaderMetadata::load(content, ArrowReaderOptions::new()).unwrap();
    let fields = metadata.schema().fields().iter().map(|field| field.as_ref().clone().with_data_type(printable(field)));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let options = ArrowReaderOptions::new().with_schema(Arc::clone(&schema));
    let reader =
        ParquetRecordBatchReaderBuilder::try_new_with_options(content.clone(), options).unwrap().build().unwrap();
    concat_batches(&schema, &reader.map(Result::unwrap).collect::<Vec<_>>()).unwrap()
}

fn printable(field: &Field) -> DataType {
    match field.data_type() {
        DataType::Timestamp(unit, Some(zone)) if zone.as_ref() == "UTC" => utc(*unit),
        other => other.clone(),
    }
}

fn utc(unit: TimeUnit) -> DataType {
    DataType::Timestamp(unit, Some("+00:00".into()))
}

/// Adds the values that the directories tell; a key that is also a column in the file is a mistake of the writer.
fn with_partition(rows: &RecordBatch, partition: &[(String, Option<String>)]) -> RecordBatch {
    let mut fields: Vec<_> = rows.schema().fields().iter().cloned().collect();
    let mut columns = rows.columns().to_vec();
    for (key, value) in partition {
        assert!(rows.column_by_name(key).is_none(), "`{key}` is told twice");
        fields.push(Arc::new(Field::new(key, DataType::Utf8, true)));
        columns.push(Arc::new(StringArray::from(vec![value.as_deref(); rows.num_rows()])));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

/// As Spark's `unescapePathName` reads a directory's key and value.
fn decode((key, value): (&str, &str)) -> (String, Option<String>) {
    (unescape(key), (value != "__HIVE_DEFAULT_PARTITION__").then(|| unescape(value)))
}

fn unescape(text: &str) -> String {
    let mut plain = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = match rest {
            [b'%', high, low, ..] => {
                std::str::from_utf8(&[*high, *low]).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok())
            }
            _ => None,
        };
        plain.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(plain).unwrap()
}
