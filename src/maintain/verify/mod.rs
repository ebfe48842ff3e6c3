//! Compares a table with its commits. Reads everything, changes nothing, lists all findings.
//!
//! ```text
//!  log ──audit──► flaws
//!  snapshot, listing ──► missing, foreign, size, attempts
//!  each file ──► checksum, footer (rows, schema), partition ──► hashes of keys ──► candidates ──► keys read again
//! ```
//!
//! A run may commit meanwhile: then what was found is about a mixture, and all is looked at again. Several files are read at a
//! time, as many as the memory holds; keys take 16 bytes each, in as many passes as the memory wants.

mod content;
mod finding;
mod keys;
mod leftovers;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use tokio::task::spawn_blocking;

pub use self::finding::{Finding, Problem};
use self::{
    content::{ReadError, check_footer, check_whole, footer},
    finding::Findings,
    keys::{Confirmed, Entry, Keys, MAX_NAMED, Scope, candidates},
    leftovers::Pending,
};
use super::{MaintainError, check_found, objects, spec};
use crate::{
    commit::{Flaw, StoredObject, TableFormat, TableSnapshot},
    error::Result,
    model::{DataFile, Operation, TableIdentity, Version},
    plan::{MergeStrategy, ResourcePlan, TableFormatKind, WriteDisposition},
    write::{FileShape, directory},
};

/// Attempts to verify a table that changes concurrently.
const LOOKS: u32 = 3;

/// Files read at a time, where the memory holds them.
const FILES_AT_ONCE: u64 = 8;

/// Options of a verification.
#[derive(Clone, Copy, Debug)]
pub struct VerifyOptions {
    /// Files are judged by their footers: no checksums, no keys.
    pub quick: bool,
    /// Bytes of files and keys that may be held.
    pub memory: u64,
    /// Delta keeps the files of old versions where they were, until a vacuum.
    pub format: TableFormatKind,
}

/// The result of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// 0 for a directory in which no version can be read.
    pub version: Version,
    pub files: u64,
    pub rows: u64,
    pub bytes: u64,
    /// By file.
    #[serde(skip)]
    pub findings: Vec<Finding>,
}

/// Compares a table with its commits.
///
/// # Errors
/// A store that cannot be read, a table that does not exist or is of another resource or format, and one that runs change faster
/// than it can be looked at. Whatever is wrong with the table itself is a finding.
pub async fn verify(
    table: &dyn TableFormat,
    identity: &TableIdentity,
    resource: &ResourcePlan,
    options: &VerifyOptions,
) -> Result<Verified> {
    let verify = Verify { table, identity, resource, options };
    for _ in 0..LOOKS {
        let before = table.newest().await?;
        let looked = verify.once().await;
        let is_whole = looked.as_ref().is_ok_and(|verified| verified.findings.is_empty());
        // A newer version explains what was found, or hides it; and files go with it that were to be looked at.
        if is_whole || table.newest().await? == before {
            return looked;
        }
    }
    Err(MaintainError::Changing { table: resource.table.clone() }.into())
}

/// The columns whose values together are there once; none if nobody promises that.
fn key_columns(resource: &ResourcePlan) -> Vec<String> {
    if !resource.dedup {
        return Vec::new();
    }
    let history = match &resource.merge.strategy {
        // A row has a version for each time at which it became another.
        MergeStrategy::Scd2(scd2) if resource.write_disposition == WriteDisposition::Merge => {
            vec![scd2.valid_from]
        }
        _ => Vec::new(),
    };
    names(resource, resource.primary_key.iter().copied().chain(history))
}

/// Returns the columns with the validity of row versions. With a `boundary_timestamp`, versions of several runs may begin and end at
/// the same moment.
fn momentary(resource: &ResourcePlan) -> Option<(String, String)> {
    let MergeStrategy::Scd2(scd2) = &resource.merge.strategy else { return None };
    scd2.boundary?;
    let [from, to] = names(resource, [scd2.valid_from, scd2.valid_to]).try_into().ok()?;
    Some((from, to))
}

fn names(resource: &ResourcePlan, columns: impl IntoIterator<Item = usize>) -> Vec<String> {
    let name = |index: usize| Some(resource.schema.columns.get(index)?.name.clone());
    columns.into_iter().filter_map(name).collect()
}

