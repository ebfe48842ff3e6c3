//! Every way in which a table can be damaged is found and named, and a whole table is whole.

use std::fs;

use arrow::{
    array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray},
    record_batch::RecordBatch,
};
use parquet::arrow::ArrowWriter;
use restlake::commit::{AttemptRecord, CommitOutcome, CommitRecord, TableFormat, TableSnapshot};
use serde_json::{Value, json};

use super::*;

async fn partitioned() -> Kept {
    let kept = Kept::partitioned("replace");
    kept.run(items(1, 120)).await;
    assert_eq!(kept.data_files().len(), 4, "two statuses, two months");
    kept
}

/// The one finding there is.
async fn only_finding(kept: &Kept) -> Finding {
    let mut findings = kept.findings().await;
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

fn entry(commit: &mut Value, number: usize) -> &mut Value {
    &mut commit["adds"][number]
}

#[tokio::test]
async fn a_table_as_runs_leave_it_is_whole_and_looking_at_it_changes_nothing() {
    for disposition in ["replace", "append"] {
        let kept = Kept::partitioned(disposition);
        kept.run(items(1, 120)).await;
        kept.run(items(100, 240)).await;
        let before = everything(kept.folder.path());
        let verified = kept.verify(false).await.unwrap();
        assert_eq!(verified.findings, [], "{disposition}");
        let rows = if disposition == "replace" { 141 } else { 261 };
        assert_eq!((verified.version, verified.rows), (2, rows));
        assert_eq!(kept.verify(true).await.unwrap(), verified);
        assert_eq!(everything(kept.folder.path()), before);
    }
}

#[tokio::test]
async fn a_table_without_rows_is_whole_and_one_that_does_not_exist_is_an_error() {
    let kept = Kept::partitioned("replace");
    assert_eq!(kept.verify(false).await.unwrap_err().code(), "no_table");
    assert!(!kept.lake().exists());
    kept.run(Vec::new()).await;
    let verified = kept.verify(false).await.unwrap();
    assert_eq!((verified.version, verified.files, verified.rows), (1, 1, 0));
    assert_eq!(verified.findings, []);
}

#[tokio::test]
async fn a_file_that_is_gone_is_missing() {
    let kept = partitioned().await;
    let file = kept.first_file();
    fs::remove_file(kept.table().join(&file)).unwrap();
    let finding = only_finding(&kept).await;
    assert_eq!((finding.problem, finding.file), (Problem::MissingFile, Some(file)));
    assert!(!finding.hint.is_empty());
    assert_eq!(kept.verify(true).await.unwrap().findings.len(), 1, "quick as well");
}

#[tokio::test]
async fn a_truncated_file_has_the_wrong_size() {
    let kept = partitioned().await;
    let file = kept.first_file();
    kept.change(&file, |content| content.truncate(content.len() / 2));
    let finding = only_finding(&kept).await;
    assert_eq!((finding.problem, finding.file), (Problem::Size, Some(file)));
}

#[tokio::test]
async fn a_flipped_byte_breaks_the_checksum_and_the_quick_look_does_not_see_it() {
    let kept = partitioned().await;
    let file = kept.first_file();
    kept.change(&file, |content| content[20] ^= 1);
    let finding = only_finding(&kept).await;
    assert_eq!((finding.problem, finding.file), (Problem::Checksum, Some(file)));
    assert_eq!(kept.verify(true).await.unwrap().findings, []);
}

#[tokio::test]
async fn a_damaged_footer_is_unreadable_to_the_quick_look_and_no_crash() {
    let kept = partitioned().await;
    let file = kept.first_file();
    kept.change(&file, |content| {
        let end = content.len() - 8;
        content[end - 200..end].fill(0xff);
    });
    let verified = kept.verify(true).await.unwrap();
    assert_eq!(verified.findings.len(), 1, "{:#?}", verified.findings);
    assert_eq!(verified.findings[0].problem, Problem::Unreadable);
    assert_eq!(kept.problems().await, [Problem::Checksum]);
}

#[tokio::test]
async fn any_single_byte_that_is_another_is_found_and_never_a_crash() {
    let kept = Kept::new(json!({"primary_key": "id"}));
    kept.run(items(1, 10)).await;
    let file = kept.first_file();
    let length = fs::metadata(kept.table().join(&file)).unwrap().len() as usize;
    for at in (0..length).step_by(61) {
        kept.change(&file, |content| content[at] ^= 0x55);
        assert_eq!(kept.problems().await, [Problem::Checksum], "byte {at}");
        kept.verify(true).await.unwrap();
        kept.change(&file, |content| content[at] ^= 0x55);
    }
    assert_eq!(kept.problems().await, []);
}

#[tokio::test]
async fn files_that_no_commit_names_are_foreign_wherever_a_reader_finds_them() {
    let kept = partitioned().await;
    fs::create_dir(kept.table().join("status=gone")).unwrap();
    for path in ["notes.txt", "status=gone/part-0000000001-00000-00000.parquet", "_restlake/copy.parquet"] {
        fs::copy(kept.table().join(kept.first_file()), kept.table().join(path)).unwrap();
    }
    fs::write(kept.table().join("_restlake/notes.txt"), "mine").unwrap();
    let findings = kept.findings().await;
    assert!(findings.iter().all(|finding| finding.problem == Problem::ForeignFile), "{findings:#?}");
    let files: Vec<_> = findings.into_iter().filter_map(|finding| finding.file).collect();
    assert_eq!(files, ["_restlake/copy.parquet", "notes.txt", "status=gone/part-0000000001-00000-00000.parquet"]);
}

#[tokio::test]
async fn numbers_in_a_commit_that_do_not_add_up_are_found() {
    let kept = partitioned().await;
    kept.change_commit(1, |commit| commit["totals"]["rows"] = json!(7));
    let finding = only_finding(&kept).await;
    assert_eq!(finding.problem, Problem::Commit);
    assert!(finding.found.contains("7 rows") && finding.expected.contains("120 rows"), "{finding:#?}");
}

#[tokio::test]
async fn a_commit_that_is_no_json_or_missing_is_named() {
    let kept = partitioned().await;
    kept.run(items(1, 8)).await;
    kept.change("_restlake/commits/00000000000000000002.json", |content| content.truncate(100));
    let finding = only_finding(&kept).await;
    assert_eq!(finding.file.as_deref(), Some("_restlake/commits/00000000000000000002.json"));
    assert!(finding.found.contains("commit_corrupt"), "{finding:#?}");

    let kept = partitioned().await;
    kept.run(items(1, 8)).await;
    kept.run(items(1, 8)).await;
    fs::remove_file(kept.table().join("_restlake/commits/00000000000000000002.json")).unwrap();
    let finding = only_finding(&kept).await;
    assert_eq!(finding.file.as_deref(), Some("_restlake/commits/00000000000000000002.json"));
    assert!(finding.found.contains("commit_missing"), "{finding:#?}");
}

#[tokio::test]
async fn a_commit_that_tells_another_checksum_row_count_or_directory_is_contradicted_by_the_file() {
    let kept = partitioned().await;
    kept.change_commit(1, |commit| entry(commit, 0)["sha256"] = json!("0".repeat(64)));
    assert_eq!(only_finding(&kept).await.problem, Problem::Checksum);

    let kept = partitioned().await;
    kept.change_commit(1, |commit| {
        let rows = entry(commit, 0)["rows"].as_u64().unwrap();
        entry(commit, 0)["rows"] = json!(rows + 1);
        commit["totals"]["rows"] = json!(121);
    });
    let finding = only_finding(&kept).await;
    assert_eq!((finding.problem, finding.expected.as_str()), (Problem::Rows, "31 rows"));

    let kept = partitioned().await;
    kept.change_commit(1, |commit| entry(commit, 0)["partition"][1][1] = json!("2031-01"));
    let problems = kept.problems().await;
    assert_eq!(problems, [Problem::Partition, Problem::Partition], "the directory and the rows");
}

#[tokio::test]
async fn a_commit_that_tells_another_schema_is_contradicted_by_every_file() {
    let kept = partitioned().await;
    kept.change_commit(1, |commit| {
        let columns = commit["schema"]["columns"].as_array_mut().unwrap();
        columns.iter_mut().find(|column| column["name"] == "name").unwrap()["type"] = json!("int64");
    });
    let findings = kept.findings().await;
    assert_eq!(findings.len(), 4);
    for finding in findings {
        assert_eq!(finding.problem, Problem::Schema);
        assert!(finding.expected.contains("name INT64"), "{finding:#?}");
    }
}

/// Puts other rows into the first file of a table of one file, and says so in its commit.
fn forge(kept: &Kept, ids: Vec<i64>) {
    let file = kept.first_file();
    let rows = ids.len();
    let names: ArrayRef = std::sync::Arc::new(StringArray::from(vec![Some("x"); rows]));
    let times = TimestampMicrosecondArray::from(vec![Some(0); rows]).with_timezone("UTC");
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("id", std::sync::Arc::new(Int64Array::from(ids)) as ArrayRef, false),
        ("name", names.clone(), true),
        ("status", names, true),
        ("created_at", std::sync::Arc::new(times) as ArrayRef, true),
    ])
    .unwrap();
    let mut content = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut content, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &content);
    let sha256: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let bytes = content.len();
    kept.change(&file, |old| *old = content);
    kept.change_commit(1, |commit| {
        *entry(commit, 0) = json!({
            "path": file, "rows": rows, "bytes": bytes, "sha256": sha256, "staged": entry(commit, 0)["staged"],
        });
        commit["totals"] = json!({"files": 1, "rows": rows, "bytes": bytes});
    });
}

