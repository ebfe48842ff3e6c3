//! Why the config ends or begins a page sequence elsewhere than the API does.

use crate::plan::{PaginatorPlan, ResourcePlan};

/// What the config leaves out.
pub(super) fn by_config(resource: &ResourcePlan) -> Option<String> {
    if resource.max_pages.is_some() {
        return Some(
            "the export may have ended before the source's list did (a maximum number of pages is set)".to_owned(),
        );
    }
    let paginator = match &resource.paginator {
        PaginatorPlan::SingleEntity { list } => list,
        other => other,
    };
    let (maximum, middle) = match paginator {
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
