//! `write_disposition`: what a run does with the rows that the table has, and by which strategy.

use super::Overrides;
use crate::{
    config::{Place, Section},
    plan::{MergeStrategy, Scd2Plan, WriteDisposition},
};

/// A resource's write disposition. Its options are those of the object; written as a word alone, it has none.
pub struct Disposition<'a> {
    /// As the config has it.
    pub written: WriteDisposition,
    /// As the run goes.
    pub effective: WriteDisposition,
    /// The merge's, its columns still open; `Upsert` where nothing is merged.
    pub strategy: MergeStrategy,
    pub options: Section<'a>,
    pub place: Place,
}

/// `None` if it is wrong.
pub fn resolve<'a>(resource: &Section<'a>, overrides: &Overrides) -> Option<Disposition<'a>> {
    let options = resource.section("write_disposition");
    let word = resource.text("write_disposition").or_else(|| options.text("disposition"))?.value;
    let written = match word.as_str() {
        "append" => WriteDisposition::Append,
        "replace" => WriteDisposition::Replace,
        "merge" => WriteDisposition::Merge,
        "skip" => WriteDisposition::Skip,
        _ => return None,
    };
    let strategy = match written {
        WriteDisposition::Merge => strategy(resource, &options)?,
        _ => MergeStrategy::Upsert,
    };
    // Whoever skips a resource wants it left alone.
    let replaces = overrides.full_refresh && written != WriteDisposition::Skip;
    let effective = if replaces { WriteDisposition::Replace } else { written };
    Some(Disposition { written, effective, strategy, place: resource.place_of("write_disposition").clone(), options })
}

/// A `merge_key` means nothing to an upsert, and in dlt a merge with one is a `delete-insert` unless it says otherwise.
fn strategy(resource: &Section<'_>, options: &Section<'_>) -> Option<MergeStrategy> {
    if !options.is_written("strategy") {
        let has_merge_key = is_named(resource, "merge_key");
        return Some(if has_merge_key { MergeStrategy::DeleteInsert } else { MergeStrategy::Upsert });
    }
    Some(match options.text("strategy")?.value.as_str() {
        "upsert" => MergeStrategy::Upsert,
        "delete-insert" => MergeStrategy::DeleteInsert,
        "insert-only" => MergeStrategy::InsertOnly,
        "scd2" => MergeStrategy::Scd2(Scd2Plan::default()),
        _ => return None,
    })
}

/// Whether columns are named for this, rightly or not: by the resource's own key or by a hint.
pub fn is_named(resource: &Section<'_>, key: &str) -> bool {
    let hinted = resource.mapped("columns").iter().any(|(_, hint)| hint.flag(key) == Some(true));
    let listed = resource.is_written(key) && resource.get(key).is_none_or(|_| !resource.one_or_many(key).is_empty());
    hinted || listed
}

impl Disposition<'_> {
    pub fn merges(&self) -> bool {
        self.written == WriteDisposition::Merge
    }

    pub fn is_scd2(&self) -> bool {
        matches!(self.strategy, MergeStrategy::Scd2(_))
    }
}
