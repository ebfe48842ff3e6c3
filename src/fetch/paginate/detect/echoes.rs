//! Positions that a first page repeats from its request, or from the API's defaults: `offset`, `startAt`, `page` and the like.

use super::{
    Plan, Total,
    scan::{Scan, squeezed},
    signs::{End, is_page_name},
};
use crate::{
    fetch::{completeness::totals::TotalPlace, paginate::PageToken},
    json::Selector,
    plan::{OffsetPlan, PageNumberPlan, PaginatorPlan, Slot},
};

const OFFSETS: [&str; 8] = ["offset", "skip", "start", "startat", "startindex", "from", "resultoffset", "$skip"];

/// Those of [`OFFSETS`] that mean a position wherever they are. `from` may be a date, or the number of a record.
const SURE_OFFSETS: [&str; 4] = ["offset", "skip", "start", "startat"];

const LIMITS: [&str; 12] = [
    "limit",
    "take",
    "maxresults",
    "count",
    "pagesize",
    "perpage",
    "rows",
    "size",
    "itemsperpage",
    "hitsperpage",
    "$top",
    "resultrecordcount",
];

/// Those of [`LIMITS`] that mean a page size where they are not beside an offset.
const SURE_LIMITS: [&str; 6] = ["limit", "take", "maxresults", "count", "pagesize", "perpage"];

/// A number of the answer that is the position of its page.
pub(super) struct Echo<'s> {
    path: &'s [String],
    pub value: u64,
    /// The page size beside it, and its key.
    limit: Option<(&'s str, u64)>,
}

impl Echo<'_> {
    fn key(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }

    pub fn path(&self) -> Selector {
        Selector::from_keys(self.path)
    }
}

