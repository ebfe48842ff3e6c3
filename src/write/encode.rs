//! One Parquet file, encoded in memory.
//!
//! What readers rely on: INT64 microsecond timestamps, the format's own names in lists and maps, statistics and page indexes,
//! `sorting_columns` that are true of every row group. What we rely on: no clock and no randomness in any byte.

use std::sync::Arc;

use arrow::{
    array::UInt32Array,
    compute::take_record_batch,
    datatypes::{Schema, SchemaRef},
    error::ArrowError,
    record_batch::RecordBatch,
    row::{RowConverter, SortField},
};
use bytes::Bytes;
use parquet::{
    arrow::{ArrowSchemaConverter, ArrowWriter, arrow_writer::ArrowWriterOptions},
    basic::{Compression as Codec, GzipLevel, ZstdLevel},
    errors::ParquetError,
    file::{
        metadata::{KeyValue, SortingColumn},
        properties::{DEFAULT_DATA_PAGE_ROW_COUNT_LIMIT, WriterProperties},
    },
    schema::types::{ColumnPath, SchemaDescriptor},
};

use super::{WriteError, WriteOptions, index::PackedIds};
use crate::{keys::RangeBuilder, model::KeyRange, plan::Compression, schema::TableSchema};

/// `<application> version <version>`: Spark ignores the statistics of text columns of a writer that it cannot parse.
const CREATED_BY: &str = concat!("restlake version ", env!("CARGO_PKG_VERSION"));

/// Memory of an open column besides its data: about the tables that zstd allocates at its default level for the first compressed
/// page.
const CODEC_BYTES: usize = 1 << 20;

/// Memory of the zstd decoder that parquet creates with each column's encoder, as far as it is touched.
const DECODER_BYTES: usize = 32 << 10;

/// Bytes of a column's dictionary from its first row on.
const DICTIONARY_BYTES: usize = 72 << 10;

/// Bytes of dictionaries that every file may have, whatever the memory: those of 100 columns and more.
const MOST_DICTIONARIES: usize = 8 << 20;

/// The encoding of all files with one set of columns.
pub(super) struct Encoding {
    schema: SchemaRef,
    properties: WriterProperties,
    sort: Option<Sort>,
    /// Columns as Parquet counts them, the parts of nested ones each.
    leaves: usize,
    /// Bytes of the Bloom filters of one row group.
    bloom_bytes: usize,
    /// Columns whose ranges a file records, by position in the file.
    ranges: Vec<(usize, RangeBuilder)>,
}

/// The order of the rows within a row group.
struct Sort {
    /// Indexes of the file's columns, the most significant first.
    columns: Vec<usize>,
    converter: RowConverter,
}

impl Encoding {
    /// For files with these of the table's columns.
    pub(super) fn new(options: &WriteOptions, columns: &[usize]) -> Result<Self, WriteError> {
        let schema = super::partition::arrow_schema(&options.schema, columns);
        let parquet = ArrowSchemaConverter::new().with_coerce_types(true).convert(&schema)?;
        let name = |index: &usize| options.schema.columns.get(*index).map(|column| column.name.as_str());
        // Within a partition its columns are constant and not in the file: nothing to sort by, nothing to find.
        let in_file =
            |wanted: &[usize]| wanted.iter().filter(|index| columns.contains(index)).copied().collect::<Vec<_>>();
        let sort_by = in_file(&options.parquet.sort_by);
        let sort_names: Vec<_> = sort_by.iter().filter_map(name).collect();
        let bloom_columns = in_file(&options.parquet.bloom_filter);
        let bloom_names: Vec<_> = bloom_columns.iter().filter_map(name).collect();
        let sorting = sorting_columns(&parquet, &sort_names)?;
        let range = |position: usize, index: &usize| Some((position, RangeBuilder::new(name(index)?)));
        let told = columns.iter().enumerate().filter(|(_, index)| options.keys.contains(index));
        Ok(Self {
            ranges: told.filter_map(|(position, index)| range(position, index)).collect(),
            properties: properties(options, parquet.num_columns(), sorting, &bloom_paths(&parquet, &bloom_names)?)?,
            sort: Sort::new(&schema, &sort_names)?,
            leaves: parquet.num_columns(),
            // At 1 % of false positives a value takes about 10 bits, rounded up to a power of two.
            bloom_bytes: bloom_names.len()
                * (options.parquet.row_group_rows.saturating_mul(10) / 8).next_power_of_two(),
            schema,
        })
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns true if rows must arrive in whole row groups.
    pub(super) fn sorts(&self) -> bool {
        self.sort.is_some()
    }

    /// Bytes of an open file that depend on its columns alone.
    pub(super) fn fixed_bytes(&self) -> usize {
        self.leaves * DECODER_BYTES
    }

    /// Returns the sort order that the files declare.
    pub(super) fn sorting_columns(&self) -> Option<&Vec<SortingColumn>> {
        self.properties.sorting_columns()
    }

    pub(super) fn start(&self) -> Result<FileEncoder, WriteError> {
        let options = ArrowWriterOptions::new()
            .with_properties(self.properties.clone())
            // It would tell Arrow readers a zone of `+00:00` where all others see UTC, and nothing else that is not there.
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(&self.schema), options)?;
        Ok(FileEncoder { writer, rows: 0, ids: PackedIds::default(), ranges: self.ranges.clone() })
    }
}

