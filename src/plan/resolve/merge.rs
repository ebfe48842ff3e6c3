//! How a merge goes about it: its keys, which records delete, what happens to rows that are missing. What contradicts itself is
//! an error, what is merely without effect a warning.

use super::{
    columns::Columns,
    disposition::{Disposition, is_named},
    load_columns::Validity,
    schema::{self, Hints},
};
use crate::{
    config::{Findings, Located, Place, Section, notation},
    plan::{MergePlan, MergeStrategy, Scd2Plan, WriteDisposition},
    schema::{ColumnType, ColumnsContract},
};

/// A merge by key needs a key, and one row of each. Told before the columns are looked at, which may be wrong themselves.
pub fn check_key(resource: &Section<'_>, disposition: &Disposition<'_>, findings: &mut Findings) {
    if !disposition.merges() {
        return;
    }
    let has_key = is_named(resource, "primary_key");
    let help = match disposition.strategy {
        _ if has_key => None,
        MergeStrategy::Scd2(_) => None,
        MergeStrategy::DeleteInsert if is_named(resource, "merge_key") => None,
        MergeStrategy::DeleteInsert => Some("set `primary_key` or `merge_key`, or append"),
        _ => Some("set `primary_key`, or append"),
    };
    if let Some(help) = help {
        findings.error(&disposition.place, "merge needs a key", Some(help.to_owned()));
    }
    if resource.flag("dedup") == Some(false) && (has_key || help.is_some()) {
        let message = "merge keeps one row of each key, `dedup: false` all of them";
        findings.error(resource.place_of("dedup"), message, Some("remove it, or append".to_owned()));
    }
}

/// Versions of a row are told apart by all of its columns: those have to be known before the first one.
fn check_versions(resource: &Section<'_>, disposition: &Disposition<'_>, findings: &mut Findings) {
    let evolves = schema::contract(resource).is_some_and(|contract| contract.columns == ColumnsContract::Evolve);
    if evolves && disposition.is_scd2() {
        let message = "`scd2` compares rows by all of their columns, and cannot do so while columns are added";
        let help = "declare the columns, and let `schema_contract.columns` be `discard_value`";
        findings.error(&disposition.place, message, Some(help.to_owned()));
    }
}

/// What is written, as far as a merge makes use of it.
pub struct Merge<'a> {
    pub resource: &'a Section<'a>,
    pub disposition: &'a Disposition<'a>,
    pub columns: &'a Columns<'a>,
    pub hints: &'a Hints,
    pub primary_key: &'a [usize],
}

/// Whether rows that a run does not bring are to go, by what is written alone.
pub fn deletes_missing(resource: &Section<'_>, disposition: &Disposition<'_>) -> bool {
    let places = [&disposition.options, resource];
    places.iter().any(|section| section.text("on_missing").is_some_and(|word| word.value == "delete"))
}

/// Keys that mean something to another disposition or strategy.
pub fn idle(resource: &Section<'_>, disposition: &Disposition<'_>) -> Vec<String> {
    let merges = disposition.merges();
    let mut idle = Vec::new();
    let options = &disposition.options;
    if !merges && options.is_written("strategy") {
        idle.push("`strategy` has no effect: it is for merge".to_owned());
    }
    let of_scd2 = ["validity_column_names", "active_record_timestamp", "boundary_timestamp"];
    for key in of_scd2.into_iter().filter(|key| !disposition.is_scd2() && options.is_written(key)) {
        idle.push(format!("`{key}` has no effect: it is for the strategy scd2"));
    }
    let by_merge_key = merges && matches!(disposition.strategy, MergeStrategy::DeleteInsert | MergeStrategy::Scd2(_));
    if !by_merge_key && is_named(resource, "merge_key") {
        idle.push("`merge_key` has no effect: it is for merge, by the strategies delete-insert and scd2".to_owned());
    }
    idle
}

