//! Delta tables: the suite, and what lies in the log and beside it, read by hand.

use restlake::commit::{DeltaTable, TableFormat};

use super::{
    crash,
    fixture::{Format, Lake, TABLE},
};

pub const DELTA: Format = Format {
    open: |store, identity, environment, processes| {
        Box::pin(async move {
            let table = DeltaTable::open_with(store, TABLE, identity, environment, processes).await?;
            Ok(Box::new(table) as Box<dyn TableFormat>)
        })
    },
    is_globbed: false,
    plain_name: without_turn,
};

/// `part-<version>-<position>-<sequence>-<turn>.parquet` without its turn.
fn without_turn(path: &str) -> String {
    let (directory, name) = path.rsplit_once('/').unwrap();
    let parts: Vec<_> = name.trim_end_matches(".parquet").split('-').take(4).collect();
    format!("{directory}/{}.parquet", parts.join("-"))
}

conformance!(DELTA);

#[tokio::test]
async fn a_process_killed_before_any_operation_leaves_the_old_or_the_new_table_in_memory() {
    crash::a_process_killed_before_any_operation_leaves_the_old_or_the_new_table(Lake::memory(DELTA).await).await;
}

#[tokio::test]
async fn a_process_killed_before_any_operation_leaves_the_old_or_the_new_table_on_disk() {
    crash::a_process_killed_before_any_operation_leaves_the_old_or_the_new_table(Lake::local(DELTA).await).await;
}
