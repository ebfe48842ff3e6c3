//! How a list goes on, found out from its first page.
//!
//! dlt's order, from what is surest to what is guessed: a `Link` header, a link in the body, a count of pages, a cursor,
//! numbers of an offset; else there is one page. Where dlt guesses once, here there may be several [`Candidate`]s: one whose
//! second page is the first one again was wrong, costs a request, and makes room for the next. So neither a page number that
//! counts from 1 nor a cursor under another name than `cursor` repeats or loses a page.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use url::Url;

use super::{PageToken, PageView, from_plan, link::header_link};
use crate::{
    json::{Kind, Node, Selector},
    plan::{CursorPlan, JsonLinkPlan, OffsetPlan, PageNumberPlan, PaginatorPlan, Slot},
};

/// Objects inside of objects that are looked through.
const DEPTH: usize = 4;

/// A paginator that may be the right one, and where it goes on behind the first page; `None`: nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    pub paginator: PaginatorPlan,
    pub next: Option<PageToken>,
}

/// What the first page tells of its list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    /// The likeliest first; there is one at least.
    pub candidates: VecDeque<Candidate>,
    /// Where pages tell how many records there are in all.
    pub total_path: Option<Selector>,
    /// The header that tells the same.
    pub total_header: Option<String>,
    /// The answer says that there is more, and nothing in it leads there.
    pub is_stuck: bool,
}

/// `is_list`: the records are a list, so that what stands beside them is about the list and not part of the one record.
pub fn detect(page: &PageView<'_>, is_list: bool) -> Detected {
    let scan = Scan::new(page, is_list);
    let total_path = scan.total();
    let plans = scan.plans(total_path.as_ref());
    let candidates = plans.into_iter().filter_map(|(paginator, token)| candidate(paginator, token, page)).collect();
    let total_header = scan.total_header();
    let mut detected = Detected { candidates, total_path, total_header, is_stuck: false };
    if detected.candidates.is_empty() {
        detected.is_stuck = scan.says_more();
        detected.candidates.push_back(Candidate { paginator: PaginatorPlan::SinglePage, next: None });
    }
    detected
}

/// A paginator that gives up on the very page that it was found on is none.
fn candidate(paginator: PaginatorPlan, token: PageToken, page: &PageView<'_>) -> Option<Candidate> {
    let driver = from_plan(&paginator);
    let mut view = *page;
    view.known = driver.extent(page);
    let next = driver.advance(&token, &view).ok()?;
    Some(Candidate { paginator, next })
}

/// All scalars of the answer outside of lists, in the order in which they stand, each with the keys that lead to it.
struct Scan<'a> {
    page: &'a PageView<'a>,
    is_list: bool,
    values: Vec<(Vec<String>, Node<'a>)>,
}

type Plan = (PaginatorPlan, PageToken);

impl<'a> Scan<'a> {
    fn new(page: &'a PageView<'a>, is_list: bool) -> Self {
        let mut values = Vec::new();
        collect(page.root, &mut Vec::new(), &mut values);
        Self { page, is_list, values }
    }

    fn plans(&self, total_path: Option<&Selector>) -> Vec<Plan> {
        if header_link(self.page.headers, "next").is_some_and(|link| !link.trim().is_empty()) {
            let plan = PaginatorPlan::HeaderLink {
                links_next_key: "next".to_owned(),
                header: "Link".to_owned(),
                stop_after_empty_page: false,
            };
            return vec![(plan, PageToken::First)];
        }
        if let Some(next_url_path) = self.link() {
            let (has_more_path, stop_after_empty_page) = self.has_more();
            let plan = JsonLinkPlan { stop_after_empty_page, has_more_path, ..JsonLinkPlan::new(next_url_path) };
            return vec![(PaginatorPlan::JsonLink(plan), PageToken::First)];
        }
        let ways = [Self::page_numbers, Self::page_info, Self::cursors];
        let found = ways.into_iter().map(|way| way(self)).find(|plans| !plans.is_empty());
        found.unwrap_or_else(|| self.offset(total_path).into_iter().collect())
    }

