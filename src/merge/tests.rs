//! Merges into a table in memory, and the same ones into a plain list of rows.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray},
    compute::cast,
    datatypes::{DataType, Int64Type},
};
use object_store::{memory::InMemory, path::Path};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::*;
use crate::{
    keys::KeySet,
    model::{DataFile, EncodedFile},
    plan::{Compression, MergePlan, MergeStrategy, ParquetPlan, PartitionField, Scd2Plan, Transform},
    schema::{Column, LoadColumn, Source, TableSchema},
    store::{Store, TableStore},
    write::{Change, TableWriter, WriteOptions, partition_values, renamed, rewrite, rewrite_with},
};

const ID: usize = 0;
const GROUP: usize = 1;
const PART: usize = 2;
const DELETED: usize = 4;
const VALID_FROM: usize = 5;
const VALID_TO: usize = 6;

/// A record of the API.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Record {
    id: i64,
    group: Option<i64>,
    part: &'static str,
    value: i64,
    deleted: bool,
}

/// A row of the table: a record, and from when to when it holds.
type Row = (Record, Option<i64>, Option<i64>);

fn record(id: i64, group: i64, part: &'static str, value: i64) -> Record {
    Record { id, group: Some(group), part, value, deleted: false }
}

fn schema() -> TableSchema {
    let column = |name: &str, data_type: &str, source| Column {
        name: name.to_owned(),
        source,
        data_type: data_type.parse().unwrap(),
        nullable: true,
        format: None,
    };
    let field = |name: &str, data_type: &str| column(name, data_type, Source::Path(vec![name.to_owned()]));
    TableSchema {
        columns: vec![
            field("id", "int64"),
            field("group", "int64"),
            field("part", "string"),
            field("value", "int64"),
            field("deleted", "bool"),
            column("valid_from", "timestamp", Source::Load(LoadColumn::ValidFrom)),
            column("valid_to", "timestamp", Source::Load(LoadColumn::ValidTo)),
        ],
    }
}

/// The layout of a table.
#[derive(Clone, Debug, Default)]
struct Layout {
    partition_by: Vec<(usize, Option<u32>)>,
    sort_by: Vec<usize>,
    bloom_filter: Vec<usize>,
    row_group_rows: Option<usize>,
}

fn options(layout: &Layout, primary_key: &[usize]) -> WriteOptions {
    let field = |&(column, buckets): &(usize, Option<u32>)| PartitionField {
        column,
        transform: buckets.map_or(Transform::Identity, Transform::Bucket),
        key: format!("{}{}", schema().columns[column].name, if buckets.is_some() { "_bucket" } else { "" }),
    };
    WriteOptions {
        schema: schema(),
        partition_by: layout.partition_by.iter().map(field).collect(),
        parquet: ParquetPlan {
            compression: Compression::Snappy,
            target_file_size: 100_000,
            row_group_rows: layout.row_group_rows.unwrap_or(4),
            bloom_filter: layout.bloom_filter.clone(),
            sort_by: layout.sort_by.clone(),
        },
        version: 0,
        position: 0,
        memory: 1 << 24,
        index: true,
        keys: primary_key.iter().copied().chain([GROUP, VALID_TO]).collect(),
        pipeline: "p".to_owned(),
        resource: "r".to_owned(),
    }
}

fn batch(records: &[Record], validity: Option<&Scd2Plan>) -> RecordBatch {
    let whole = |value: fn(&Record) -> Option<i64>| Arc::new(records.iter().map(value).collect::<Int64Array>());
    let moment = |micros: Option<i64>| {
        let numbers: ArrayRef = Arc::new(vec![micros; records.len()].into_iter().collect::<Int64Array>());
        cast(&numbers, schema().to_arrow().field(VALID_TO).data_type()).unwrap()
    };
    let columns: Vec<ArrayRef> = vec![
        whole(|record| Some(record.id)),
        whole(|record| record.group),
        Arc::new(records.iter().map(|record| Some(record.part)).collect::<StringArray>()),
        whole(|record| Some(record.value)),
        Arc::new(records.iter().map(|record| Some(record.deleted)).collect::<BooleanArray>()),
        moment(validity.and_then(|plan| plan.boundary)),
        moment(validity.and_then(|plan| plan.active)),
    ];
    RecordBatch::try_new(schema().to_arrow(), columns).unwrap()
}