struct Verify<'a> {
    table: &'a dyn TableFormat,
    identity: &'a TableIdentity,
    resource: &'a ResourcePlan,
    options: &'a VerifyOptions,
}

/// Facts about a table before its files are opened.
struct Known {
    snapshot: TableSnapshot,
    shape: Arc<FileShape>,
    keys: Option<Arc<Keys>>,
    pending: Pending,
}

/// The result for one file.
struct Examined {
    findings: Findings,
    /// Hashes of its keys in the first pass; `None` if its rows cannot be read.
    hashes: Option<Vec<u64>>,
}

impl Verify<'_> {
    async fn once(&self) -> Result<Verified> {
        let mut findings = Findings::new(&self.resource.table);
        let flaws = self.table.audit().await?;
        flaws.iter().for_each(|flaw| add_flaw(&mut findings, flaw));
        let snapshot = match self.table.snapshot().await {
            Ok(snapshot) => snapshot,
            // Said above.
            Err(_) if !flaws.is_empty() => TableSnapshot::default(),
            Err(error) => return Err(error),
        };
        check_found(self.table, &snapshot, self.identity).await?;
        if snapshot.version > 0 || flaws.is_empty() {
            self.check_table(&snapshot, &mut findings).await?;
        }
        if snapshot.version == 0 && findings.list.iter().all(|finding| finding.problem.is_note()) {
            return Err(MaintainError::NoTable { table: self.resource.table.clone() }.into());
        }
        findings.list.sort();
        Ok(Verified {
            version: snapshot.version,
            files: snapshot.files.len() as u64,
            rows: snapshot.rows,
            bytes: snapshot.files.iter().map(|file| file.bytes).sum(),
            findings: findings.list,
        })
    }

    async fn check_table(&self, snapshot: &TableSnapshot, findings: &mut Findings) -> Result<()> {
        // What a run brings into place may be there before the listing or after it: its attempt is looked at on both sides.
        let before = self.table.attempts().await?;
        let objects = objects(self.table.workspace().table()).await?;
        let after = self.table.attempts().await?;
        let (mut pending, mut passed) = (Pending::default(), Findings::default());
        leftovers::check_attempts(self.table, snapshot, &before, &objects, &mut pending, &mut passed).await;
        leftovers::check_attempts(self.table, snapshot, &after, &objects, &mut pending, findings).await;
        let keeps_old = self.options.format == TableFormatKind::Delta;
        let removed = self.table.removed().await?;
        leftovers::check_foreign(snapshot, &objects, &pending, &removed, keeps_old, findings);
        let Some(known) = self.known(snapshot, pending).await? else { return Ok(()) };
        let present = check_presence(&known, &objects, findings);
        let examined = self.examine(&known, &present).await?;
        let mut entries = Vec::new();
        let mut readable = Vec::new();
        for ((number, file), mut examined) in present.into_iter().zip(examined) {
            findings.list.append(&mut examined.findings.list);
            if let Some(hashes) = examined.hashes {
                entries.extend(hashes.into_iter().map(|hash| (hash, number)));
                readable.push((number, file));
            }
        }
        self.check_keys(&known, &readable, entries, findings).await
    }

    async fn known(&self, snapshot: &TableSnapshot, pending: Pending) -> Result<Option<Known>> {
        let Some(schema) = &snapshot.schema else { return Ok(None) };
        let partition_by = spec::parse(&self.resource.table, &snapshot.partition_by, schema)?;
        let resource = self.resource.complete(schema)?;
        let keys = match self.options.quick {
            true => None,
            false => {
                let columns = key_columns(&resource);
                Keys::new(&columns, schema, &partition_by, self.scope(snapshot.version).await?)
            }
        };
        // Half for the keys, the other for the files.
        let keys = keys.map(|keys| keys.within(snapshot.rows, self.options.memory / 2).without(momentary(&resource)));
        let keys = keys.map(Arc::new);
        let shape = Arc::new(FileShape::new(schema, &partition_by));
        Ok(Some(Known { snapshot: snapshot.clone(), shape, keys, pending }))
    }

    /// Returns the scope in which keys are unique, from the operations of the versions.
    async fn scope(&self, newest: Version) -> Result<Scope> {
        let mut history = Vec::new();
        for version in (1..=newest).rev() {
            // Older commits may be gone; one that cannot be read is the audit's to tell.
            let Some(record) = self.table.commit_at(version).await.unwrap_or_default() else { break };
            // An append that widened older files wrote them again under its version: their rows are those of several runs.
            let is_mixed = record.operation == Operation::Append && !record.removes.is_empty();
            history.push((version, record.operation, is_mixed));
            if record.operation == Operation::Replace {
                break;
            }
        }
        Ok(scope(&history, newest))
    }

    /// Looks into files, several at a time; in their order.
    async fn examine(&self, known: &Known, files: &[(u32, &DataFile)]) -> Result<Vec<Examined>> {
        let largest = files.iter().map(|(_, file)| file.bytes).max().unwrap_or_default().max(1);
        let at_once = if self.options.quick { FILES_AT_ONCE } else { self.options.memory / 2 / largest };
        let at_once = usize::try_from(at_once.clamp(1, FILES_AT_ONCE)).unwrap_or(1);
        let examined = stream::iter(files).map(|(_, file)| self.examine_one(known, file));
        examined.buffered(at_once).try_collect().await
    }

    async fn examine_one(&self, known: &Known, file: &DataFile) -> Result<Examined> {
        if self.options.quick { self.examine_footer(known, file).await } else { self.examine_whole(known, file).await }
    }

    async fn examine_footer(&self, known: &Known, file: &DataFile) -> Result<Examined> {
        let mut findings = Findings::new(&self.resource.table);
        match footer(self.table.workspace().table(), file).await? {
            None => add_gone(file, &mut findings),
            Some(Ok(metadata)) => _ = check_footer(&metadata, file, &known.shape, &mut findings),
            Some(Err(error)) => findings.add(Problem::Unreadable, &file.path, error.to_string(), "a Parquet file"),
        }
        Ok(Examined { findings, hashes: None })
    }

    async fn examine_whole(&self, known: &Known, file: &DataFile) -> Result<Examined> {
        let mut findings = Findings::new(&self.resource.table);
        let Some(content) = self.table.workspace().table().get(&file.path).await? else {
            add_gone(file, &mut findings);
            return Ok(Examined { findings, hashes: None });
        };
        let (shape, keys, owned) = (Arc::clone(&known.shape), known.keys.clone(), file.clone());
        let examined = spawn_blocking(move || examine_content(&content, &owned, &shape, keys.as_deref(), findings));
        Ok(examined.await.unwrap_or_else(|_| self.not_decoded(file)))
    }

    /// Returns the finding for a file on which the decoder panicked.
    fn not_decoded(&self, file: &DataFile) -> Examined {
        let mut findings = Findings::new(&self.resource.table);
        findings.add(Problem::Unreadable, &file.path, "the decoder gave up", "rows that can be read");
        Examined { findings, hashes: None }
    }

    async fn check_keys(
        &self,
        known: &Known,
        files: &[(u32, &DataFile)],
        mut entries: Vec<Entry>,
        findings: &mut Findings,
    ) -> Result<()> {
        let Some(keys) = &known.keys else { return Ok(()) };
        for pass in 0..keys.passes() {
            if pass > 0 {
                entries = self.entries(known, keys, pass, files).await?;
            }
            let (hashes, hit, more) = candidates(std::mem::take(&mut entries));
            let hit: Vec<_> = files.iter().filter(|(number, _)| hit.contains(number)).copied().collect();
            self.confirm(known, keys, hashes, &hit, findings).await?;
            if more > 0 {
                let found = format!("{more} keys more than the {MAX_NAMED} named here are there more than once");
                findings.add(Problem::DuplicateKey, "", found, "each key once");
            }
        }
        Ok(())
    }

    /// The hashes of a later pass, from files read again one by one.
    async fn entries(
        &self,
        known: &Known,
        keys: &Arc<Keys>,
        pass: u64,
        files: &[(u32, &DataFile)],
    ) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for &(number, file) in files {
            let keys = Arc::clone(keys);
            let hashes = self.reread(known, file, move |content, file, shape| keys.hashes(pass, content, file, shape));
            entries.extend(hashes.await?.into_iter().map(|hash| (hash, number)));
        }
        Ok(entries)
    }

    /// Reads the candidates' files again, one by one, and names the keys that are there more than once.
    async fn confirm(
        &self,
        known: &Known,
        keys: &Arc<Keys>,
        hashes: HashSet<u64>,
        files: &[(u32, &DataFile)],
        findings: &mut Findings,
    ) -> Result<()> {
        let (hashes, mut confirmed) = (Arc::new(hashes), Confirmed::default());
        for &(number, file) in files {
            let (keys, hashes) = (Arc::clone(keys), Arc::clone(&hashes));
            let matching =
                self.reread(known, file, move |content, file, shape| keys.matching(&hashes, content, file, shape));
            confirmed.add(number, matching.await?);
        }
        let paths: BTreeMap<u32, &str> = files.iter().map(|(number, file)| (*number, file.path.as_str())).collect();
        for duplicate in confirmed.duplicates() {
            let places: Vec<_> = duplicate.files.iter().filter_map(|number| paths.get(number).copied()).collect();
            let first = places.first().copied().unwrap_or_default();
            findings.add(Problem::DuplicateKey, first, duplicate_text(&duplicate.key, &places), "each key once");
        }
        Ok(())
    }

    async fn reread<T: Default + Send + 'static>(
        &self,
        known: &Known,
        file: &DataFile,
        read: impl FnOnce(&Bytes, &DataFile, &FileShape) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T> {
        let damaged = |reason: String| MaintainError::Damaged {
            table: self.resource.table.clone(),
            file: file.path.clone(),
            reason,
        };
        let gone = || damaged("it went while the table was verified".into());
        let content = self.table.workspace().table().get(&file.path).await?.ok_or_else(gone)?;
        let (shape, owned) = (Arc::clone(&known.shape), file.clone());
        let worker = || MaintainError::Worker { table: self.resource.table.clone(), file: file.path.clone() };
        let rows = spawn_blocking(move || read(&content, &owned, &shape)).await.map_err(|_| worker())?;
        Ok(rows.map_err(|error| damaged(error.to_string()))?)
    }
}