#[tokio::test]
async fn a_key_that_is_twice_in_a_file_is_named() {
    let kept = Kept::new(json!({"primary_key": "id", "write_disposition": "replace"}));
    kept.run(items(1, 10)).await;
    forge(&kept, vec![5, 6, 7, 6, 8]);
    let finding = only_finding(&kept).await;
    assert_eq!((finding.problem, &finding.file), (Problem::DuplicateKey, &Some(kept.first_file())));
    assert_eq!(finding.found, "id=6 is in it 2 times");
    assert_eq!(kept.verify(true).await.unwrap().findings, [], "the quick look does not read keys");
}

#[tokio::test]
async fn in_little_memory_the_keys_are_looked_at_in_several_passes() {
    let kept = Kept::new(json!({"primary_key": "id", "write_disposition": "replace"}));
    kept.run(items(1, 10)).await;
    forge(&kept, (0..500).chain([3, 77, 499]).collect());
    let verified = kept.verify_within(false, 1 << 10).await.unwrap();
    let mut keys: Vec<_> = verified.findings.iter().map(|finding| finding.found.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["id=3 is in it 2 times", "id=499 is in it 2 times", "id=77 is in it 2 times"]);
}

#[tokio::test]
async fn keys_may_repeat_across_runs_that_append_and_not_within_one() {
    let kept = Kept::new(json!({"primary_key": "id", "write_disposition": "append"}));
    kept.run(items(1, 10)).await;
    kept.run(items(1, 10)).await;
    assert_eq!(kept.problems().await, []);
    // Told to be one run's, the same rows are duplicates.
    kept.change_commit(2, |commit| commit["operation"] = json!("merge"));
    let findings = kept.findings().await;
    assert_eq!(findings.len(), 10, "{findings:#?}");
    let second = kept.data_files().remove(1);
    assert!(findings.iter().any(|finding| finding.found == format!("id=1 is also in {second}")), "{findings:#?}");
}