/// The merge rules.
#[derive(Clone, Debug)]
struct Rules {
    plan: MergePlan,
    primary_key: Vec<usize>,
}

fn rules(strategy: MergeStrategy, primary_key: &[usize], merge_key: &[usize]) -> Rules {
    let plan = MergePlan { strategy, merge_key: merge_key.to_vec(), ..MergePlan::default() };
    Rules { plan, primary_key: primary_key.to_vec() }
}

fn upsert() -> Rules {
    rules(MergeStrategy::Upsert, &[ID], &[])
}

fn scd2(active: Option<i64>) -> MergeStrategy {
    MergeStrategy::Scd2(Scd2Plan { valid_from: VALID_FROM, valid_to: VALID_TO, active, boundary: None })
}

/// The counters of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    written: u64,
    duplicate: u64,
    filtered: u64,
    unchanged: u64,
    deleted: u64,
}

/// A table in memory.
struct Table {
    rules: Rules,
    options: WriteOptions,
    store: TableStore,
    files: Vec<DataFile>,
}

impl Table {
    fn new(rules: Rules, layout: &Layout) -> Self {
        let store = Store::new(Arc::new(InMemory::new()), Path::default(), "memory");
        let options = options(layout, &rules.primary_key);
        Self { rules, options, store: store.table("t").unwrap(), files: Vec::new() }
    }

    async fn put(&self, file: EncodedFile) -> DataFile {
        let EncodedFile { path, partition, rows, keys, content } = file;
        self.store.put(&path, content.clone()).await.unwrap();
        DataFile { path, rows, bytes: content.len() as u64, sha256: String::new(), partition, keys }
    }

    /// The plan of the next version: every version has another boundary.
    fn plan(&self) -> MergePlan {
        let mut plan = self.rules.plan.clone();
        if let MergeStrategy::Scd2(scd2) = &mut plan.strategy {
            scd2.boundary = Some(self.options.version as i64 * 1000);
        }
        plan
    }

    /// All keys in the order of their first row, the last row of each as its winner.
    fn winners(&self, records: &[Record]) -> Option<(KeySet, Vec<u64>)> {
        if self.rules.primary_key.is_empty() {
            return None;
        }
        let mut keys = KeySet::new(&schema().to_arrow(), &self.rules.primary_key).unwrap();
        let mut slots = Vec::new();
        keys.slots(&batch(records, None), &mut slots).unwrap();
        let mut winners = vec![0; keys.len()];
        (0..).zip(slots).for_each(|(id, slot)| winners[slot as usize] = id);
        Some((keys, winners))
    }

    /// Merges a run that comes in these batches, and returns what was found besides the counts.
    async fn merge(&mut self, batches: &[Vec<Record>], brought: Brought) -> (Counts, Found) {
        self.options.version += 1;
        let plan = self.plan();
        let validity = match &plan.strategy {
            MergeStrategy::Scd2(scd2) => Some(scd2.clone()),
            _ => None,
        };
        let mut collector = Collector::new(&self.options.schema, &plan, &self.rules.primary_key).unwrap();
        let mut writer = TableWriter::new(self.options.clone()).unwrap();
        let (mut files, mut id) = (Vec::new(), 0);
        for records in batches {
            let rows = batch(records, validity.as_ref());
            collector.arrive(&rows).unwrap();
            let sifted = collector.sift(rows, (id..id + records.len() as u64).collect()).unwrap();
            id += records.len() as u64;
            files.extend(writer.write(&sifted.rows, &sifted.ids).unwrap());
        }
        let finished = writer.finish().unwrap();
        files.extend(finished.files);
        let deduplicated = self.winners(&batches.concat());
        let superseded: Vec<u64> = match &deduplicated {
            Some((_, winners)) => (0..id).filter(|id| !winners.contains(id)).collect(),
            None => Vec::new(),
        };
        let duplicate = superseded.len() as u64 + collector.repeated();
        let incoming = Arc::new(collector.finish(deduplicated, superseded).unwrap());
        let partition_by = self.options.partition_by.clone();
        let search = Search::new(self.store.clone(), Arc::clone(&incoming), &partition_by, brought, 1 << 20).unwrap();
        let found = search.run(&self.files).await.unwrap();
        let dropped = incoming.dropped(&found.known);
        for stale in finished.index.stale(&dropped.ids) {
            let file = files.remove(files.iter().position(|file| file.path == stale.path).unwrap());
            files.extend(rewrite(file, &stale.keep, &self.options).unwrap());
        }
        let written = files.iter().map(|file| file.rows).sum();
        self.change(&found, finished.next_sequence).await;
        for file in files.into_iter().filter(|file| file.rows > 0) {
            let file = self.put(file).await;
            self.files.push(file);
        }
        let counts = Counts {
            written,
            duplicate,
            filtered: incoming.filtered(),
            unchanged: dropped.unchanged,
            deleted: found.deleted,
        };
        (counts, found)
    }