/// A file that is being encoded.
pub(super) struct FileEncoder {
    writer: ArrowWriter<Vec<u8>>,
    rows: u64,
    ids: PackedIds,
    ranges: Vec<(usize, RangeBuilder)>,
}

/// A file that is whole.
pub(super) struct Encoded {
    pub(super) content: Bytes,
    pub(super) rows: u64,
    pub(super) ids: PackedIds,
    pub(super) keys: Vec<KeyRange>,
}

impl FileEncoder {
    /// Appends rows; in a sorted file they are a row group, and sorted first. `ids` may be empty, if nobody will ask for them.
    pub(super) fn write(&mut self, encoding: &Encoding, rows: &RecordBatch, ids: &[u64]) -> Result<(), WriteError> {
        self.count(rows);
        let Some(sort) = &encoding.sort else {
            self.ids.extend(ids.iter().copied());
            return Ok(self.writer.write(rows)?);
        };
        let order = sort.order(rows)?;
        self.ids.extend(order.iter().filter_map(|&row| ids.get(row as usize).copied()));
        self.writer.write(&take_record_batch(rows, &UInt32Array::from(order))?)?;
        self.end_row_group()
    }

    /// Appends rows as they are, sorted or not.
    pub(super) fn copy(&mut self, rows: &RecordBatch) -> Result<(), WriteError> {
        self.count(rows);
        Ok(self.writer.write(rows)?)
    }

    fn count(&mut self, rows: &RecordBatch) {
        self.rows += rows.num_rows() as u64;
        for (position, range) in &mut self.ranges {
            rows.columns().get(*position).into_iter().for_each(|column| range.add(column));
        }
    }

    pub(super) fn end_row_group(&mut self) -> Result<(), WriteError> {
        Ok(self.writer.flush()?)
    }

    /// The file's size if it were closed now, in bytes, about.
    pub(super) fn encoded_size(&self) -> usize {
        self.writer.bytes_written() + self.writer.in_progress_size()
    }

    /// Bytes of memory, about. A function of the rows written, as all that decides about files is.
    pub(super) fn held(&self, encoding: &Encoding) -> usize {
        let in_progress = self.writer.in_progress_rows();
        // Columns of a row group that is begun have a codec each, which grows with the first page.
        let codecs = if in_progress >= DEFAULT_DATA_PAGE_ROW_COUNT_LIMIT { encoding.leaves * CODEC_BYTES } else { 0 };
        let blooms = if in_progress > 0 { encoding.bloom_bytes } else { 0 };
        self.writer.bytes_written() + self.writer.memory_size() + codecs + blooms
    }

    pub(super) fn finish(self) -> Result<Encoded, WriteError> {
        let mut content = self.writer.into_inner()?;
        content.shrink_to_fit();
        let keys = self.ranges.into_iter().filter_map(|(_, range)| range.finish()).collect();
        Ok(Encoded { content: Bytes::from(content), rows: self.rows, ids: self.ids, keys })
    }
}

