//! What becomes of a resource's rows by what is known of their completeness: the verdict of `fetch` and the keys that dedup
//! saw twice are joined here, and `on_incomplete` decides.
//!
//! ```text
//! fetch: verdict, suspicion ─┐
//! dedup: keys came twice ────┴─► complete / unproven / incomplete ─► commit all │ rows up to a page │ nothing
//! ```

use super::{RunError, outcome::Counters};
use crate::{
    dedup::Again,
    fetch::{Suspicion, Verdict},
    plan::{IncrementalPlan, MergeStrategy, OnDrift, OnIncomplete, ResourcePlan, WriteDisposition},
    report::counted,
};

/// How far the cursor may move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// To the newest value that came.
    Everything,
    /// To the newest value of the pages up to this number, if values ascend from page to page; else not at all.
    Page(u64),
}

/// Joins what dedup knows of keys with what the pages have shown.
pub(super) fn join(counters: &mut Counters, again: Option<Again>) {
    let Some(again) = again else { return };
    let distinct = counters.total.map(|(total, received)| (total, received.saturating_sub(again.rows)));
    let (what, page) = match (distinct, again.first) {
        (Some((total, distinct)), Some((_, page))) if total > distinct => {
            (format!("{distinct} distinct records came, and the API reports {total}"), page)
        }
        (_, Some((rows, page))) => (came_twice(rows), page),
        _ => return,
    };
    let message = match again.first {
        Some((rows, _)) if distinct.is_some() => format!("{what}: {}", came_twice(rows)),
        _ => what,
    };
    let message = format!("{message}; rows moved while pages were read, and others may be missing");
    let is_settled = counters.passes_agree;
    counters.suspect(Suspicion { what: message, trusted_pages: page, is_settled });
}

/// Returns the reason why rows that moved between pages may have hidden others.
pub(super) fn came_twice(rows: u64) -> String {
    format!("{} came twice, on pages that do not follow each other", counted(rows, "key"))
}

impl Counters {
    /// Records a reason to doubt that all rows came. The earliest page counts, since the cursor may not move beyond it.
    pub(super) fn suspect(&mut self, suspicion: Suspicion) {
        if self.verdict == Some(Verdict::Complete) {
            self.verdict = Some(Verdict::Unproven);
        }
        self.shortfall.get_or_insert_with(|| suspicion.what.clone());
        self.warnings.push(suspicion.what.clone());
        match &mut self.suspicion {
            Some(known) => known.trusted_pages = known.trusted_pages.min(suspicion.trusted_pages),
            None => self.suspicion = Some(suspicion),
        }
    }

    /// How far the cursor may move by what is known now.
    pub(super) fn reach(&self, resource: &ResourcePlan) -> Reach {
        let keeps = resource.on_incomplete == OnIncomplete::Keep;
        match (&self.verdict, &self.suspicion) {
            // Both passes agree, or only the number of all records does not: no page is known to lack a row.
            (Some(Verdict::Incomplete(_)), Some(suspicion)) if keeps => Reach::Page(suspicion.trusted_pages),
            (_, Some(suspicion)) if suspicion.is_settled || suspicion.trusted_pages >= self.pages => Reach::Everything,
            (_, Some(suspicion)) => Reach::Page(suspicion.trusted_pages),
            (Some(Verdict::Incomplete(_)), None) if keeps => Reach::Page(u64::MAX),
            _ => Reach::Everything,
        }
    }

    /// Whether later windows may be committed: not beyond records that are missing.
    pub(super) fn is_trusted(&self, resource: &ResourcePlan) -> bool {
        let warns = resource.on_incomplete == OnIncomplete::Warn;
        let is_incomplete = matches!(self.verdict, Some(Verdict::Incomplete(_))) && !warns;
        self.suspicion.as_ref().is_none_or(|suspicion| suspicion.is_settled) && !is_incomplete
    }
}