    async fn change(&mut self, found: &Found, mut sequence: u64) {
        let mut removed = Vec::new();
        for FileChange { file, change } in &found.changes {
            let old = self.files[*file].clone();
            let new = self.changed(&old, change, sequence).await;
            sequence += 1;
            if let Some(new) = new {
                let new = self.put(new).await;
                self.files.push(new);
            }
            removed.push(old.path);
        }
        self.files.retain(|file| !removed.contains(&file.path));
    }

    async fn changed(&self, old: &DataFile, change: &Change, sequence: u64) -> Option<EncodedFile> {
        let content = self.store.get(&old.path).await.unwrap().unwrap();
        let path = renamed(&old.path, &self.options, sequence);
        let DataFile { partition, rows, keys, .. } = old.clone();
        rewrite_with(EncodedFile { path, partition, rows, keys, content }, change, &self.options).unwrap()
    }

    /// All rows, sorted.
    async fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for file in &self.files {
            let content = self.store.get(&file.path).await.unwrap().unwrap();
            for batch in ParquetRecordBatchReaderBuilder::try_new(content).unwrap().build().unwrap() {
                rows.extend(self.rows_of(&batch.unwrap(), file));
            }
        }
        rows.sort();
        rows
    }

    fn rows_of(&self, batch: &RecordBatch, file: &DataFile) -> Vec<Row> {
        let column = |index: usize| {
            let name = &self.options.schema.columns[index].name;
            batch.column_by_name(name).cloned().unwrap_or_else(|| {
                let field = self.options.partition_by.iter().find(|field| field.column == index).unwrap();
                let (_, value) = file.partition.iter().find(|(key, _)| *key == field.key).unwrap();
                partition_values(&self.options.schema, field, value.as_deref(), batch.num_rows()).unwrap()
            })
        };
        let whole = |index: usize| -> Vec<Option<i64>> {
            cast(&column(index), &DataType::Int64).unwrap().as_primitive::<Int64Type>().iter().collect()
        };
        let parts = column(PART);
        let (ids, groups, values) = (whole(ID), whole(GROUP), whole(3));
        let (deleted, from, to) = (whole(DELETED), whole(VALID_FROM), whole(VALID_TO));
        let part = |row: usize| PARTS.into_iter().find(|part| *part == parts.as_string::<i32>().value(row)).unwrap();
        let record = |row: usize| Record {
            id: ids[row].unwrap(),
            group: groups[row],
            part: part(row),
            value: values[row].unwrap(),
            deleted: deleted[row] == Some(1),
        };
        (0..batch.num_rows()).map(|row| (record(row), from[row], to[row])).collect()
    }
}

const PARTS: [&str; 3] = ["a", "b", "c"];

/// A model of the merge on a plain list.
struct Model<'a> {
    rules: &'a Rules,
    rows: Vec<Row>,
}