impl Sort {
    fn new(schema: &Schema, names: &[&str]) -> Result<Option<Self>, ArrowError> {
        if names.is_empty() {
            return Ok(None);
        }
        let columns = names.iter().map(|name| schema.index_of(name)).collect::<Result<Vec<_>, _>>()?;
        let fields = names.iter().map(|name| Ok(SortField::new(schema.field_with_name(name)?.data_type().clone())));
        let converter = RowConverter::new(fields.collect::<Result<_, ArrowError>>()?)?;
        Ok(Some(Self { columns, converter }))
    }

    /// The rows in order: ascending, nulls first, equal ones as they came.
    fn order(&self, rows: &RecordBatch) -> Result<Vec<u32>, ArrowError> {
        let keys = self.converter.convert_columns(rows.project(&self.columns)?.columns())?;
        let mut order: Vec<_> = keys.iter().zip(0_u32..).collect();
        order.sort_unstable();
        Ok(order.into_iter().map(|(_, row)| row).collect())
    }
}

/// The position of a column that is no nested one among the file's leaves.
fn leaf(parquet: &SchemaDescriptor, name: &str) -> Result<usize, WriteError> {
    let found = parquet.columns().iter().position(|leaf| matches!(leaf.path().parts(), [only] if only == name));
    found.ok_or_else(|| WriteError::Nested { column: name.to_owned() })
}

fn sorting_columns(parquet: &SchemaDescriptor, names: &[&str]) -> Result<Option<Vec<SortingColumn>>, WriteError> {
    let sorting = |name: &&str| {
        let column_idx =
            i32::try_from(leaf(parquet, name)?).map_err(|_| WriteError::Nested { column: (*name).into() })?;
        Ok(SortingColumn { column_idx, descending: false, nulls_first: true })
    };
    let columns = names.iter().map(sorting).collect::<Result<Vec<_>, WriteError>>()?;
    Ok((!columns.is_empty()).then_some(columns))
}

fn bloom_paths(parquet: &SchemaDescriptor, names: &[&str]) -> Result<Vec<ColumnPath>, WriteError> {
    names.iter().map(|name| leaf(parquet, name).map(|_| ColumnPath::new(vec![(*name).to_owned()]))).collect()
}

fn properties(
    options: &WriteOptions,
    leaves: usize,
    sorting: Option<Vec<SortingColumn>>,
    bloom: &[ColumnPath],
) -> Result<WriterProperties, WriteError> {
    let row_group_rows = options.parquet.row_group_rows.max(1);
    let mut builder = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_key_value_metadata(Some(footer(options)?))
        .set_compression(codec(options.parquet.compression)?)
        .set_coerce_types(true)
        .set_dictionary_enabled(leaves.saturating_mul(DICTIONARY_BYTES) <= (options.memory / 2).max(MOST_DICTIONARIES))
        .set_max_row_group_row_count(Some(row_group_rows))
        .set_sorting_columns(sorting);
    for path in bloom {
        builder = builder
            .set_column_bloom_filter_enabled(path.clone(), true)
            .set_column_bloom_filter_fpp(path.clone(), 0.01)
            .set_column_bloom_filter_max_ndv(path.clone(), row_group_rows as u64);
    }
    Ok(builder.build())
}

/// Returns the metadata of the footer, which identifies the table. It contains no secret, run id or time.
fn footer(options: &WriteOptions) -> Result<Vec<KeyValue>, WriteError> {
    let fingerprint = TableSchema::fingerprint(&options.schema)?;
    let entry = |key: &str, value: &str| KeyValue::new(format!("restlake.{key}"), value.to_owned());
    Ok(vec![
        entry("pipeline", &options.pipeline),
        entry("resource", &options.resource),
        entry("schema_fingerprint", &fingerprint),
    ])
}

fn codec(compression: Compression) -> Result<Codec, ParquetError> {
    Ok(match compression {
        Compression::Uncompressed => Codec::UNCOMPRESSED,
        Compression::Snappy => Codec::SNAPPY,
        // The framing that other programs read; the format's plain `LZ4` is deprecated.
        Compression::Lz4 => Codec::LZ4_RAW,
        Compression::Gzip(level) => Codec::GZIP(GzipLevel::try_new(level)?),
        Compression::Zstd(level) => Codec::ZSTD(ZstdLevel::try_new(level)?),
    })
}
