//! Why a list may not be all that its source has: told to those who take what did not come for gone.

use crate::{
    fetch::paginate::Extent,
    plan::{PaginatorPlan, ResourcePlan},
};

/// What the config leaves out.
pub(super) fn by_config(resource: &ResourcePlan) -> Option<String> {
    if resource.max_pages.is_some() {
        return Some(
            "the export may have ended before the source's list did (a maximum number of pages is set)".to_owned(),
        );
    }
    let (maximum, middle) = match &resource.paginator {
        PaginatorPlan::Offset(plan) => {
            (plan.maximum_offset.map(|_| "maximum_offset"), (plan.offset > 0).then_some("offset"))
        }
        PaginatorPlan::PageNumber(plan) => {
            (plan.maximum_page.map(|_| "maximum_page"), (plan.page > plan.base_page).then_some("page"))
        }
        _ => return None,
    };
    let maximum = maximum.map(|key| format!("the export may have ended before the source's list did (`{key}` is set)"));
    maximum.or_else(|| middle.map(|key| format!("the export began within the source's list (`{key}` is set)")))
}

/// A list whose length changes while it is read may have moved under the reader: records between two pages are lost, though
/// the numbers add up in the end.
pub(super) fn by_change(before: &Extent, now: &Extent) -> Option<String> {
    let changed = |before: Option<u64>, now: Option<u64>, what: &str| match (before, now) {
        (Some(before), Some(now)) if before != now => {
            Some(format!("the source changed while it was read (it told of {before} {what}, and then of {now})"))
        }
        _ => None,
    };
    changed(before.records, now.records, "records").or_else(|| changed(before.pages, now.pages, "pages"))
}