/// Synchronous: what a file's bytes come to.
fn examine_content(
    content: &Bytes,
    file: &DataFile,
    shape: &FileShape,
    keys: Option<&Keys>,
    mut findings: Findings,
) -> Examined {
    if !check_whole(content, file, shape, &mut findings) {
        return Examined { findings, hashes: None };
    }
    match keys.map(|keys| keys.hashes(0, content, file, shape)) {
        None => Examined { findings, hashes: None },
        Some(Ok(hashes)) => Examined { findings, hashes: Some(hashes) },
        Some(Err(error)) => {
            findings.add(Problem::Unreadable, &file.path, error.to_string(), "keys that can be read");
            Examined { findings, hashes: None }
        }
    }
}

fn add_gone(file: &DataFile, findings: &mut Findings) {
    findings.add(Problem::MissingFile, &file.path, "it went while the table was verified", "a file");
}

fn duplicate_text(key: &str, places: &[&str]) -> String {
    let mut distinct = places.to_vec();
    distinct.dedup();
    match distinct.as_slice() {
        [_] => format!("{key} is in it {} times", places.len()),
        [_, others @ ..] => format!("{key} is also in {}", others.join(" and ")),
        [] => key.to_owned(),
    }
}

fn add_flaw(findings: &mut Findings, flaw: &Flaw) {
    findings.add(Problem::Commit, &flaw.object, format!("{}: {}", flaw.code, flaw.found), &flaw.expected);
}

