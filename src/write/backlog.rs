//! Rows that wait until their partition has enough of them to be worth an encoder call.
//!
//! They stay in the grouped strides they came in, and a partition knows its stretches of them: thousands of partitions with a
//! few rows each cost a few words apiece, not a set of Arrow arrays. A stride is held until its last row is taken;
//! [`Backlog::compact`] gathers what is left of many into one.

use std::collections::BTreeMap;

use arrow::{
    array::UInt32Array,
    compute::{concat_batches, take_record_batch},
    datatypes::SchemaRef,
    error::ArrowError,
    record_batch::RecordBatch,
};

use super::{
    partition::{Grouped, PartitionId, Span},
    stride::{Stride, batch_weight},
};

pub(super) struct Backlog {
    schema: SchemaRef,
    runs: BTreeMap<u64, Run>,
    next_run: u64,
    waiting: BTreeMap<PartitionId, Waiting>,
    /// Bytes of all rows in `runs`.
    held: usize,
    /// Bytes of those that still wait.
    live: usize,
}

/// A grouped stride, or what was gathered of several.
struct Run {
    rows: RecordBatch,
    ids: Vec<u64>,
    weight: usize,
    /// Rows not taken yet.
    left: usize,
}

/// The waiting rows of a partition, in order of arrival.
#[derive(Default)]
struct Waiting {
    stretches: Vec<Stretch>,
    rows: usize,
    weight: usize,
}

#[derive(Clone, Copy)]
struct Stretch {
    run: u64,
    start: usize,
    length: usize,
    weight: usize,
}

impl Backlog {
    pub(super) fn new(schema: SchemaRef) -> Self {
        Self { schema, runs: BTreeMap::new(), next_run: 0, waiting: BTreeMap::new(), held: 0, live: 0 }
    }

    /// Bytes of memory, rows that are gone but not freed included.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Bytes of the rows that wait.
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// Partitions that wait, with their bytes.
    pub(super) fn partitions(&self) -> impl Iterator<Item = (PartitionId, usize)> {
        self.waiting.iter().map(|(&partition, waiting)| (partition, waiting.weight))
    }

    pub(super) fn rows(&self, partition: PartitionId) -> usize {
        self.waiting.get(&partition).map_or(0, |waiting| waiting.rows)
    }

    pub(super) fn add(&mut self, grouped: Grouped) {
        let run = self.next_run;
        self.next_run += 1;
        let mut weight = 0;
        for span in &grouped.spans {
            let stretch = Stretch {
                run,
                start: span.start,
                length: span.length,
                weight: batch_weight(&grouped.rows, span.start, span.length),
            };
            weight += stretch.weight;
            self.waiting.entry(span.partition).or_default().push(stretch);
        }
        self.held += weight;
        self.live += weight;
        let left = grouped.ids.len();
        self.runs.insert(run, Run { rows: grouped.rows, ids: grouped.ids, weight, left });
    }

    /// Takes the partition's first rows, at most so many, in order of arrival.
    pub(super) fn take(&mut self, partition: PartitionId, most: usize) -> Result<Option<Stride>, ArrowError> {
        let Some(waiting) = self.waiting.get_mut(&partition) else { return Ok(None) };
        let (mut parts, mut ids, mut taken) = (Vec::new(), Vec::new(), Vec::new());
        while ids.len() < most && !waiting.stretches.is_empty() {
            let mut stretch = waiting.stretches.remove(0);
            let Some(run) = self.runs.get(&stretch.run) else { continue };
            if let Some(rest) = stretch.split_off(most - ids.len(), &run.rows) {
                waiting.stretches.insert(0, rest);
            }
            parts.push(run.rows.slice(stretch.start, stretch.length));
            ids.extend(run.ids.iter().skip(stretch.start).take(stretch.length));
            taken.push(stretch);
        }
        waiting.forget(&taken);
        if waiting.stretches.is_empty() {
            self.waiting.remove(&partition);
        }
        taken.iter().for_each(|stretch| self.release(*stretch));
        let rows = match parts.as_slice() {
            [] => return Ok(None),
            [single] => single.clone(),
            parts => concat_batches(&self.schema, parts)?,
        };
        Ok(Some(Stride { rows, ids }))
    }

    /// Gathers the rows that wait into one run, so that those taken are freed.
    pub(super) fn compact(&mut self) -> Result<(), ArrowError> {
        if self.runs.len() < 2 && self.held == self.live {
            return Ok(());
        }
        let mut starts = BTreeMap::new();
        let (mut parts, mut ids, mut rows) = (Vec::new(), Vec::new(), 0);
        for (number, run) in std::mem::take(&mut self.runs) {
            starts.insert(number, rows);
            rows += run.rows.num_rows();
            parts.push(run.rows);
            ids.extend(run.ids);
        }
        let (mut order, mut spans) = (Vec::new(), Vec::new());
        for (partition, waiting) in std::mem::take(&mut self.waiting) {
            spans.push(Span { partition, start: order.len(), length: waiting.rows });
            for stretch in waiting.stretches {
                let start = starts.get(&stretch.run).copied().unwrap_or(0) + stretch.start;
                order.extend(start..start + stretch.length);
            }
        }
        let all = concat_batches(&self.schema, &parts)?;
        drop(parts);
        let indices = UInt32Array::from_iter_values(order.iter().map(|&row| row as u32));
        let rows = take_record_batch(&all, &indices)?;
        let ids = order.iter().filter_map(|&row| ids.get(row).copied()).collect();
        (self.held, self.live) = (0, 0);
        if !spans.is_empty() {
            self.add(Grouped { rows, ids, spans });
        }
        Ok(())
    }

    fn release(&mut self, stretch: Stretch) {
        self.live -= stretch.weight;
        let Some(run) = self.runs.get_mut(&stretch.run) else { return };
        run.left -= stretch.length;
        if run.left == 0 {
            self.held -= run.weight;
            self.runs.remove(&stretch.run);
        }
    }
}

impl Waiting {
    fn push(&mut self, stretch: Stretch) {
        self.rows += stretch.length;
        self.weight += stretch.weight;
        self.stretches.push(stretch);
    }

    fn forget(&mut self, taken: &[Stretch]) {
        self.rows -= taken.iter().map(|stretch| stretch.length).sum::<usize>();
        self.weight -= taken.iter().map(|stretch| stretch.weight).sum::<usize>();
    }
}

impl Stretch {
    /// Shortens to `length` rows and returns the others, if there are any.
    fn split_off(&mut self, length: usize, rows: &RecordBatch) -> Option<Self> {
        if self.length <= length {
            return None;
        }
        let kept = batch_weight(rows, self.start, length);
        let rest = Self {
            run: self.run,
            start: self.start + length,
            length: self.length - length,
            weight: self.weight - kept,
        };
        (self.length, self.weight) = (length, kept);
        Some(rest)
    }
}