impl Merge<'_> {
    /// The plan, with the places of the columns that say when a version of a row holds, where there are such.
    pub fn resolve(
        &self,
        validity: Option<Validity>,
        warnings: &mut Vec<String>,
        findings: &mut Findings,
    ) -> Option<MergePlan> {
        warnings.extend(idle(self.resource, self.disposition));
        let names = self.resource.texts("merge_key");
        let merge_key = self.columns.all(names, &self.hints.merge_key, "a merge key", findings);
        let delete_missing = self.delete_missing(warnings, findings);
        let strategy = match (&self.disposition.strategy, validity) {
            (MergeStrategy::Scd2(_), Some(validity)) => {
                MergeStrategy::Scd2(versions(self.disposition, &validity, findings)?)
            }
            (MergeStrategy::Scd2(_), None) => return None,
            (strategy, _) => strategy.clone(),
        };
        let hard_delete = self.hard_delete(warnings, findings);
        check_versions(self.resource, self.disposition, findings);
        Some(MergePlan { strategy, merge_key, hard_delete, delete_missing })
    }

    /// The column of dlt's hint `hard_delete`.
    fn hard_delete(&self, warnings: &mut Vec<String>, findings: &mut Findings) -> Option<usize> {
        let last = self.hints.hard_delete.last()?;
        if !self.disposition.merges() {
            warnings.push("`hard_delete` has no effect: it is for merge".to_owned());
            return None;
        }
        let column = self.columns.get(last.value)?;
        let wrong = match self.disposition.strategy {
            _ if self.hints.hard_delete.len() > 1 => Some("only one column can have `hard_delete`".to_owned()),
            MergeStrategy::InsertOnly => Some("`insert-only` never deletes a row".to_owned()),
            MergeStrategy::Scd2(_) => {
                Some("`scd2` keeps old versions of rows; `hard_delete` would remove them".to_owned())
            }
            _ if column.data_type != ColumnType::Bool && !column.nullable => {
                Some(format!("`{}` is never null, so every record would delete its row", column.name))
            }
            _ => None,
        };
        match wrong {
            Some(message) => {
                findings.error(&last.place, message, None);
                None
            }
            None => Some(last.value),
        }
    }

    fn delete_missing(&self, warnings: &mut Vec<String>, findings: &mut Findings) -> bool {
        let Some(word) = self.on_missing(findings).filter(|word| word.value == "delete") else { return false };
        let wrong = match (self.disposition.written, &self.disposition.strategy) {
            (WriteDisposition::Merge, MergeStrategy::InsertOnly) => "`insert-only` never deletes a row",
            (WriteDisposition::Merge, MergeStrategy::Scd2(_)) => {
                "`scd2` keeps old versions of rows, and retires those that are missing"
            }
            (WriteDisposition::Merge, _) if self.primary_key.is_empty() => {
                "`on_missing: delete` needs a `primary_key`, by which rows are missing"
            }
            (WriteDisposition::Merge, _) => return true,
            (WriteDisposition::Append, _) => "`append` never deletes a row",
            (WriteDisposition::Replace | WriteDisposition::Skip, _) => {
                warnings.push("`on_missing` has no effect: it is for merge".to_owned());
                return false;
            }
        };
        findings.error(&word.place, wrong, Some("leave `on_missing` out".to_owned()));
        false
    }

    /// What the resource says, or the object of its write disposition; they may not say different things.
    fn on_missing(&self, findings: &mut Findings) -> Option<Located<String>> {
        let options = &self.disposition.options;
        let key = "on_missing";
        if !options.is_written(key) {
            return self.resource.text(key);
        }
        let own = options.text(key)?;
        if self.resource.is_written(key) && self.resource.text(key).is_some_and(|other| other.value != own.value) {
            let help = format!("it stands at {} too; leave one of them out", self.resource.place_of(key).path);
            findings.error(&own.place, "`on_missing` is said twice, and differently", Some(help));
            return None;
        }
        Some(own)
    }
}

/// When versions of rows begin and end.
fn versions(disposition: &Disposition<'_>, validity: &Validity, findings: &mut Findings) -> Option<Scd2Plan> {
    let options = &disposition.options;
    let active = moment(options, "active_record_timestamp")?;
    let boundary = moment(options, "boundary_timestamp")?;
    if boundary.is_some() && boundary == active {
        let place: &Place = options.place_of("boundary_timestamp");
        let message = "old versions would end at `active_record_timestamp`, as if they still held";
        findings.error(place, message, Some("let them differ".to_owned()));
    }
    Some(Scd2Plan { valid_from: validity.from, valid_to: validity.to, active, boundary })
}

/// Microseconds since 1970; the outer `None` if what is written is wrong.
#[expect(clippy::option_option, reason = "wrong and left out are two things")]
fn moment(options: &Section<'_>, key: &str) -> Option<Option<i64>> {
    if !options.is_written(key) {
        return Some(None);
    }
    notation::moment(&options.text(key)?.value).map(Some)
}