/// The files that are there and of the right size, with their numbers.
fn check_presence<'a>(known: &'a Known, objects: &[StoredObject], findings: &mut Findings) -> Vec<(u32, &'a DataFile)> {
    let sizes: BTreeMap<&str, u64> = objects.iter().map(|object| (object.path.as_str(), object.bytes)).collect();
    let mut present = Vec::new();
    for (number, file) in (0..).zip(&known.snapshot.files) {
        check_directory(file, findings);
        match sizes.get(file.path.as_str()) {
            Some(&bytes) if bytes == file.bytes => present.push((number, file)),
            Some(bytes) => {
                findings.add(Problem::Size, &file.path, format!("{bytes} bytes"), format!("{} bytes", file.bytes));
            }
            // Said by its attempt.
            None if known.pending.awaited.contains(super::name_of(&file.path)) => {}
            None => {
                let expected = format!("a file of {} bytes with {} rows", file.bytes, file.rows);
                findings.add(Problem::MissingFile, &file.path, "no file", expected);
            }
        }
    }
    present
}

fn check_directory(file: &DataFile, findings: &mut Findings) {
    // Another writer's: the log says what its partition is, and its path nothing.
    if file.sha256.is_empty() {
        return;
    }
    let found = file.path.strip_suffix(super::name_of(&file.path)).unwrap_or_default();
    let expected = directory(&file.partition);
    if expected.as_deref() != Some(found) {
        let expected = expected.unwrap_or_else(|| "a partition that has a directory".to_owned());
        findings.add(Problem::Partition, &file.path, format!("the directory `{found}`"), format!("`{expected}`"));
    }
}

