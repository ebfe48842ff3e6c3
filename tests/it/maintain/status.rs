//! What the tables are, and which files a version has.

use std::fs;

use restlake::{
    commit::TableFormat,
    maintain::{TableFiles, TableStatus},
};

use super::*;
use crate::support::tables::{read_file, read_table};

async fn status(kept: &Kept) -> restlake::Result<TableStatus> {
    let lake = kept.keeper();
    let resource = &lake.plan().resources[0];
    let table = lake.look(resource)?;
    maintain::status(table.as_ref(), &lake.identity(resource), resource, lake.plan().table_format).await
}

async fn files(kept: &Kept, version: Option<u64>) -> restlake::Result<TableFiles> {
    let lake = kept.keeper();
    let resource = &lake.plan().resources[0];
    let table: Box<dyn TableFormat> = lake.look(resource)?;
    maintain::files(table.as_ref(), &lake.identity(resource), resource, version).await
}

#[tokio::test]
async fn a_table_that_does_not_exist_yet_says_so_and_is_not_made() {
    let kept = Kept::partitioned("append");
    let status = status(&kept).await.unwrap();
    assert!(!status.exists && status.committed_at.is_none() && status.columns.is_empty());
    assert!(!kept.lake().exists());
    assert_eq!(files(&kept, None).await.unwrap_err().code(), "no_table");
}

#[tokio::test]
async fn the_status_is_what_the_newest_commit_and_the_files_say() {
    let kept = Kept::partitioned("append");
    kept.run(items(1, 100)).await;
    kept.run(items(101, 110)).await;
    let before = everything(kept.folder.path());
    let status = status(&kept).await.unwrap();
    let read = read_table(&kept.table());
    assert_eq!((status.exists, status.version), (true, 2));
    assert_eq!(status.rows, read.iter().map(|file| file.rows.num_rows() as u64).sum::<u64>());
    assert_eq!((status.files, status.partitions), (read.len() as u64, 4));
    let sizes = kept.data_files().iter().map(|path| fs::metadata(kept.table().join(path)).unwrap().len()).sum::<u64>();
    assert_eq!(status.bytes, sizes);
    assert_eq!(status.partition_by, ["status", "month(created_at)"]);
    assert_eq!(status.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), COLUMNS);
    assert!(status.committed_at.unwrap().ends_with('Z'));
    assert_eq!(everything(kept.folder.path()), before, "nothing was touched");
}

#[tokio::test]
async fn the_files_of_the_newest_version_can_be_opened_as_they_are_told() {
    let kept = Kept::partitioned("append");
    kept.run(items(1, 100)).await;
    kept.run(items(101, 110)).await;
    let listed = files(&kept, None).await.unwrap();
    assert_eq!((listed.table.as_str(), listed.version), ("items", 2));
    let mut rows = 0;
    for file in &listed.files {
        assert!(Path::new(&file.url).is_absolute(), "{}", file.url);
        let content = fs::read(&file.url).unwrap();
        assert_eq!(content.len() as u64, file.bytes);
        let read = read_file(&file.path, &content.into());
        assert_eq!(read.rows.num_rows() as u64, file.rows);
        assert_eq!(read.partition.into_iter().collect::<std::collections::BTreeMap<_, _>>(), file.partition);
        rows += file.rows;
    }
    assert_eq!(rows, 110);
}

#[tokio::test]
async fn an_earlier_version_can_be_read_as_long_as_its_files_are_there() {
    let kept = Kept::partitioned("append");
    kept.run(items(1, 100)).await;
    kept.run(items(101, 110)).await;
    let first = files(&kept, Some(1)).await.unwrap();
    assert_eq!(first.files.iter().map(|file| file.rows).sum::<u64>(), 100);

    let kept = Kept::partitioned("replace");
    for last in [10, 20, 30] {
        kept.run(items(1, last)).await;
    }
    let error = files(&kept, Some(2)).await.unwrap_err();
    assert_eq!(error.code(), "version_gone");
    assert_eq!(error.hint().unwrap(), "versions that can be read: 3");
    assert_eq!(files(&kept, Some(9)).await.unwrap_err().code(), "no_version");
}