impl Model<'_> {
    fn key(&self, record: &Record) -> Option<(i64, &'static str)> {
        let key = &self.rules.primary_key;
        (!key.is_empty()).then_some((record.id, if key.contains(&PART) { record.part } else { "" }))
    }

    fn merge(&mut self, records: &[Record], boundary: i64, brought: Brought) -> Counts {
        let fetched = records.len() as u64;
        let mut run: Vec<Record> = Vec::new();
        for (row, record) in records.iter().enumerate() {
            let later = &records[row + 1..];
            let loses = self.key(record).is_some() && later.iter().any(|other| self.key(other) == self.key(record));
            if !loses {
                run.push(record.clone());
            }
        }
        let duplicate = fetched - run.len() as u64;
        let hard = self.rules.plan.hard_delete.is_some();
        let (gone, mut new): (Vec<Record>, Vec<Record>) = run.into_iter().partition(|record| hard && record.deleted);
        let counts = Counts { duplicate, filtered: gone.len() as u64, ..Counts::default() };
        let names = |group: &Option<i64>| group.is_some() || self.rules.plan.strategy != MergeStrategy::DeleteInsert;
        let groups: Vec<_> = records.iter().map(|record| record.group).filter(names).collect();
        let strategy = self.rules.plan.strategy.clone();
        match &strategy {
            MergeStrategy::Scd2(plan) => {
                let is_over = |model: &Self, row: &Record| model.is_over(records, row, &groups, brought);
                self.merge_versions(plan, new, boundary, counts, is_over)
            }
            MergeStrategy::InsertOnly => {
                let known: Vec<_> = self.rows.iter().map(|row| self.key(&row.0)).collect();
                let before = new.len() as u64;
                new.retain(|record| !known.contains(&self.key(record)));
                let counts = Counts { unchanged: before - new.len() as u64, ..counts };
                self.insert(new, counts, |model, row| model.is_missing(records, row, brought))
            }
            MergeStrategy::Upsert => self.insert(new, counts, |model, row| {
                let is_known = records.iter().any(|record| model.key(record) == model.key(row));
                is_known || model.is_missing(records, row, brought)
            }),
            MergeStrategy::DeleteInsert => self.insert(new, counts, |model, row| {
                let names_groups = brought != Brought::Part || model.key(row).is_none();
                let has_key = model.key(row).is_some();
                let is_known = has_key && records.iter().any(|record| model.key(record) == model.key(row));
                is_known || (names_groups && groups.contains(&row.group)) || model.is_missing(records, row, brought)
            }),
        }
    }

    /// Returns true if a version that the run did not bring has ended.
    fn is_over(&self, records: &[Record], row: &Record, groups: &[Option<i64>], brought: Brought) -> bool {
        let has_key = self.key(row).is_some();
        let came = has_key && records.iter().any(|record| self.key(record) == self.key(row));
        match (self.rules.plan.merge_key.is_empty(), brought) {
            (true, Brought::Everything) => true,
            (true, _) => came,
            (false, Brought::Part) => came && groups.contains(&row.group),
            (false, _) => groups.contains(&row.group),
        }
    }

    /// Returns true if the row is deleted because the run did not bring it.
    fn is_missing(&self, records: &[Record], row: &Record, brought: Brought) -> bool {
        let brings = |record: &Record| match self.key(row) {
            Some(key) => self.key(record) == Some(key),
            None => record.group.is_some() && record.group == row.group,
        };
        self.rules.plan.delete_missing && brought == Brought::Everything && !records.iter().any(brings)
    }

    fn insert(&mut self, new: Vec<Record>, counts: Counts, goes: impl Fn(&Self, &Record) -> bool) -> Counts {
        let (gone, kept): (Vec<Row>, Vec<Row>) = self.rows.iter().cloned().partition(|row| goes(self, &row.0));
        let came_back = |row: &Row| new.iter().any(|record| self.key(record) == self.key(&row.0));
        let deleted = if self.rules.primary_key.is_empty() {
            let mut groups: BTreeMap<Option<i64>, i64> = BTreeMap::new();
            gone.iter().for_each(|row| *groups.entry(row.0.group).or_default() += 1);
            let keyed = new.iter().filter(|record| record.group.is_some());
            keyed.for_each(|record| *groups.entry(record.group).or_default() -= 1);
            groups.into_values().filter(|more| *more > 0).sum::<i64>() as u64
        } else {
            gone.iter().filter(|row| !came_back(row)).count() as u64
        };
        let written = new.len() as u64;
        self.rows = kept;
        self.rows.extend(new.into_iter().map(|record| (record, None, None)));
        Counts { written, deleted, ..counts }
    }

    fn merge_versions(
        &mut self,
        plan: &Scd2Plan,
        mut new: Vec<Record>,
        boundary: i64,
        mut counts: Counts,
        is_over: impl Fn(&Self, &Record) -> bool,
    ) -> Counts {
        if self.rules.primary_key.is_empty() {
            let before = new.len();
            let mut seen: Vec<Record> = Vec::new();
            new.retain(|record| {
                !seen.contains(record) && {
                    seen.push(record.clone());
                    true
                }
            });
            counts.duplicate += (before - new.len()) as u64;
        }
        for row in 0..self.rows.len() {
            let (record, _, to) = self.rows[row].clone();
            if to != plan.active {
                continue;
            }
            if let Some(same) = new.iter().position(|new| *new == record) {
                new.remove(same);
                counts.unchanged += 1;
            } else if is_over(self, &record) {
                self.rows[row].2 = Some(boundary);
            }
        }
        counts.written = new.len() as u64;
        self.rows.extend(new.into_iter().map(|record| (record, Some(boundary), plan.active)));
        counts
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime: Runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

fn all_rules() -> impl Strategy<Value = Rules> {
    let strategies = vec![
        upsert(),
        rules(MergeStrategy::Upsert, &[ID, PART], &[]),
        rules(MergeStrategy::InsertOnly, &[ID], &[]),
        rules(MergeStrategy::DeleteInsert, &[ID], &[GROUP]),
        rules(MergeStrategy::DeleteInsert, &[], &[GROUP]),
        rules(scd2(None), &[ID], &[]),
        rules(scd2(Some(9_000_000)), &[], &[]),
        rules(scd2(None), &[ID], &[GROUP]),
        rules(scd2(Some(9_000_000)), &[], &[GROUP]),
    ];
    (prop::sample::select(strategies), any::<bool>(), any::<bool>()).prop_map(|(mut rules, hard, missing)| {
        rules.plan.hard_delete = hard.then_some(DELETED);
        // What the source no longer has ends under `scd2` anyway.
        rules.plan.delete_missing = missing && !matches!(rules.plan.strategy, MergeStrategy::Scd2(_));
        rules
    })
}

fn layouts() -> impl Strategy<Value = Layout> {
    let partitions = vec![vec![], vec![(PART, None)], vec![(ID, Some(2))], vec![(PART, None), (GROUP, None)]];
    let columns = |choices: Vec<Vec<usize>>| prop::sample::select(choices);
    let sorts = columns(vec![vec![], vec![3], vec![VALID_TO, ID]]);
    let blooms = columns(vec![vec![], vec![ID], vec![PART, GROUP]]);
    (prop::sample::select(partitions), sorts, blooms).prop_map(|(partition_by, sort_by, bloom_filter)| Layout {
        partition_by,
        sort_by,
        bloom_filter,
        row_group_rows: None,
    })
}

fn runs() -> impl Strategy<Value = Vec<Vec<Vec<Record>>>> {
    let record = (0_i64..12, prop::option::of(0_i64..4), prop::sample::select(&PARTS[..]), 0_i64..2, any::<bool>());
    let record = record.prop_map(|(id, group, part, value, gone)| Record { id, group, part, value, deleted: gone });
    let batches = prop::collection::vec(prop::collection::vec(record, 0..6), 0..4);
    prop::collection::vec(batches, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn a_merge_into_files_is_a_merge_into_a_list(
        rules in all_rules(),
        layout in layouts(),
        runs in runs(),
        brought in prop_oneof![Just(Brought::Everything), Just(Brought::Selection), Just(Brought::Part)],
    ) {
        let mut table = Table::new(rules.clone(), &layout);
        let mut model = Model { rules: &rules, rows: Vec::new() };
        block_on(async {
            for batches in runs {
                let (counts, _) = table.merge(&batches, brought).await;
                let records = batches.concat();
                let expected = model.merge(&records, table.options.version as i64 * 1000, brought);
                let mut rows = model.rows.clone();
                rows.sort();
                prop_assert_eq!(table.rows().await, rows);
                prop_assert_eq!(counts, expected);
                let sum = counts.written + counts.duplicate + counts.filtered + counts.unchanged;
                prop_assert_eq!(sum, records.len() as u64);
            }
            Ok(())
        })?;
    }
}

fn ids(ids: impl IntoIterator<Item = i64>, part: &'static str) -> Vec<Record> {
    ids.into_iter().map(|id| record(id, 0, part, 0)).collect()
}

async fn filled(layout: &Layout, rules: Rules, records: Vec<Record>) -> Table {
    let mut table = Table::new(rules, layout);
    table.merge(&[records], Brought::Everything).await;
    table
}

#[tokio::test]
async fn a_file_whose_range_holds_no_key_of_the_run_is_not_opened() {
    let by_part = Layout { partition_by: vec![(PART, None)], ..Layout::default() };
    let records = [ids(0..10, "a"), ids(10..20, "b"), ids(20..30, "c")].concat();
    let mut table = filled(&by_part, upsert(), records).await;
    // A file that is not there cannot have been opened.
    for file in table.files.iter().filter(|file| !file.path.starts_with("part=b")) {
        table.store.delete(&file.path).await.unwrap();
    }
    let (_, found) = table.merge(&[ids([12, 17, 99], "b")], Brought::Everything).await;
    assert_eq!((found.read, found.changes.len(), found.gone), (1, 1, 2));
}

#[tokio::test]
async fn a_key_of_which_the_partition_is_a_part_is_looked_for_in_its_partition_alone() {
    let by_part = Layout { partition_by: vec![(PART, None)], ..Layout::default() };
    let rules = rules(MergeStrategy::Upsert, &[ID, PART], &[]);
    let mut table = filled(&by_part, rules, [ids(0..10, "a"), ids(0..10, "b")].concat()).await;
    let (_, found) = table.merge(&[ids(0..10, "b")], Brought::Everything).await;
    assert_eq!((found.read, found.gone), (1, 10));
}

#[tokio::test]
async fn a_row_group_whose_bloom_filter_denies_the_key_is_not_read() {
    let plain = Layout { row_group_rows: Some(100), ..Layout::default() };
    let filtered = Layout { bloom_filter: vec![ID], ..plain.clone() };
    // Every other number: the keys of the run lie within the range and are not there.
    let even = || ids((0..100).map(|id| id * 2), "a");
    for (layout, read) in [(plain, 1), (filtered, 0)] {
        let mut table = filled(&layout, upsert(), even()).await;
        let (_, found) = table.merge(&[ids([101], "a")], Brought::Everything).await;
        assert_eq!((found.read, found.changes.len()), (read, 0));
        let (_, found) = table.merge(&[ids([100], "a")], Brought::Everything).await;
        assert_eq!((found.read >= 1, found.gone), (true, 1));
    }
}

#[tokio::test]
async fn a_footer_longer_than_the_first_guess_is_read_whole() {
    let layout = Layout { row_group_rows: Some(1), ..Layout::default() };
    let mut table = filled(&layout, upsert(), ids(0..400, "a")).await;
    assert!(table.files[0].bytes > 2 * footer::TAIL, "{} bytes", table.files[0].bytes);
    let (_, found) = table.merge(&[ids([7], "a")], Brought::Everything).await;
    assert_eq!((found.read, found.gone), (1, 1));
}

#[tokio::test]
async fn a_file_that_is_gone_or_another_one_is_an_error() {
    let table = filled(&Layout::default(), upsert(), ids(0..10, "a")).await;
    let collector = Collector::new(&schema(), &table.plan(), &[ID]).unwrap();
    let incoming = Arc::new(collector.finish(table.winners(&ids([3], "a")), Vec::new()).unwrap());
    let search = Search::new(table.store.clone(), incoming, &[], Brought::Everything, 1 << 20).unwrap();
    let shorter = vec![DataFile { rows: 9, ..table.files[0].clone() }];
    assert_eq!(search.run(&shorter).await.unwrap_err().code(), "data_file_damaged");
    table.store.put(&table.files[0].path, vec![0; 4000].into()).await.unwrap();
    assert_eq!(search.run(&table.files).await.unwrap_err().code(), "data_file_damaged");
    table.store.delete(&table.files[0].path).await.unwrap();
    let error = search.run(&table.files).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), ("data_file_gone", ErrorKind::User));
    assert!(error.hint().is_some() && error.to_string().contains(&table.files[0].path));
}

