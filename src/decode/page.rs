//! One page: its records into builders, and the contract's verdict on what did not fit.

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, RecordBatch, RecordBatchOptions},
    compute::FilterBuilder,
    datatypes::{DataType, FieldRef},
    error::ArrowError,
};

use super::{
    DecodeError, Decoder,
    builder::{BoxedBuilder, Builder, build},
    convert::json::survives_doubles,
    finding::{Expected, Finding, Findings, Misfit, Step, Subject, path, shown},
    source::{Slot, Sources},
    undeclared::Undeclared,
};
use crate::{
    json::{Kind, Node},
    model::{Batch, Page, Reject, Sequence},
    schema::{ColumnsContract, DataTypeContract, Inferred, Source, change::widened},
};

/// So many rejects of one row carry the record; a record of a million bad values would be kept a million times else.
const RECORDS_KEPT: usize = 16;

/// One part in so many of what a page may take is what a single value may: a writer holds several copies of the longest one
/// (its dictionary, the least and the greatest value, what is compressed).
const LARGEST_VALUE: usize = 3;

/// Values between two looks at the memory that rows take.
const VALUES_PER_LOOK: usize = 1 << 16;

/// The consequence of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The run fails.
    Freeze,
    /// The row is taken out.
    DiscardRow,
    /// The value has become null.
    DiscardValue,
}

struct PageDecoder<'a> {
    decoder: &'a Decoder,
    page: &'a Page,
    sources: Sources<'a>,
    slots: Vec<Slot<'a>>,
    builders: Vec<BoxedBuilder<'a>>,
    /// Findings of the current record.
    findings: Findings<'a>,
    /// For each record, true if its row stays.
    kept: BooleanBufferBuilder,
    undeclared: Undeclared<'a>,
    /// Records between two looks at the memory.
    look: usize,
    rejects: Vec<Reject>,
    reject_bytes: usize,
    rows_rejected: u64,
    values_discarded: u64,
}

pub(super) fn decode<'a>(decoder: &'a Decoder, page: &'a Page) -> Result<Batch, DecodeError> {
    let mut rows = PageDecoder::new(decoder, page);
    if let Some(index) = page.records {
        let records = page.document.node(index);
        match records.kind() {
            Kind::Array => records.items().try_for_each(|record| rows.push(record))?,
            _ => rows.push(records)?,
        }
    }
    rows.finish()
}

impl<'a> PageDecoder<'a> {
    fn new(decoder: &'a Decoder, page: &'a Page) -> Self {
        // A page of very many very small records is no reason to reserve many times its size.
        let rows = usize::try_from(page.count).unwrap_or(0).min(page.document.bytes().len() / 64 + 1);
        let columns = decoder.columns.iter().zip(&decoder.layouts);
        Self {
            decoder,
            page,
            sources: Sources::new(&decoder.columns),
            slots: vec![Slot::Missing; decoder.columns.len()],
            builders: columns.map(|(column, layout)| build(&column.data_type, layout, rows)).collect(),
            findings: Findings::within(page.most()),
            kept: BooleanBufferBuilder::new(rows),
            undeclared: Undeclared::within(decoder.most_undeclared),
            look: (VALUES_PER_LOOK / decoder.columns.len().max(1)).max(1),
            rejects: Vec::new(),
            reject_bytes: 0,
            rows_rejected: 0,
            values_discarded: 0,
        }
    }

    fn push(&mut self, record: Node<'a>) -> Result<(), DecodeError> {
        match record.kind() {
            Kind::Object => self.append(record),
            _ => self.append_nothing(record),
        }
        self.check_memory()?;
        let kept = self.findings.len() == 0 || self.judge(record)?;
        self.undeclared.end_record(kept);
        self.kept.append(kept);
        Ok(())
    }

    /// Looks at the memory once in so many values: of a record that is `{}`, a row takes many times its size.
    #[inline]
    fn check_memory(&mut self) -> Result<(), DecodeError> {
        let most = self.page.most();
        let is_time = self.kept.len().is_multiple_of(self.look);
        let rows = || self.builders.iter().map(|builder| builder.memory()).sum();
        if self.findings.is_full(0) || self.reject_bytes > most || is_time && self.findings.is_full(rows()) {
            let (resource, page) = (self.decoder.resource.clone(), self.page.number);
            return Err(DecodeError::Memory { resource, page, rows: self.page.count, limit: most });
        }
        Ok(())
    }

