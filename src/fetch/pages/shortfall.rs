//! Why the config ends or begins a page sequence elsewhere than the API does.

use crate::plan::{PaginatorPlan, ResourcePlan};

/// Limits of a page sequence by the config.
#[derive(Clone, Debug, Default)]
pub(super) struct Cut {
    /// Reason, if it begins within the API's sequence.
    begins: Option<String>,
    /// Reason, if it may end before the API's does.
    ends: Option<String>,
    /// It has ended there.
    pub(super) is_reached: bool,
}

impl Cut {
    pub(super) fn by_config(resource: &ResourcePlan) -> Self {
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
            _ => (None, None),
        };
        let ended = |by: &str| format!("the export may have ended before the source's list did ({by})");
        let by_maximum = maximum.map(|key| ended(&format!("`{key}` is set")));
        let by_pages = resource.max_pages.map(|_| ended("a maximum number of pages is set"));
        Self {
            begins: middle.map(|key| format!("the export began within the source's list (`{key}` is set)")),
            ends: by_pages.or(by_maximum),
            is_reached: resource.max_pages == Some(0),
        }
    }

    /// The reason why records are missing for certain, or may be.
    pub(super) fn reason(&self) -> Option<&String> {
        self.ends.as_ref().filter(|_| self.is_reached).or(self.begins.as_ref())
    }

    /// Returns true if the config names an end.
    pub(super) fn is_bounded(&self) -> bool {
        self.ends.is_some()
    }
}
