//! Delta tables: what lies in the log and beside it, read by hand, after commits, conflicts and crashes.

mod fixture;

use fixture::{Table, column, spec};
use restlake::{commit::CommitOutcome, model::Operation};

use crate::table_formats::fixture::{Lake, World};

#[tokio::test]
async fn an_append_adds_and_a_replace_leaves_only_its_own() {
    for lake in [Lake::memory().await, Lake::local().await, Lake::s3().await] {
        let world = World::new();
        let table = Table::open(&lake, &world).await;
        for (version, operation, rows) in
            [(1, Operation::Append, 6), (2, Operation::Append, 12), (3, Operation::Replace, 6)]
        {
            let outcome = table.write(operation, &[("active", 3), ("a/b c%", 3)], "run").await.unwrap();
            assert_eq!(outcome, CommitOutcome::Committed { version, rows });
            table.assert_whole(&lake).await;
        }
    }
}