    fn append(&mut self, record: Node<'a>) {
        let contract = self.decoder.contract.columns;
        let (findings, undeclared) = (&mut self.findings, &mut self.undeclared);
        self.sources.fill(record, &mut self.slots, |key, value| match contract {
            ColumnsContract::DiscardValue => {}
            ColumnsContract::Evolve => undeclared.push(key, value),
            ColumnsContract::DiscardRow | ColumnsContract::Freeze if value.kind() == Kind::Null => {}
            ColumnsContract::DiscardRow | ColumnsContract::Freeze => {
                let name = String::from_utf8_lossy(key.raw());
                let name = key.text().unwrap_or(name);
                findings.push(finding(Subject::Undeclared, vec![Step::Key(name)], Some(value), Misfit::Undeclared));
            }
        });
        for column in 0..self.builders.len() {
            self.append_column(column);
        }
    }

    #[inline]
    fn append_column(&mut self, column: usize) {
        let is_filled = self.is_filled(column);
        let (Some(builder), Some(slot)) = (self.builders.get_mut(column), self.slots.get(column)) else { return };
        let is_null = match *slot {
            Slot::Missing => {
                builder.append_null();
                true
            }
            Slot::Found(value) if value.raw() == br#""""# && is_filled => {
                builder.append_null();
                self.findings.push(self.column_finding(column, Some(value), Misfit::EmptyPartition));
                false
            }
            Slot::Found(value) => {
                let before = self.findings.len();
                builder.append(value, &mut self.findings);
                self.findings.attribute(before, column);
                let is_null = value.kind() == Kind::Null;
                if self.findings.len() > before {
                    self.rule_misfits(before, column, value);
                } else if !is_null {
                    self.tell_first_value(column, value);
                }
                is_null
            }
            Slot::Blocked(value, depth) => {
                builder.append_null();
                let blocked = finding(Subject::Column(column), Vec::new(), Some(value), Misfit::NotAnObject);
                self.findings.push(Finding { depth, ..blocked });
                false
            }
        };
        if is_null && self.is_required(column) {
            self.findings.push(self.column_finding(column, None, Misfit::Null));
        }
    }

    /// The column held no value yet.
    #[inline]
    fn tell_first_value(&mut self, column: usize, value: Node<'a>) {
        if let Some(Source::Unseen(key)) = self.decoder.columns.get(column).map(|column| &column.source) {
            self.undeclared.push_within(key, value);
        }
    }

    /// A value that its column's type does not hold. It may make the type wider where that was inferred; fields within a
    /// column that nobody declared fall under the contract for columns, as the record's own do.
    #[cold]
    fn rule_misfits(&mut self, first: usize, index: usize, value: Node<'a>) {
        let Some(column) = self.decoder.columns.get(index) else { return };
        let Some(key) = column.source.inferred() else { return };
        let is_open = self.decoder.open.get(index).copied().unwrap_or(false);
        let seen = || Inferred::of(value).column_type();
        if is_open && seen().is_some_and(|seen| widened(&column.data_type, &seen) != column.data_type) {
            // Decoded again with the wider type, which finds whatever does not fit that either.
            self.findings.truncate(first);
            self.undeclared.push_within(key, value);
            return;
        }
        match self.decoder.contract.columns {
            ColumnsContract::DiscardValue => _ = self.findings.forget_unknown(first),
            ColumnsContract::Evolve if self.findings.forget_unknown(first) => {
                self.undeclared.push_within(key, value);
            }
            ColumnsContract::Evolve => {}
            ColumnsContract::DiscardRow | ColumnsContract::Freeze => self.findings.locate_unknown(first, key),
        }
    }

    fn is_required(&self, column: usize) -> bool {
        self.decoder.required.get(column).copied().unwrap_or(false)
    }

    fn is_filled(&self, column: usize) -> bool {
        self.decoder.filled.get(column).copied().unwrap_or(false)
    }

    /// Returns a finding for the whole value of a column, regardless of its type.
    #[cold]
    fn column_finding(&self, column: usize, found: Option<Node<'a>>, misfit: Misfit) -> Finding<'a> {
        let expected =
            self.decoder.columns.get(column).map_or(Expected::Object, |column| Expected::Type(&column.data_type));
        Finding { expected, ..finding(Subject::Column(column), Vec::new(), found, misfit) }
    }

    fn append_nothing(&mut self, record: Node<'a>) {
        self.builders.iter_mut().for_each(|builder| builder.append_null());
        self.findings.push(finding(Subject::Record, Vec::new(), Some(record), Misfit::NotARecord));
    }

    /// Returns true if the row stays. Its findings become rejects, or the error that stops the run.
    fn judge(&mut self, record: Node<'a>) -> Result<bool, DecodeError> {
        let findings = self.findings.take();
        let of = |verdict| findings.as_slice().iter().find(|finding| self.verdict(finding) == verdict);
        if let Some(finding) = of(Verdict::Freeze) {
            return Err(self.failure(finding, record));
        }
        if let Some(finding) = of(Verdict::DiscardRow) {
            let row = as_value(record);
            self.push_reject(finding, row);
            self.rows_rejected += 1;
            return Ok(false);
        }
        self.discard_values(&findings, record);
        Ok(true)
    }

    fn discard_values(&mut self, findings: &Findings<'a>, record: Node<'a>) {
        let row = as_value(record);
        for (index, finding) in findings.as_slice().iter().enumerate() {
            let row = if index < RECORDS_KEPT { row.clone() } else { serde_json::Value::Null };
            self.push_reject(finding, row);
            self.values_discarded += 1;
        }
    }

    fn push_reject(&mut self, finding: &Finding<'_>, row: serde_json::Value) {
        let reject = self.reject(finding, row);
        self.reject_bytes += reject.memory();
        self.rejects.push(reject);
    }

    fn verdict(&self, finding: &Finding<'_>) -> Verdict {
        let contract = self.decoder.contract;
        match (finding.subject, contract.columns, contract.data_type) {
            (Subject::Undeclared, ColumnsContract::Freeze, _) => Verdict::Freeze,
            (Subject::Undeclared, ..) => Verdict::DiscardRow,
            (_, _, DataTypeContract::Freeze) => Verdict::Freeze,
            (_, _, DataTypeContract::DiscardRow) | (Subject::Record, ..) => Verdict::DiscardRow,
            // Only a value in the depth of a column can become null without the column being null.
            (Subject::Column(column), ..) if finding.steps.is_empty() && self.is_required(column) => {
                Verdict::DiscardRow
            }
            (Subject::Column(_), _, DataTypeContract::DiscardValue) => Verdict::DiscardValue,
        }
    }

    fn failure(&self, finding: &Finding<'_>, record: Node<'_>) -> DecodeError {
        let reject = Box::new(self.reject(finding, as_value(record)));
        match finding.subject {
            Subject::Undeclared => DecodeError::UndeclaredField(reject),
            _ => DecodeError::Mismatch(reject),
        }
    }

    fn reject(&self, finding: &Finding<'_>, row: serde_json::Value) -> Reject {
        let path = self.path(finding);
        let column = match finding.subject {
            Subject::Column(index) => self.decoder.columns.get(index).map(|column| column.name.clone()),
            _ => None,
        };
        Reject {
            resource: self.decoder.resource.clone(),
            page: self.page.number,
            record: self.record_number(),
            column: column.unwrap_or_else(|| path.clone()),
            path,
            expected: finding.expected.to_string(),
            found: shown(finding.found),
            reason: finding.misfit.to_string(),
            row,
        }
    }

    /// Returns the number of the current record in the page as received.
    fn record_number(&self) -> u64 {
        let index = self.kept.len();
        let number = self.page.numbers.as_ref().and_then(|numbers| numbers.get(index)).copied();
        number.unwrap_or(index as u64 + 1)
    }

    fn path(&self, finding: &Finding<'_>) -> String {
        let source = match finding.subject {
            Subject::Column(index) => self.decoder.columns.get(index).map(|column| &column.source),
            _ => None,
        };
        let keys = match source {
            Some(Source::Path(keys)) => keys.as_slice(),
            Some(Source::Evolved(key) | Source::Unseen(key)) => std::slice::from_ref(key),
            _ => &[],
        };
        path(keys.iter().map(String::as_str).take(finding.depth), &finding.steps)
    }

    fn finish(mut self) -> Result<Batch, DecodeError> {
        let fetched = self.kept.len();
        let kept = BooleanArray::new(self.kept.finish(), None);
        let schema = self.decoder.schema();
        let columns = self.builders.into_iter().map(Builder::finish).collect::<Result<Vec<_>, _>>();
        let rows_rejected = self.rows_rejected;
        let rows = columns.and_then(|columns| filter(columns, &kept, rows_rejected > 0)).and_then(|columns| {
            let options = RecordBatchOptions::new().with_row_count(Some(kept.true_count()));
            RecordBatch::try_new_with_options(schema, columns, &options)
        });
        let rows = rows.map_err(|source| DecodeError::Batch {
            resource: self.decoder.resource.clone(),
            page: self.page.number,
            source,
        })?;
        if let Some((column, bytes)) = too_large(&rows, self.page.most() / LARGEST_VALUE) {
            let (resource, page, limit) =
                (self.decoder.resource.clone(), self.page.number, self.page.most() / LARGEST_VALUE);
            return Err(DecodeError::LargeValue { resource, page, column, bytes, limit });
        }
        let unprocessed = self.page.rejects.len() as u64;
        let mut rejects = self.page.rejects.clone();
        rejects.append(&mut self.rejects);
        rejects.sort_by_key(|reject| reject.record);
        Ok(Batch {
            page: self.page.number,
            sequence: Sequence { list: self.page.list, pass: self.page.pass },
            repeats: usize::try_from(self.page.repeats).unwrap_or(usize::MAX).min(rows.num_rows()),
            rows,
            rejects,
            undeclared: self.undeclared.finish(),
            rows_fetched: fetched as u64 + self.page.filtered + self.page.duplicates + unprocessed,
            rows_filtered: self.page.filtered,
            rows_duplicate: self.page.duplicates,
            rows_rejected: rows_rejected + unprocessed,
            values_discarded: self.values_discarded,
        })
    }
}

