//! `compact: auto`: after a commit that leaves a partition with too many small files, they are joined, as a version of its own.
//!
//! The run's rows are committed before; that joining fails is a warning and no failure of the run.

use super::{
    outcome::{Committed, Counters},
    resource::Export,
};
use crate::{
    commit::TableFormat,
    error::{Result, chain},
    maintain::{CompactOptions, compact, is_fragmented},
    report::Event,
};

impl Export<'_> {
    /// What was committed, with the table as it is after its small files were joined.
    pub(super) async fn compacted(
        &self,
        table: &dyn TableFormat,
        committed: Committed,
        counters: &mut Counters,
    ) -> Committed {
        let Some(above) = self.resource.compact_above else { return committed };
        match self.compact(table, above, &committed).await {
            Ok(Some(after)) => after,
            Ok(None) => committed,
            Err(error) => {
                let message = format!("the small files were not joined: {}", chain(&error));
                tracing::warn!(resource = self.resource.name, "{message}");
                self.reporter.on_event(&Event::Warning { resource: &self.resource.name, message: &message });
                counters.warnings.push(message);
                committed
            }
        }
    }

    async fn compact(&self, table: &dyn TableFormat, above: u64, committed: &Committed) -> Result<Option<Committed>> {
        let target_size = self.resource.parquet.target_file_size;
        if !is_fragmented(&table.snapshot().await?, target_size, above) {
            return Ok(None);
        }
        let options = CompactOptions {
            target_size,
            min_files: above.saturating_add(1),
            memory: self.memory,
            rewrite_schema: false,
            run_id: self.run_id.to_owned(),
        };
        let resource = committed.plan.as_deref().unwrap_or(self.resource);
        compact(table, &self.identity(), resource, self.environment, &options).await?;
        let snapshot = table.snapshot().await?;
        // Of the files that the run wrote, those that are still there, and what the others were joined into.
        let is_new = |path: &str| committed.files.iter().any(|file| file.path == path);
        let joined = table.commit_at(snapshot.version).await?.map(|record| record.adds).unwrap_or_default();
        let files = snapshot.files.into_iter().filter(|file| is_new(&file.path) || joined.contains(file));
        Ok(Some(Committed {
            version: snapshot.version,
            table_rows: snapshot.rows,
            files: files.collect(),
            ..committed.clone()
        }))
    }
}