#[tokio::test]
async fn a_table_of_another_pipeline_is_an_error() {
    let kept = partitioned().await;
    kept.change_commit(1, |commit| commit["identity"]["pipeline"] = json!("other"));
    assert_eq!(kept.verify(false).await.unwrap_err().code(), "another_table");
}

#[tokio::test]
async fn what_a_dead_run_left_is_told_and_left_alone() {
    let kept = partitioned().await;
    let attempt = kept.table().join("_restlake/staging/00000000000000000002-0badcafe");
    fs::create_dir_all(&attempt).unwrap();
    fs::write(attempt.join("part-0000000002-00000-00000.parquet.staged"), "half").unwrap();
    let finding = only_finding(&kept).await;
    assert_eq!(finding.problem, Problem::DeadAttempt);
    assert!(attempt.exists());
}

#[tokio::test]
async fn versions_of_rows_that_change_again_and_again_under_one_boundary_are_no_duplicates() {
    let disposition = json!({"disposition": "merge", "strategy": "scd2", "boundary_timestamp": "2026-01-01T00:00:00Z"});
    let kept = Kept::new(json!({"primary_key": "id", "write_disposition": disposition}));
    for name in ["a", "b", "a", "b", "c"] {
        kept.run(vec![json!({"id": 1, "name": name}), json!({"id": 2, "name": "same"})]).await;
    }
    assert_eq!(kept.verify(false).await.unwrap().rows, 6);
    assert_eq!(kept.findings().await, []);
}

