//! Footers of data files: their row groups and the statistics of key columns.

use std::ops::Range;

use arrow::{
    array::{Array, ArrayRef},
    datatypes::SchemaRef,
};
use bytes::{Buf, Bytes, buf::Reader};
use parquet::{
    arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, statistics::StatisticsConverter},
    errors::{ParquetError, Result as ParquetResult},
    file::{
        metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData},
        reader::{ChunkReader, Length},
    },
};

use super::MergeError;
use crate::{
    keys::range_between,
    model::{DataFile, KeyRange},
    store::TableStore,
};

/// A file's end of this many bytes holds most footers: the first guess.
pub(super) const TAIL: u64 = 64 << 10;

/// The result of reading the tail of a file.
enum Tail {
    Footer(ParquetMetaData),
    /// It is longer: so many bytes from the end of the file are needed.
    Needs(u64),
}

/// Reads the footer from the end of a file of `size` bytes.
fn read_tail(tail: &Bytes, size: u64) -> ParquetResult<Tail> {
    let mut reader = ParquetMetaDataReader::new();
    match reader.try_parse_sized(tail, size) {
        Ok(()) => Ok(Tail::Footer(reader.finish()?)),
        Err(ParquetError::NeedMoreData(needed)) if (needed as u64) > tail.len() as u64 && needed as u64 <= size => {
            Ok(Tail::Needs(needed as u64))
        }
        Err(error) => Err(error),
    }
}

/// Parts of a file with their offsets.
pub(super) async fn read_parts(
    table: &TableStore,
    file: &DataFile,
    ranges: Vec<Range<u64>>,
) -> Result<Vec<(u64, Bytes)>, MergeError> {
    if ranges.is_empty() {
        return Ok(Vec::new());
    }
    let parts = table.get_ranges(&file.path, &ranges).await?;
    let parts = parts.ok_or_else(|| MergeError::Gone { path: table.shown(&file.path) })?;
    Ok(ranges.into_iter().map(|range| range.start).zip(parts).collect())
}

/// Reads a file's footer.
pub(super) async fn read_metadata(table: &TableStore, file: &DataFile) -> Result<ParquetMetaData, MergeError> {
    let damaged = |source| MergeError::Parquet { path: file.path.clone(), source };
    let mut length = TAIL.min(file.bytes);
    loop {
        let tail = read_parts(table, file, std::iter::once(file.bytes - length..file.bytes).collect()).await?;
        let tail = tail.into_iter().next().map(|(_, bytes)| bytes).unwrap_or_default();
        match read_tail(&tail, file.bytes).map_err(damaged)? {
            Tail::Footer(metadata) => return Ok(metadata),
            Tail::Needs(needed) => length = needed,
        }
    }
}

/// A footer that was found to fit the table's schema.
#[derive(Clone)]
pub(super) struct Footer {
    pub(super) metadata: ArrowReaderMetadata,
}

impl Footer {
    /// `schema` is that of the table's files.
    pub(super) fn new(metadata: ParquetMetaData, schema: &SchemaRef) -> ParquetResult<Self> {
        let options = ArrowReaderOptions::new().with_schema(SchemaRef::clone(schema));
        Ok(Self { metadata: ArrowReaderMetadata::try_new(metadata.into(), options)? })
    }

    pub(super) fn rows(&self) -> usize {
        usize::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    pub(super) fn row_groups(&self) -> &[RowGroupMetaData] {
        self.metadata.metadata().row_groups()
    }

    /// The ranges of these columns in each row group; what has no statistics has no range.
    pub(super) fn ranges(&self, columns: &[&str]) -> Vec<Vec<KeyRange>> {
        let mut ranges = vec![Vec::new(); self.row_groups().len()];
        for column in columns {
            // A column without statistics, or of a type that has none, rules nothing out.
            let found = self.column_ranges(column).unwrap_or_default();
            ranges.iter_mut().zip(found).for_each(|(group, range)| group.extend(range));
        }
        ranges
    }

    fn column_ranges(&self, column: &str) -> ParquetResult<Vec<Option<KeyRange>>> {
        let parquet = self.metadata.parquet_schema();
        let statistics = StatisticsConverter::try_new(column, self.metadata.schema(), parquet)?;
        let statistics = statistics.with_missing_null_counts_as_zero(false);
        let low = statistics.row_group_mins(self.row_groups())?;
        let high = statistics.row_group_maxes(self.row_groups())?;
        let nulls = statistics.row_group_null_counts(self.row_groups())?;
        let range = |(group, metadata): (usize, &RowGroupMetaData)| {
            let nulls = (!nulls.is_null(group)).then(|| nulls.value(group));
            let rows = u64::try_from(metadata.num_rows()).ok();
            group_range(column, &low.slice(group, 1), &high.slice(group, 1), nulls, rows)
        };
        Ok(self.row_groups().iter().enumerate().map(range).collect())
    }
}

fn group_range(
    column: &str,
    low: &ArrayRef,
    high: &ArrayRef,
    nulls: Option<u64>,
    rows: Option<u64>,
) -> Option<KeyRange> {
    if nulls.is_some() && nulls == rows {
        return Some(KeyRange { column: column.to_owned(), values: None, has_null: true });
    }
    range_between(column, low, high, nulls != Some(0))
}

/// Parts of a file, for readers that ask for no others.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    size: u64,
    /// By offset.
    parts: Vec<(u64, Bytes)>,
}

impl Parts {
    pub(super) fn new(size: u64, parts: Vec<(u64, Bytes)>) -> Self {
        Self { size, parts }
    }

    /// All that is known from `start` on.
    fn from(&self, start: u64) -> ParquetResult<Bytes> {
        let found = self.parts.iter().find_map(|(offset, bytes)| {
            let skipped = usize::try_from(start.checked_sub(*offset)?).ok()?;
            (skipped < bytes.len()).then(|| bytes.slice(skipped..))
        });
        found.ok_or_else(|| ParquetError::EOF(format!("the file was not read at byte {start}")))
    }
}

impl Length for Parts {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Parts {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let known = self.from(start)?;
        if known.len() < length {
            return Err(ParquetError::EOF(format!("the file was not read at byte {}", start + known.len() as u64)));
        }
        Ok(known.slice(..length))
    }
}