/// Returns the scope in which keys are unique: all rows of a table that runs only replaced or merged, and the rows of a single
/// version if runs appended, since an append compares its own rows only.
///
/// `history` is the newest version first, back to the last one that replaced the table, or as far as it is kept, and whether
/// a version's files have rows of earlier runs too. Where it does not reach back to the beginning, runs may have appended.
fn scope(history: &[(Version, Operation, bool)], newest: Version) -> Scope {
    let oldest = history.last().map_or(newest + 1, |(version, ..)| *version);
    let begins_anew = history.last().is_some_and(|(_, operation, _)| *operation == Operation::Replace);
    // The first version of a table appends to nothing.
    let appends = history.iter().any(|(version, operation, _)| *operation == Operation::Append && *version > 1);
    if !appends && (oldest <= 1 || begins_anew) {
        return Scope::Table;
    }
    let one_run = |operation| matches!(operation, Operation::Append | Operation::Replace);
    let of_one_run = history.iter().filter(|(_, operation, is_mixed)| one_run(*operation) && !is_mixed);
    Scope::Versions(of_one_run.map(|(version, ..)| *version).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(versions: impl IntoIterator<Item = Version>) -> Scope {
        Scope::Versions(versions.into_iter().collect())
    }

    /// Versions whose files have rows of their own runs alone.
    fn plain(history: &[(Version, Operation)]) -> Vec<(Version, Operation, bool)> {
        history.iter().map(|(version, operation)| (*version, *operation, false)).collect()
    }

    #[test]
    fn a_key_is_there_once_in_a_table_that_was_replaced_and_merged_into() {
        assert_eq!(scope(&plain(&[(1, Operation::Replace)]), 1), Scope::Table);
        assert_eq!(scope(&plain(&[(3, Operation::Merge), (2, Operation::Replace)]), 3), Scope::Table);
        assert_eq!(scope(&plain(&[(2, Operation::Merge), (1, Operation::Append)]), 2), Scope::Table);
    }

    #[test]
    fn where_runs_appended_a_key_is_there_once_among_the_rows_of_each() {
        assert_eq!(scope(&plain(&[(2, Operation::Append), (1, Operation::Append)]), 2), versions([1, 2]));
        let history = plain(&[(4, Operation::Merge), (3, Operation::Append), (2, Operation::Replace)]);
        assert_eq!(scope(&history, 4), versions([2, 3]), "a merge rewrites rows of several runs");
    }

    #[test]
    fn an_append_that_wrote_older_files_again_has_rows_of_several_runs() {
        let history = [(3, Operation::Append, true), (2, Operation::Append, false), (1, Operation::Append, false)];
        assert_eq!(scope(&history, 3), versions([1, 2]));
    }

    #[test]
    fn where_the_log_is_cut_runs_may_have_appended() {
        assert_eq!(scope(&plain(&[(60, Operation::Merge)]), 60), versions([]));
        assert_eq!(scope(&[], 7), versions([]));
        assert_eq!(scope(&plain(&[(60, Operation::Merge), (59, Operation::Replace)]), 60), Scope::Table);
    }

    #[test]
    fn a_duplicate_is_told_with_every_file_it_is_in() {
        assert_eq!(duplicate_text("id=1", &["a", "a"]), "id=1 is in it 2 times");
        assert_eq!(duplicate_text("id=1", &["a", "b", "c"]), "id=1 is also in b and c");
    }
}
