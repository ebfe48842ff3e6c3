//! Proof that whole numbers of a table's files are exact as doubles, by the statistics in their footers alone.

use futures::{StreamExt, TryStreamExt, stream};
use parquet::file::{
    metadata::{ColumnChunkMetaData, RowGroupMetaData},
    statistics::Statistics,
};

use super::{MergeError, footer::read_metadata};
use crate::{model::DataFile, schema::change::LARGEST_EXACT, store::TableStore};

/// Footers read at a time.
const FOOTERS: usize = 8;

/// Returns true if every value of these leaf columns, named by their paths in the file, is at most 2^53 in magnitude. False where
/// statistics do not say.
///
/// # Errors
/// The store's, a file that is gone or is no longer what its commit says.
pub async fn are_doubles(table: &TableStore, files: &[DataFile], leaves: &[Vec<String>]) -> Result<bool, MergeError> {
    let with_rows = files.iter().filter(|file| file.rows > 0);
    let checks = stream::iter(with_rows.map(|file| is_within(table, file, leaves)));
    checks.buffer_unordered(FOOTERS).try_all(async |is_within| is_within).await
}

async fn is_within(table: &TableStore, file: &DataFile, leaves: &[Vec<String>]) -> Result<bool, MergeError> {
    let metadata = read_metadata(table, file).await?;
    let chunks = metadata.row_groups().iter().flat_map(RowGroupMetaData::columns);
    let mut chunks = chunks.filter(|chunk| leaves.iter().any(|leaf| chunk.column_path().parts() == leaf.as_slice()));
    Ok(chunks.all(is_exact))
}

fn is_exact(chunk: &ColumnChunkMetaData) -> bool {
    let Some(Statistics::Int64(statistics)) = chunk.statistics() else { return false };
    let is_null = || statistics.null_count_opt() == u64::try_from(chunk.num_values()).ok();
    match (statistics.min_opt(), statistics.max_opt()) {
        (Some(low), Some(high)) => *low >= -LARGEST_EXACT && *high <= LARGEST_EXACT,
        _ => is_null(),
    }
}
