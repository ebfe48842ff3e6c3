//! Splits strides by partition: the rows of one partition together, in order of arrival, without the columns that the
//! directory holds.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, UInt32Array, new_null_array},
    compute::{take, take_record_batch},
    datatypes::{DataType, Schema, SchemaRef},
    error::ArrowError,
    record_batch::RecordBatch,
    row::{RowConverter, SortField},
};

use super::{
    WriteError,
    hive::{self, NameError},
    literal,
    stride::Stride,
    transform,
};
use crate::{
    model::PartitionKey,
    plan::{PartitionField, Transform},
    schema::{ColumnType, TableSchema},
    secret::shortened,
};

/// A partition, by order of first appearance.
pub(super) type PartitionId = usize;

/// The directory of a partition's files, and its values.
#[derive(Clone, Debug)]
pub(super) struct Partition {
    /// With a slash at its end; empty in a table without partitions.
    pub(super) directory: String,
    pub(super) key: PartitionKey,
}

/// Rows of one partition within a [`Grouped`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) partition: PartitionId,
    pub(super) start: usize,
    pub(super) length: usize,
}

/// A stride in order of its partitions.
#[derive(Debug)]
pub(super) struct Grouped {
    /// The columns that files have.
    pub(super) rows: RecordBatch,
    pub(super) ids: Vec<u64>,
    /// One for each partition of the stride, adjoining, in order of the partitions' first appearance.
    pub(super) spans: Vec<Span>,
}

pub(super) struct Partitioner {
    levels: Vec<Level>,
    /// Indexes of the table's columns that files have.
    kept: Vec<usize>,
    converter: RowConverter,
    known: HashMap<Box<[u8]>, PartitionId>,
    partitions: Vec<Partition>,
}

/// One directory level.
struct Level {
    field: PartitionField,
    column: String,
    data_type: ColumnType,
}

impl Partitioner {
    pub(super) fn new(schema: &TableSchema, partition_by: &[PartitionField]) -> Result<Self, WriteError> {
        let levels = partition_by.iter().map(|field| Level::new(schema, field)).collect::<Result<Vec<_>, _>>()?;
        let types = levels.iter().map(|level| level.value_type().map(SortField::new)).collect::<Result<Vec<_>, _>>()?;
        let root = Partition { directory: String::new(), key: Vec::new() };
        Ok(Self {
            kept: file_columns(schema, partition_by),
            converter: RowConverter::new(types)?,
            known: HashMap::new(),
            partitions: if levels.is_empty() { vec![root] } else { Vec::new() },
            levels,
        })
    }

    pub(super) fn partition(&self, id: PartitionId) -> Option<&Partition> {
        self.partitions.get(id)
    }

    /// The directory of a partition; orders partitions where their numbers are equal.
    pub(super) fn directory(&self, id: PartitionId) -> &str {
        self.partition(id).map_or("", |partition| &partition.directory)
    }

    pub(super) fn split(&mut self, stride: Stride) -> Result<Grouped, WriteError> {
        if self.levels.is_empty() {
            let span = Span { partition: 0, start: 0, length: stride.ids.len() };
            return Ok(Grouped { rows: stride.rows, ids: stride.ids, spans: vec![span] });
        }
        let members = self.members(&stride)?;
        let rows = stride.rows.project(&self.kept)?;
        let mut order: Vec<(PartitionId, u32)> = members.into_iter().zip(0..).collect();
        if order.is_sorted() {
            return Ok(Grouped { rows, ids: stride.ids, spans: spans_of(&order) });
        }
        // Pairs of partition and row are all different: this keeps the order of arrival within a partition.
        order.sort_unstable();
        let ids = order.iter().filter_map(|&(_, row)| stride.ids.get(row as usize).copied()).collect();
        let spans = spans_of(&order);
        let indices = UInt32Array::from_iter_values(order.into_iter().map(|(_, row)| row));
        Ok(Grouped { rows: take_record_batch(&rows, &indices)?, ids, spans })
    }

    /// The partition of each row.
    fn members(&mut self, stride: &Stride) -> Result<Vec<PartitionId>, WriteError> {
        let values = self.levels.iter().map(|level| level.values(&stride.rows)).collect::<Result<Vec<_>, _>>()?;
        let keys = self.converter.convert_columns(&values)?;
        let mut members = Vec::with_capacity(stride.ids.len());
        let mut last: Option<(&[u8], PartitionId)> = None;
        for (row, id) in stride.ids.iter().enumerate() {
            let key = keys.row(row).data();
            let partition = match last {
                // Rows of one partition often come in a row.
                Some((before, partition)) if before == key => partition,
                _ => match self.known.get(key) {
                    Some(partition) => *partition,
                    None => self.register(key, &values, row, *id)?,
                },
            };
            last = Some((key, partition));
            members.push(partition);
        }
        Ok(members)
    }