#[tokio::test]
async fn of_a_run_that_lacks_rows_only_versions_of_its_own_keys_are_retired() {
    let mut table = filled(&Layout::default(), rules(scd2(None), &[ID], &[]), ids(0..3, "a")).await;
    let changed = Record { value: 1, ..record(1, 0, "a", 0) };
    let (counts, _) = table.merge(&[vec![changed]], Brought::Selection).await;
    assert_eq!((counts.written, counts.unchanged), (1, 0));
    let ended: Vec<i64> = table.rows().await.iter().filter(|row| row.2.is_some()).map(|row| row.0.id).collect();
    assert_eq!(ended, [1]);
    // With no key at all, nothing is known to have changed.
    let mut keyless = filled(&Layout::default(), rules(scd2(None), &[], &[]), ids(0..3, "a")).await;
    keyless.merge(&[vec![record(1, 0, "a", 1)]], Brought::Selection).await;
    assert!(keyless.rows().await.iter().all(|row| row.2.is_none()));
}

#[tokio::test]
async fn files_without_an_active_version_are_not_read() {
    let mut table = filled(&Layout::default(), rules(scd2(None), &[ID], &[]), ids(0..3, "a")).await;
    table.merge(&[Vec::new()], Brought::Everything).await;
    assert!(table.rows().await.iter().all(|row| row.2 == Some(2000)));
    let (counts, found) = table.merge(&[ids(0..3, "a")], Brought::Everything).await;
    assert_eq!((counts.written, counts.unchanged, found.read), (3, 0, 0), "what comes back begins anew");
}