    fn link(&self) -> Option<Selector> {
        let is_link = |node: &Node<'_>| {
            let text = if node.kind() == Kind::String { node.string().ok() } else { None };
            text.is_some_and(|text| ["http://", "https://", "/", "?"].iter().any(|start| text.starts_with(start)))
        };
        let found = self.next_values().find(|(_, node)| is_link(node)).map(|(path, _)| selector(path));
        found.or_else(|| self.listed_link())
    }

    /// `links: [{rel: next, href: …}]`.
    fn listed_link(&self) -> Option<Selector> {
        let text = |node: Option<Node<'a>>| node.filter(|node| node.kind() == Kind::String)?.string().ok();
        let is_next = |node: Node<'a>| text(node.get("rel")).is_some_and(|relation| relation == "next");
        let lists = ["links", "_links", "link"].into_iter().filter_map(|key| Some((key, self.page.root.get(key)?)));
        let (key, next) =
            lists.filter_map(|(key, list)| Some((key, list.items().find(|item| is_next(*item))?))).next()?;
        let target = ["href", "url"].into_iter().find(|target| text(next.get(target)).is_some())?;
        format!("$.{key}[?@.rel=='next'].{target}").parse().ok()
    }

    /// What stands under a key that is about the next page, or right below it as `href`, `url` and the like.
    fn next_values(&self) -> impl Iterator<Item = (&[String], Node<'a>)> {
        let found = self.values.iter().filter(|(path, _)| match path.as_slice() {
            [.., above, last] if is_target(last) && self.is_next(above) => true,
            [.., last] => self.is_next(last),
            [] => false,
        });
        found.map(|(path, node)| (path.as_slice(), *node))
    }

    /// Beside one record alone, `next_step` is more likely a field of it.
    fn is_next(&self, key: &str) -> bool {
        let key = key.to_ascii_lowercase();
        let is_link = key == "next" || key == "__next" || key.ends_with(".nextlink");
        // What `nextSyncToken` and the like lead to is the next time.
        is_link || self.is_list && key.starts_with("next") && !squeezed(&key).ends_with("synctoken")
    }

    /// From 1 where the answer says so, from 0 or 1 where it says nothing.
    fn page_numbers(&self) -> Vec<Plan> {
        let Some((path, pages)) = self.pages() else { return Vec::new() };
        let name = self.page_param();
        let plan = |base_page: u64, page: u64| {
            let total_path = Some(selector(path));
            let plan =
                PageNumberPlan { page, page_param: Slot::param(&name), total_path, ..PageNumberPlan::new(base_page) };
            (PaginatorPlan::PageNumber(plan), PageToken::Page(page))
        };
        match self.page_number(&name, path, pages) {
            Some(0) => vec![plan(0, 0)],
            Some(number) => vec![plan(1, number)],
            None => vec![plan(0, 0), plan(1, 1)],
        }
    }

    /// How many pages there are, and where that stands. A book has `pages` too: only beside a list.
    fn pages(&self) -> Option<(&[String], u64)> {
        let is_count = |key: &str| {
            matches!(squeezed(key).as_str(), "totalpages" | "pages" | "pagecount" | "lastpage" | "pagestotal")
        };
        self.numbers().filter(|_| self.is_list).find(|(path, _)| path.last().is_some_and(|key| is_count(key)))
    }

    /// Which parameter the config uses for a page, if it names one; `page` is the usual name.
    fn page_param(&self) -> String {
        let names = ["page", "page_number", "pageNumber", "pageNo", "page[number]", "p"];
        let asked = |name: &&str| param(self.page.url, name).is_some();
        names.into_iter().find(asked).unwrap_or("page").to_owned()
    }

    /// This page's number, as it was asked for or as the answer tells it: beside the count of pages, which stands at `count`,
    /// under a name for it, or elsewhere under one that can mean nothing else. A larger one is of something else.
    fn page_number(&self, name: &str, count: &[String], pages: u64) -> Option<u64> {
        let is_sure = |key: &str| {
            matches!(squeezed(key).as_str(), "page" | "currentpage" | "pagenumber" | "pageno" | "pageindex")
        };
        let is_name = |key: &str| is_sure(key) || matches!(squeezed(key).as_str(), "number" | "current");
        let above = |path: &[String]| path.split_last().map(|(_, above)| above.to_vec());
        let told = |is_wanted: &dyn Fn(&[String], &str) -> bool| {
            let mut numbers = self.numbers().filter(|(_, number)| *number <= pages.max(1));
            numbers.find(|(path, _)| path.last().is_some_and(|key| is_wanted(path, key))).map(|(_, number)| number)
        };
        let asked = param(self.page.url, name).and_then(|text| text.parse().ok());
        let beside = || told(&|path, key| is_name(key) && above(path) == above(count));
        asked.or_else(beside).or_else(|| told(&|_, key| is_sure(key)))
    }

    /// `pageInfo: {endCursor, hasNextPage}`.
    fn page_info(&self) -> Vec<Plan> {
        let named = |wanted: &'static str| {
            let found = self.values.iter().find(|(path, _)| {
                matches!(path.as_slice(), [.., above, last]
                if squeezed(above) == "pageinfo" && squeezed(last) == wanted)
            });
            found.map(|(path, _)| selector(path))
        };
        let Some(cursor_path) = named("endcursor") else { return Vec::new() };
        let names = ["cursor".to_owned(), "after".to_owned()];
        cursors(&cursor_path, (named("hasnextpage"), false), names)
    }

    fn cursors(&self) -> Vec<Plan> {
        let found = self.next_values().find(|(_, node)| match node.kind() {
            Kind::String => node.string().is_ok_and(|text| !text.is_empty()),
            Kind::Number => true,
            _ => false,
        });
        // `next` in one record alone is a field of it.
        let Some((path, node)) = found.filter(|_| self.is_list) else { return Vec::new() };
        let key = path.last().map_or("", String::as_str);
        let is_number = node.kind() == Kind::Number;
        cursors(&selector(path), self.has_more(), parameter_names(key, is_number))
    }

    /// Offset and limit as the answer repeats them, where there is more than came.
    fn offset(&self, total_path: Option<&Selector>) -> Option<Plan> {
        let total = total_path?.find_count(self.page.root)?;
        let named = |names: &[&str]| {
            let is_named =
                |path: &[String]| path.last().is_some_and(|key| names.contains(&key.to_ascii_lowercase().as_str()));
            self.numbers().find(|(path, _)| is_named(path))
        };
        let (offset_path, offset) = named(&["offset", "skip", "start", "startat"])?;
        let (limit_path, limit) = named(&["limit", "take", "maxresults", "count", "page_size", "per_page"])?;
        let is_more = limit > 0 && self.page.count > 0 && offset.saturating_add(self.page.count) < total;
        let slot = |path: &[String]| path.last().map(|key| Slot::param(key));
        let plan = OffsetPlan {
            offset,
            offset_param: slot(offset_path)?,
            limit_param: Some(slot(limit_path)?),
            total_path: total_path.cloned(),
            ..OffsetPlan::new(limit)
        };
        is_more.then_some((PaginatorPlan::Offset(plan), PageToken::Offset(offset)))
    }

    /// Only beside a list: a single record may have a `total` of its own.
    fn total(&self) -> Option<Selector> {
        let is_total = |key: &str| {
            matches!(
                squeezed(key).as_str(),
                "total"
                    | "totalcount"
                    | "totalresults"
                    | "totalrecords"
                    | "totalitems"
                    | "totalelements"
                    | "@odatacount"
            )
        };
        let count = self.page.count;
        // One that is the number of records on this page is no total where there are further pages.
        let is_of_page = self.pages().is_some_and(|(_, pages)| pages > 1);
        let found = self.numbers().filter(|_| self.is_list).find(|(path, number)| {
            let Some(key) = path.last() else { return false };
            // A `count` may be of this page.
            let is_large = *number > count || *number == count && !is_of_page;
            is_large && is_total(key) || *number > count && key.eq_ignore_ascii_case("count")
        });
        found.map(|(path, _)| selector(path))
    }

    fn total_header(&self) -> Option<String> {
        let names = ["x-total-count", "x-total", "total-count"];
        let count = |name: &&str| self.page.headers.get(*name)?.to_str().ok()?.trim().parse::<u64>().ok();
        let is_total = |name: &&str| count(name).is_some_and(|total| total >= self.page.count);
        names.into_iter().filter(|_| self.is_list).find(is_total).map(str::to_owned)
    }

    fn says_more(&self) -> bool {
        self.flags().any(|(_, more)| more)
    }

    /// Where the answer says that there is more, and whether the first empty page ends the list. One that says there is no more
    /// and leads on all the same is taken at its word only where nothing comes.
    fn has_more(&self) -> (Option<Selector>, bool) {
        let is_flag = |path: &[String]| path.last().is_some_and(|key| squeezed(key) != "next");
        match self.flags().find(|(path, _)| is_flag(path)) {
            Some((path, true)) => (Some(selector(path)), false),
            Some((_, false)) => (None, true),
            None => (None, false),
        }
    }

    fn flags(&self) -> impl Iterator<Item = (&[String], bool)> {
        let names = ["hasmore", "more", "hasnext", "hasnextpage", "next"];
        self.values.iter().filter_map(move |(path, node)| match node.kind() {
            Kind::Bool(more) if names.contains(&squeezed(path.last()?).as_str()) => Some((path.as_slice(), more)),
            _ => None,
        })
    }

    fn numbers(&self) -> impl Iterator<Item = (&[String], u64)> {
        self.values.iter().filter_map(|(path, node)| match node.kind() {
            Kind::Number | Kind::String => Some((path.as_slice(), node.string().ok()?.trim().parse().ok()?)),
            _ => None,
        })
    }
}