impl Scan<'_> {
    /// Returns how many records of the result set this page reaches to, by all that is known of where it begins.
    pub fn reached(&self) -> u64 {
        let is_asked = |echo: &Echo<'_>| self.is_asked_value(echo.value);
        let offset = self.offset_echo().filter(is_asked);
        let offset = offset.map_or(0, |echo| echo.value.saturating_sub(u64::from(is_from_one(&echo))));
        let page = self.page_echo().filter(is_asked).map_or(0, |echo| {
            let size = echo.limit.map_or(self.page.count, |(_, limit)| limit.max(self.page.count));
            echo.value.saturating_sub(1).saturating_mul(size)
        });
        offset.max(page).saturating_add(self.page.received)
    }

    /// Offset and limit as the answer repeats them, or as ArcGIS and DataTables name them, where there is more than came.
    pub fn offset(&self, above: Option<&Total>) -> Option<Plan> {
        let is_more =
            self.page.count > 0 && self.is_list() && (above.is_some() || self.flags().any(|flag| flag.says_more));
        if !is_more {
            return None;
        }
        self.arcgis().or_else(|| self.datatables(above)).or_else(|| {
            let echo = self.offset_echo().filter(|echo| self.is_asked_value(echo.value))?;
            echo.limit.filter(|(_, limit)| *limit > 0)?;
            self.offset_plan_of(&echo, above)
        })
    }

    /// An offset without a limit, which is a guess: its parameter may have another name.
    pub fn bare_offset(&self, above: Option<&Total>) -> Option<Plan> {
        let echo = self.offset_echo().filter(|echo| echo.limit.is_none())?;
        let is_first = echo.value == u64::from(is_from_one(&echo));
        let is_asked = self.asked(echo.key()).is_some_and(|text| text.parse() == Ok(echo.value));
        self.offset_plan_of(&echo, above).filter(|_| is_first || is_asked)
    }

    /// Returns what a page that is full by its own limit repeats of its position, where nothing says that more follow.
    pub fn echoes_of_full_page(&self, total: Option<&Total>) -> Vec<Plan> {
        let is_all = total.is_some_and(|total| !total.place.may_count_page());
        let is_silent = self.is_list() && !is_all && !self.states_end() && self.page.count > 0;
        let is_full = |echo: &Echo<'_>| {
            let by_answer = echo.limit.is_some_and(|(_, limit)| limit == self.page.count);
            let by_request = self.page.url.query_pairs().any(|(_, value)| value == self.page.count.to_string());
            by_answer || echo.limit.is_none() && by_request
        };
        let offset = self.offset_echo().filter(|echo| is_silent && is_full(echo));
        let offset = offset.and_then(|echo| self.offset_plan_of(&echo, None));
        let page = self.page_echo().filter(|echo| is_silent && is_full(echo));
        offset.into_iter().chain(page.and_then(|echo| self.page_plan_of(&echo, None))).collect()
    }

    /// Returns `true` if the answer or the request names a limit that the page's records do not reach.
    pub fn is_short_of_limit(&self) -> bool {
        let echoes = [self.offset_echo(), self.page_echo()];
        let told = echoes.iter().flatten().filter_map(|echo| echo.limit).map(|(_, limit)| limit);
        let asked = LIMITS.into_iter().filter_map(|name| self.asked(name)?.parse().ok());
        self.is_list() && told.chain(asked).max().is_some_and(|limit| self.page.count < limit)
    }

    fn offset_echo(&self) -> Option<Echo<'_>> {
        let find = |names: &[&str], is_anywhere: bool| {
            // Spring's `pageable.offset` is computed from the number of the page: no parameter.
            let numbers = self.numbers().filter(|(path, _)| !is_in(path, "pageable"));
            let mut numbers = numbers.filter(|(path, _)| is_anywhere || self.is_near(path));
            numbers.find(|(path, _)| path.last().is_some_and(|key| names.contains(&squeezed(key).as_str())))
        };
        let (path, value) = find(&OFFSETS, false).or_else(|| find(&SURE_OFFSETS, true))?;
        Some(Echo { path, value, limit: self.limit_for(path) })
    }

    /// Returns the number of this page as the answer repeats it; elsewhere than in an object about pages only under a sure name.
    pub fn page_echo(&self) -> Option<Echo<'_>> {
        let is_position = |path: &[String]| {
            let [.., key] = path else { return false };
            let is_in_place =
                matches!(path, [.., above, _] if ["page", "pagination", "paging"].contains(&squeezed(above).as_str()));
            is_page_name(key) || is_in_place && ["number", "current"].contains(&squeezed(key).as_str())
        };
        let (path, value) = self.numbers().find(|(path, _)| is_position(path) && self.is_near(path))?;
        Some(Echo { path, value, limit: self.limit_for(path) })
    }

    fn limit_for(&self, position: &[String]) -> Option<(&str, u64)> {
        let parent = |path: &[String]| path.split_last().map(|(_, parent)| parent.to_vec());
        let find = |names: &[&str], is_anywhere: bool| {
            let mut numbers = self.numbers().filter(|(path, _)| is_anywhere || parent(path) == parent(position));
            numbers.find(|(path, _)| path.last().is_some_and(|key| names.contains(&squeezed(key).as_str())))
        };
        let (path, limit) = find(&LIMITS, false).or_else(|| find(&SURE_LIMITS, true))?;
        Some((path.last()?, limit))
    }

    fn offset_plan_of(&self, echo: &Echo<'_>, above: Option<&Total>) -> Option<Plan> {
        let limit = echo.limit.filter(|(_, limit)| *limit > 0);
        let limit_param = limit.map(|(key, _)| if squeezed(key) == "itemsperpage" { "count" } else { key });
        // CouchDB has the value of `skip` in `offset`.
        let is_couchdb = echo.key() == "offset" && self.near("totalrows").next().is_some();
        let (param, limit_param) = if is_couchdb { ("skip", Some("limit")) } else { (echo.key(), limit_param) };
        let size = limit.map_or(self.page.count, |(_, limit)| limit.max(self.page.count));
        Some(self.offset_plan(param, limit_param, (echo.value, size), above)).filter(|_| self.page.count > 0)
    }

    /// Returns the paginator of an offset. Its first value and its limit are `numbers`.
    pub fn offset_plan(
        &self,
        param: &str,
        limit_param: Option<&str>,
        (offset, limit): (u64, u64),
        above: Option<&Total>,
    ) -> Plan {
        let End { has_more_path, is_last_path, .. } = self.end();
        // From an offset that the API itself begins with, e.g. 1, a total is not reduced by it, as that of a later start is.
        let is_asked = self.asked(param).is_some();
        let place = above.map(|total| &total.place).filter(|_| offset == 0 || is_asked);
        let (total_path, total_header) = total_keys(place);
        let plan = OffsetPlan {
            offset,
            offset_param: Slot::param(param),
            limit_param: limit_param
                .filter(|_| !self.asks_for_size() || is_asked_limit(self, limit_param))
                .map(Slot::param),
            total_path,
            total_header,
            has_more_path,
            is_last_path,
            ..OffsetPlan::new(limit)
        };
        (PaginatorPlan::Offset(plan), PageToken::Offset(offset))
    }

    pub fn page_plan_of(&self, echo: &Echo<'_>, above: Option<&Total>) -> Option<Plan> {
        let asked = self.page_param();
        let is_asked = self.asked(&asked).is_some();
        let is_general = matches!(squeezed(echo.key()).as_str(), "page" | "currentpage" | "number" | "current")
            || is_in(echo.path, "pageable");
        let name = if is_asked || is_general { &asked } else { echo.key() };
        (echo.value <= 1 || is_asked).then(|| self.page_plan(name, echo.value.min(1), echo.value, above))
    }

    pub fn page_plan(&self, param: &str, base: u64, page: u64, above: Option<&Total>) -> Plan {
        let End { has_more_path, is_last_path, .. } = self.end();
        let (_, total_header) = total_keys(above.map(|total| &total.place));
        let page_param = Slot::param(param);
        let plan =
            PageNumberPlan { page, page_param, total_header, has_more_path, is_last_path, ..PageNumberPlan::new(base) };
        (PaginatorPlan::PageNumber(plan), PageToken::Page(page))
    }

    /// Returns `true` if the request has a parameter for the page size, which then is kept as it is.
    pub fn asks_for_size(&self) -> bool {
        let is_limit = |key: &str| {
            let key = squeezed(key);
            let inner = key.split(['[', ']']).nth(1).unwrap_or(&key);
            LIMITS.contains(&inner)
                || matches!(inner, "$limit" | "top" | "n" | "num" | "length" | "maxitems" | "pagelimit")
        };
        self.page.url.query_pairs().any(|(key, _)| is_limit(&key))
    }

    /// `exceededTransferLimit: true` of ArcGIS, which the last page leaves out.
    fn arcgis(&self) -> Option<Plan> {
        let is_arcgis = |keys: Vec<String>| keys.last().is_some_and(|key| squeezed(key) == "exceededtransferlimit");
        let found = self.flags().any(|flag| flag.says_more && flag.path().keys().is_some_and(is_arcgis));
        let start = self.asked("resultOffset").and_then(|text| text.parse().ok()).unwrap_or(0);
        found.then(|| self.offset_plan("resultOffset", Some("resultRecordCount"), (start, self.page.count), None))
    }

    /// `draw: 1, recordsFiltered: 57` of DataTables.
    fn datatables(&self, above: Option<&Total>) -> Option<Plan> {
        let has = |name: &'static str| self.near(name).next().is_some();
        above.filter(|_| has("draw") && has("recordsfiltered"))?;
        let start = self.asked("start").and_then(|text| text.parse().ok()).unwrap_or(0);
        Some(self.offset_plan("start", Some("length"), (start, self.page.count), above))
    }
}

/// Returns `true` if the last key but one of the path is `place`.
fn is_in(path: &[String], place: &str) -> bool {
    matches!(path, [.., above, _] if squeezed(above) == place)
}

/// SCIM and OpenSearch number records from 1.
fn is_from_one(echo: &Echo<'_>) -> bool {
    squeezed(echo.key()) == "startindex" && echo.value > 0
}

fn is_asked_limit(scan: &Scan<'_>, param: Option<&str>) -> bool {
    param.is_some_and(|param| scan.asked(param).is_some())
}

/// Returns `total_path` and `total_header` for a paginator. `Content-Range` is no plain number, which they would need.
fn total_keys(place: Option<&TotalPlace>) -> (Option<Selector>, Option<String>) {
    match place {
        Some(TotalPlace::Path(path)) => (Some(path.clone()), None),
        Some(TotalPlace::Header(name)) if !name.eq_ignore_ascii_case("content-range") => (None, Some(name.clone())),
        _ => (None, None),
    }
}