#[tokio::test]
async fn a_commit_that_its_living_run_is_about_to_publish_is_no_finding() {
    let kept = Kept::partitioned("append");
    kept.run(items(1, 20)).await;
    let commit = fs::read(kept.table().join("_restlake/commits/00000000000000000001.json")).unwrap();
    let commit: Value = serde_json::from_slice(&commit).unwrap();
    let (staged, path) = (commit["adds"][0]["staged"].as_str().unwrap(), commit["adds"][0]["path"].as_str().unwrap());
    let staged = kept.table().join(staged);
    fs::create_dir_all(staged.parent().unwrap()).unwrap();
    fs::rename(kept.table().join(path), &staged).unwrap();
    assert_eq!(kept.problems().await, [Problem::UnpublishedCommit]);
    let now = chrono::Utc::now().to_rfc3339();
    let owner =
        json!({"host": "elsewhere", "machine": "m", "pid": 1, "started": 1, "started_at": now, "renewed_at": now});
    fs::write(staged.parent().unwrap().join("owner.json"), owner.to_string()).unwrap();
    assert_eq!(kept.problems().await, []);
}

/// A table that somebody else changes while it is looked at.
struct Changing<'a> {
    inner: Box<dyn TableFormat>,
    /// Versions that are there already when the look begins, and those that come while it lasts.
    versions: std::sync::atomic::AtomicU64,
    /// Happens when the files have been listed.
    when_listed: Box<dyn Fn() + Send + Sync + 'a>,
    /// Happens between two looks.
    between: Box<dyn Fn() + Send + Sync + 'a>,
    /// For how many looks it goes on.
    looks: u64,
}

#[async_trait::async_trait]
impl TableFormat for Changing<'_> {
    fn workspace(&self) -> &restlake::commit::Workspace {
        self.inner.workspace()
    }
    async fn snapshot(&self) -> restlake::Result<TableSnapshot> {
        self.inner.snapshot().await
    }
    async fn snapshot_at(&self, version: u64) -> restlake::Result<TableSnapshot> {
        self.inner.snapshot_at(version).await
    }
    async fn newest(&self) -> restlake::Result<u64> {
        // Asked before each look and after it.
        let calls = self.versions.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        if calls % 2 == 1 {
            (self.between)();
        }
        Ok(calls.min(2 * self.looks))
    }
    async fn commit_at(&self, version: u64) -> restlake::Result<Option<CommitRecord>> {
        self.inner.commit_at(version).await
    }
    async fn recover(&self) -> restlake::Result<()> {
        Ok(())
    }
    async fn check_format(&self) -> restlake::Result<()> {
        Ok(())
    }
    async fn removed(&self) -> restlake::Result<std::collections::BTreeSet<String>> {
        (self.when_listed)();
        Ok(Default::default())
    }
    async fn attempts(&self) -> restlake::Result<Vec<AttemptRecord>> {
        self.inner.attempts().await
    }
    async fn commit(&self, base: u64, commit: restlake::model::Commit) -> restlake::Result<CommitOutcome> {
        self.inner.commit(base, commit).await
    }
}

#[tokio::test]
async fn what_goes_while_it_is_looked_at_is_looked_at_again_and_at_last_said_to_keep_changing() {
    let kept = partitioned().await;
    let (file, aside) = (kept.table().join(kept.first_file()), kept.folder.path().join("aside"));
    for (looks, quick) in [(1, true), (1, false), (2, true), (3, true), (3, false)] {
        let lake = kept.keeper();
        let resource = &lake.plan().resources[0];
        let table = Changing {
            inner: lake.look(resource).unwrap(),
            versions: 0.into(),
            when_listed: Box::new(|| {
                let _ = fs::rename(&file, &aside);
            }),
            between: Box::new(|| fs::rename(&aside, &file).unwrap()),
            looks,
        };
        let options = VerifyOptions { quick, memory: 1 << 30, format: lake.plan().table_format };
        let error = maintain::verify(&table, &lake.identity(resource), resource, &options).await;
        let calls = table.versions.load(std::sync::atomic::Ordering::SeqCst);
        if looks == 3 {
            let error = error.unwrap_err();
            assert_eq!((error.code(), error.is_retryable(), calls), ("table_changing", true, 6));
        } else {
            let problems: Vec<_> = error.unwrap().findings.into_iter().map(|finding| finding.problem).collect();
            assert_eq!(
                (problems, calls),
                (vec![Problem::MissingFile], 2 * looks + 2),
                "still missing at the last look"
            );
        }
    }
    assert_eq!(kept.problems().await, []);
}