    fn register(&mut self, key: &[u8], values: &[ArrayRef], row: usize, id: u64) -> Result<PartitionId, WriteError> {
        let mut partition = Partition { directory: String::new(), key: Vec::new() };
        for (level, values) in self.levels.iter().zip(values) {
            let value = literal::text(level.field.transform, values, row)?;
            let name = hive::directory(&level.field.key, value.as_deref());
            partition.directory.push_str(&name.map_err(|error| level.name_error(error, id, value.as_deref()))?);
            partition.directory.push('/');
            partition.key.push((level.field.key.clone(), value));
        }
        let number = self.partitions.len();
        self.partitions.push(partition);
        self.known.insert(key.into(), number);
        Ok(number)
    }
}

impl Level {
    fn new(schema: &TableSchema, field: &PartitionField) -> Result<Self, WriteError> {
        let column = schema.columns.get(field.column).ok_or(WriteError::NoColumn { index: field.column })?;
        if !transform::applies(field.transform, &column.data_type) {
            let data_type = column.data_type.to_string();
            return Err(WriteError::Transform { column: column.name.clone(), key: field.key.clone(), data_type });
        }
        Ok(Self { field: field.clone(), column: column.name.clone(), data_type: column.data_type.clone() })
    }

    /// The Arrow type of [`values`](Self::values).
    fn value_type(&self) -> Result<DataType, ArrowError> {
        let empty = arrow::array::new_empty_array(&self.data_type.to_arrow());
        Ok(transform::apply(self.field.transform, &self.data_type, &empty)?.data_type().clone())
    }

    fn values(&self, rows: &RecordBatch) -> Result<ArrayRef, WriteError> {
        let column = rows.columns().get(self.field.column).ok_or(WriteError::NoColumn { index: self.field.column })?;
        Ok(transform::apply(self.field.transform, &self.data_type, column)?)
    }

    fn name_error(&self, error: NameError, row: u64, value: Option<&str>) -> WriteError {
        let column = self.column.clone();
        match error {
            NameError::Empty => WriteError::EmptyPartition { column, row },
            NameError::Reserved => WriteError::ReservedPartition { column, row },
            NameError::TooLong(bytes) => {
                let start = shortened(value.unwrap_or_default(), 40);
                WriteError::LongPartition { column, row, bytes, start }
            }
        }
    }
}

fn spans_of(order: &[(PartitionId, u32)]) -> Vec<Span> {
    let mut start = 0;
    let mut spans = Vec::new();
    for group in order.chunk_by(|(a, _), (b, _)| a == b) {
        let length = group.len();
        spans.extend(group.first().map(|&(partition, _)| Span { partition, start, length }));
        start += length;
    }
    spans
}

/// Returns the indexes of the columns in data files: those whose exact value is not in the directory name.
pub fn file_columns(schema: &TableSchema, partition_by: &[PartitionField]) -> Vec<usize> {
    let told = |index| partition_by.iter().any(|field| field.column == index && field.transform == Transform::Identity);
    (0..schema.columns.len()).filter(|&index| !told(index)).collect()
}

/// Restores a partition column: `rows` times the value in the directory name.
///
/// # Errors
/// A field without such a column, and a text that is no value of the column's type.
pub fn partition_values(
    schema: &TableSchema,
    field: &PartitionField,
    value: Option<&str>,
    rows: usize,
) -> Result<ArrayRef, WriteError> {
    let column = schema.columns.get(field.column).ok_or(WriteError::NoColumn { index: field.column })?;
    let data_type = column.data_type.to_arrow();
    let Some(value) = value else { return Ok(new_null_array(&data_type, rows)) };
    let unreadable = || WriteError::PartitionValue { column: column.name.clone(), value: value.to_owned() };
    let single = literal::parse(&data_type, value).ok_or_else(unreadable)?;
    Ok(take(&single, &UInt32Array::from(vec![0; rows]), None)?)
}

/// The Arrow schema of some of a table's columns.
pub(super) fn arrow_schema(schema: &TableSchema, columns: &[usize]) -> SchemaRef {
    let fields: Vec<_> = columns
        .iter()
        .filter_map(|&index| schema.columns.get(index))
        .map(super::super::schema::model::Column::to_arrow)
        .collect();
    Arc::new(Schema::new(fields))
}