/// A column with a value of more than `most` bytes, and its size.
fn too_large(rows: &RecordBatch, most: usize) -> Option<(String, usize)> {
    let schema = rows.schema_ref();
    let of = |(field, array): (&FieldRef, _)| {
        Some((field.name().clone(), longest(array))).filter(|(_, bytes)| *bytes > most)
    };
    schema.fields().iter().zip(rows.columns()).find_map(of)
}

/// Bytes of the longest text in an array, however deep in it.
fn longest(array: &ArrayRef) -> usize {
    let of = |offsets: &[i32]| offsets.windows(2).map(|ends| (ends[1] - ends[0]) as usize).max().unwrap_or(0);
    match array.data_type() {
        DataType::Utf8 => of(array.as_string::<i32>().value_offsets()),
        DataType::Binary => of(array.as_binary::<i32>().value_offsets()),
        DataType::List(_) => longest(array.as_list::<i32>().values()),
        DataType::Struct(_) => array.as_struct().columns().iter().map(longest).max().unwrap_or(0),
        DataType::Map(..) => array.as_map().entries().columns().iter().map(longest).max().unwrap_or(0),
        _ => 0,
    }
}

/// Returns the rows that stay. A batch would reject the nulls of the other rows, so they are removed before it is created.
fn filter(columns: Vec<ArrayRef>, kept: &BooleanArray, any_rejected: bool) -> Result<Vec<ArrayRef>, ArrowError> {
    if !any_rejected {
        return Ok(columns);
    }
    let filter = FilterBuilder::new(kept).optimize().build();
    columns.iter().map(|column| filter.filter(column)).collect()
}

#[cold]
fn finding<'a>(subject: Subject, steps: Vec<Step<'a>>, found: Option<Node<'a>>, misfit: Misfit) -> Finding<'a> {
    let expected = if subject == Subject::Undeclared { Expected::NoColumn } else { Expected::Object };
    Finding { subject, steps, depth: usize::MAX, expected, found, misfit }
}

/// The record as JSON; as text where it is not JSON, or where it would lose digits of its numbers.
fn as_value(record: Node<'_>) -> serde_json::Value {
    let text = || serde_json::Value::String(String::from_utf8_lossy(record.raw()).into_owned());
    if !survives_doubles(record) {
        return text();
    }
    serde_json::from_slice(record.raw()).unwrap_or_else(|_| text())
}
