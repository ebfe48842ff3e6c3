//! The paginators that are tried where more records are known to exist and nothing leads on.
//!
//! Positions that the answer repeats come first, then the usual parameters. A parameter that the API does not have is mostly
//! ignored, and the first page comes again: the driver takes a probe only if no record of the first page is on its second one.

use super::{Plan, Total, scan::Scan};
use crate::plan::{PaginatorPlan, Slot};

/// Requests that are sent in vain at most.
pub(super) const MAX: usize = 8;

/// The usual parameters with the page size that goes with an offset; a page number has none.
const USUAL: [Probe; 9] = [
    Probe::Offset("offset", "limit"),
    Probe::Page("page"),
    Probe::Offset("skip", "limit"),
    Probe::Offset("start", "rows"),
    Probe::Offset("startAt", "maxResults"),
    Probe::Offset("from", "size"),
    Probe::Offset("$skip", "$top"),
    Probe::Page("page[number]"),
    Probe::Page("pagination[page]"),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Probe {
    Offset(&'static str, &'static str),
    Page(&'static str),
}

impl Probe {
    fn param(self) -> &'static str {
        match self {
            Self::Offset(param, _) | Self::Page(param) => param,
        }
    }
}

impl Scan<'_> {
    /// Returns the paginators to try, the likeliest first. `above` is a total that more records are known by.
    pub fn probes(&self, above: Option<&Total>) -> Vec<Plan> {
        if !self.is_list() || self.page.count == 0 {
            return Vec::new();
        }
        let is_in_pagination = self.page_echo().is_some_and(|echo| {
            echo.path().keys().is_some_and(
                |keys| matches!(keys.as_slice(), [.., above, key] if above == "pagination" && key == "page"),
            )
        });
        let strapi = is_in_pagination.then_some(Probe::Page("pagination[page]"));
        let mut plans: Vec<Plan> = strapi.into_iter().flat_map(|probe| self.plans_of(probe, above)).collect();
        plans.extend(self.bare_offset(above));
        plans.extend(self.page_echo().and_then(|echo| self.page_plan_of(&echo, above)));
        let echoed: Vec<Slot> = plans.iter().filter_map(|(plan, _)| position_param(plan)).collect();
        let is_new = |probe: &Probe| !echoed.contains(&Slot::param(probe.param()));
        let first = self.convention();
        let rest = USUAL.into_iter().filter(|probe| Some(*probe) != first);
        let usual = first.into_iter().chain(rest).filter(is_new);
        plans.extend(usual.flat_map(|probe| self.plans_of(probe, above)));
        plans
    }

    /// Returns the parameter of the convention that the answer follows by other signs: OData, JSON:API.
    fn convention(&self) -> Option<Probe> {
        let has =
            |start: &str| self.page.root.fields().any(|(key, _)| key.text().is_ok_and(|key| key.starts_with(start)));
        if has("@odata.") || has("odata.") {
            return Some(Probe::Offset("$skip", "$top"));
        }
        has("jsonapi").then_some(Probe::Page("page[number]"))
    }

    fn plans_of(&self, probe: Probe, above: Option<&Total>) -> Vec<Plan> {
        let asked = self.asked(probe.param());
        let number = asked.as_ref().map(|text| text.trim().parse::<u64>());
        match (probe, number) {
            // A filter of the request, e.g. a date, which the probe would replace.
            (_, Some(Err(_))) => Vec::new(),
            (Probe::Offset(param, limit), number) => {
                let offset = number.and_then(Result::ok).unwrap_or(0);
                vec![self.offset_plan(param, Some(limit), (offset, self.page.count), above)]
            }
            (Probe::Page(param), Some(Ok(page))) => vec![self.page_plan(param, page.min(1), page, above)],
            (Probe::Page(param), None) => {
                self.bases(param, above).iter().map(|base| self.page_plan(param, *base, *base, above)).collect()
            }
        }
    }

    /// Returns the number that the first page may have. Where pages are counted from 0, a walk that begins with 1 leaves out a
    /// page: a total shows that, and without one 0 is tried first.
    fn bases(&self, param: &str, above: Option<&Total>) -> &'static [u64] {
        match self.page_echo().map(|echo| echo.value) {
            Some(0) => &[0],
            Some(1) => &[1],
            _ if above.is_none() && param == "page" => &[0, 1],
            _ => &[1],
        }
    }
}

fn position_param(plan: &PaginatorPlan) -> Option<Slot> {
    match plan {
        PaginatorPlan::Offset(plan) => Some(plan.offset_param.clone()),
        PaginatorPlan::PageNumber(plan) => Some(plan.page_param.clone()),
        _ => None,
    }
}