#[tokio::test]
async fn a_null_merge_key_names_no_row() {
    let mut table = Table::new(rules(MergeStrategy::DeleteInsert, &[], &[GROUP]), &Layout::default());
    let null = |id: i64| Record { group: None, ..record(id, 0, "a", 0) };
    table.merge(&[vec![null(1), null(2), record(3, 1, "a", 0)]], Brought::Everything).await;
    let (counts, _) = table.merge(&[vec![null(4)]], Brought::Everything).await;
    assert_eq!(counts.deleted, 0);
    let left: Vec<i64> = table.rows().await.iter().map(|row| row.0.id).collect();
    assert_eq!(left, [1, 2, 3, 4]);
}

#[test]
fn a_column_that_holds_no_bool_deletes_where_it_is_not_null() {
    let plan = MergePlan { hard_delete: Some(GROUP), ..MergePlan::default() };
    let mut collector = Collector::new(&schema(), &plan, &[ID]).unwrap();
    let rows = batch(&[record(1, 7, "a", 0), Record { group: None, ..record(2, 0, "a", 0) }], None);
    let sifted = collector.sift(rows, vec![5, 6]).unwrap();
    assert_eq!((sifted.rows.num_rows(), sifted.ids), (1, vec![6]));
}

#[test]
fn nested_columns_are_no_merge_key() {
    let mut nested = schema();
    nested.columns[GROUP].data_type = "list<int64>".parse().unwrap();
    let plan = MergePlan { merge_key: vec![GROUP], ..MergePlan::default() };
    let error = Collector::new(&nested, &plan, &[]).err().unwrap();
    assert_eq!((error.code(), error.kind()), ("key_type", ErrorKind::User));
}