fn collect<'a>(node: Node<'a>, path: &mut Vec<String>, values: &mut Vec<(Vec<String>, Node<'a>)>) {
    for (key, value) in node.fields() {
        let Ok(key) = key.text() else { continue };
        path.push(key.into_owned());
        match value.kind() {
            Kind::Array => {}
            Kind::Object if path.len() < DEPTH => collect(value, path, values),
            Kind::Object => {}
            _ => values.push((path.clone(), value)),
        }
        path.pop();
    }
}

/// One plan for each name that the cursor's parameter may have.
fn cursors(path: &Selector, end: (Option<Selector>, bool), names: impl IntoIterator<Item = String>) -> Vec<Plan> {
    let (has_more_path, stop_after_empty_page) = end;
    let plan = |name| {
        let has_more_path = has_more_path.clone();
        CursorPlan { has_more_path, stop_after_empty_page, ..CursorPlan::new(path.clone(), name) }
    };
    names.into_iter().map(|name| (PaginatorPlan::Cursor(plan(name)), PageToken::First)).collect()
}

/// What a parameter may be called whose next value stands under `key`: `next_page_token` is `page_token`, else dlt's `cursor`.
fn parameter_names(key: &str, is_number: bool) -> Vec<String> {
    let rest = key.get("next".len()..).unwrap_or_default().trim_start_matches(['_', '-']);
    let mut letters = rest.chars();
    let derived: String = letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect();
    let usual = if is_number { ["cursor", "page", "offset"] } else { ["cursor", "after", "page_token"] };
    let derived =
        if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("next")) { derived } else { key.to_owned() };
    let mut names: Vec<String> = Vec::new();
    for name in std::iter::once(derived).chain(usual.map(str::to_owned)).chain([key.to_owned()]) {
        if !name.is_empty() && name != "next" && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn is_target(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key.starts_with("href") || key.starts_with("url") || ["link", "after", "cursor"].contains(&key.as_str())
}

/// `total_pages`, `totalPages` and `total-pages` are one name.
fn squeezed(key: &str) -> String {
    key.chars().filter(|c| !matches!(c, '_' | '-' | '.')).map(|c| c.to_ascii_lowercase()).collect()
}

/// The value of a parameter of a URL.
fn param(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// The selector of these keys, in quotes where a key would be read as something else.
pub fn selector(path: &[String]) -> Selector {
    let is_plain = |key: &String| {
        !key.is_empty() && !key.contains(['.', '[', ']', '*', '\'', '"', '@', ' ', '$', '-', '(', ')', '?', ','])
    };
    let text = match path.iter().all(is_plain) {
        true => path.join("."),
        false => path.iter().fold("$".to_owned(), |text, key| match key.contains('\'') {
            true => text + &format!("[\"{key}\"]"),
            false => text + &format!("['{key}']"),
        }),
    };
    text.parse().unwrap_or_else(|_| Selector::root())
}

#[cfg(test)]
mod tests;