/// Refuses what may not become the table: an incomplete result set, and one that never came to rest under `on_drift: refetch`.
///
/// # Errors
/// [`RunError::Incomplete`] and [`RunError::Moved`].
pub(super) fn check(resource: &ResourcePlan, counters: &mut Counters) -> Result<(), RunError> {
    if let Some(Verdict::Incomplete(incomplete)) = &counters.verdict {
        match resource.on_incomplete {
            OnIncomplete::Warn => {
                let warning = format!("incomplete: {}", incomplete.reason);
                counters.warnings.push(warning);
            }
            OnIncomplete::Keep if may_keep(resource) => {}
            OnIncomplete::Keep | OnIncomplete::Fail => return Err(incomplete_error(resource, counters)),
        }
    }
    let replaces = resource.write_disposition == WriteDisposition::Replace && resource.on_drift == OnDrift::Refetch;
    // What could not be read again, since the config cuts it or it has many sequences, is committed with its warning.
    let is_moving = replaces && counters.was_read_again;
    match counters.suspicion.as_ref().filter(|suspicion| is_moving && !suspicion.is_settled) {
        Some(suspicion) => Err(RunError::Moved { resource: resource.name.clone(), what: suspicion.what.clone() }),
        None => Ok(()),
    }
}

/// Whether a part of the rows can be committed without a wrong table.
fn may_keep(resource: &ResourcePlan) -> bool {
    match resource.write_disposition {
        WriteDisposition::Append => {
            resource.max_pages.is_none() && resource.incremental.as_ref().is_some_and(IncrementalPlan::moves_cursor)
        }
        // Without a key, what comes takes the place of all rows of its `merge_key`.
        WriteDisposition::Merge => {
            resource.merge.strategy != MergeStrategy::DeleteInsert || !resource.primary_key.is_empty()
        }
        WriteDisposition::Replace | WriteDisposition::Skip => false,
    }
}

/// Returns true if the next run reads only the incomplete lists of the resource again. Where a part of the rows is committed, it
/// reads all: the checkpoint ends with the commit.
pub(super) fn retries_lists(resource: &ResourcePlan) -> bool {
    let commits_nothing = match resource.on_incomplete {
        OnIncomplete::Fail => true,
        OnIncomplete::Keep => !may_keep(resource),
        OnIncomplete::Warn => false,
    };
    // Without a key, rows of the first read are dropped by their place: a merge has looked at what they hold by then.
    let can_drop = resource.deduplicates()
        || resource.write_disposition != WriteDisposition::Merge
            && !matches!(resource.merge.strategy, MergeStrategy::Scd2(_));
    resource.parent.is_some() && commits_nothing && can_drop
}

/// The error of a result set that is known to be incomplete; of one that is not, a bug.
pub(super) fn incomplete_error(resource: &ResourcePlan, counters: &Counters) -> RunError {
    let (reason, received, expected) = match &counters.verdict {
        Some(Verdict::Incomplete(incomplete)) => (incomplete.reason.clone(), incomplete.received, incomplete.expected),
        _ => (String::new(), counters.rows_fetched, None),
    };
    let paginator = counters.paging.as_ref().and_then(|paging| paging.paginator.clone());
    let is_single = resource.paginator.word() == "auto" && is_single_page(paginator.as_ref());
    RunError::Incomplete {
        resource: resource.name.clone(),
        reason,
        received,
        expected,
        kept: resource.on_incomplete == OnIncomplete::Keep && may_keep(resource),
        retries_lists: counters.retries_lists,
        is_single,
        pin: pin(paginator.as_ref()),
    }
}

fn is_single_page(paginator: Option<&serde_json::Value>) -> bool {
    paginator.and_then(|paginator| paginator.get("type")?.as_str()).is_none_or(|word| word == "single_page")
}

/// The paginator's line without totals, to be pasted.
fn pin(paginator: Option<&serde_json::Value>) -> String {
    let entries = paginator.and_then(serde_json::Value::as_object);
    let kept = entries.into_iter().flatten().filter(|(key, _)| !key.starts_with("total_"));
    let kept = kept.map(|(key, value)| match value.as_str() {
        Some(text) if text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => format!("{key}: {text}"),
        _ => format!("{key}: {value}"),
    });
    let kept: Vec<_> = kept.collect();
    let kept = if kept.is_empty() { vec!["type: auto".to_owned()] } else { kept };
    format!("paginator: {{{}, total_path: null}}", kept.join(", "))
}
