//! Signs of a first page that lead on: links, counts of pages, and cursors under names that say what they are.

use super::{
    Plan, Total,
    scan::{Scan, squeezed},
};
use crate::{
    fetch::paginate::{
        PageToken,
        link::{header_link, leads_to_next, looks_like_link},
    },
    json::{Kind, Node, Selector},
    plan::{CursorPlan, JsonLinkPlan, PageNumberPlan, PaginatorPlan, Slot},
};

/// The keys that end a sequence besides what leads to its next page.
#[derive(Clone, Default)]
pub(super) struct End {
    pub has_more_path: Option<Selector>,
    pub is_last_path: Option<Selector>,
    pub stop_after_empty_page: bool,
}

impl Scan<'_> {
    /// Returns the paginators that the page's signs lead on by, those of the surest sign only. `above`: a total that says more.
    pub fn plans(&self, above: Option<&Total>) -> Vec<Plan> {
        if header_link(self.page.headers, "next").is_some_and(|link| !link.trim().is_empty()) {
            return vec![header_plan("Link")];
        }
        if let Some(next_url_path) = self.link() {
            let End { has_more_path, is_last_path, stop_after_empty_page } = self.end();
            let plan = JsonLinkPlan { next_url_path, stop_after_empty_page, has_more_path, is_last_path };
            return vec![(PaginatorPlan::JsonLink(plan), PageToken::First)];
        }
        let ways = [
            Self::header_tokens,
            Self::page_numbers,
            Self::page_info,
            Self::cursors,
            Self::known_cursors,
            Self::pages_in_header,
        ];
        let found = ways.into_iter().map(|way| way(self)).find(|plans| !plans.is_empty());
        found.unwrap_or_else(|| self.offset(above).into_iter().collect())
    }

    /// Returns the first link, a whole URL before one that is relative: Asana's `path` leaves out a part of the address.
    fn link(&self) -> Option<Selector> {
        let text = |node: Node<'_>| {
            let text = if node.kind() == Kind::String { node.string().ok()? } else { return None };
            Some(text.into_owned())
        };
        let is_whole = |text: &str| ["http://", "https://"].iter().any(|start| text.starts_with(start));
        let by = |is_wanted: &dyn Fn(&str) -> bool| {
            let found = self.next_values().find(|(_, node)| text(*node).is_some_and(|text| is_wanted(&text)));
            found.map(|(path, _)| Selector::from_keys(path))
        };
        by(&is_whole).or_else(|| by(&looks_like_link)).or_else(|| self.listed_link())
    }

    /// `links: [{rel: next, href: …}]`, FHIR's `link: [{relation: next, url: …}]`, or `_links: {next: [{href: …}]}`.
    fn listed_link(&self) -> Option<Selector> {
        let has_text = |node: Option<Node<'_>>| node.is_some_and(|node| node.kind() == Kind::String);
        let is_next = |node: Option<Node<'_>>| {
            node.filter(|node| node.kind() == Kind::String)
                .is_some_and(|node| node.string().is_ok_and(|text| text == "next"))
        };
        let keys = ["links", "_links", "link"].into_iter();
        let mut lists = keys.filter_map(|key| Some((key, self.page.root.get(key)?)));
        lists.find_map(|(key, list)| {
            if let Some(next) = list.items().find(|item| leads_to_next(*item)) {
                let name = ["rel", "relation"].into_iter().find(|name| is_next(next.get(name)));
                let target = ["href", "url"].into_iter().find(|target| has_text(next.get(target)));
                let query = name.zip(target).map(|(name, target)| format!("$.{key}[?@.{name}=='next'].{target}"));
                return query.unwrap_or_else(|| key.to_owned()).parse().ok();
            }
            let has_link = list.get("next").is_some_and(|next| next.items().any(|item| item.get("href").is_some()));
            has_link.then(|| format!("{key}.next").parse().ok()).flatten()
        })
    }

    /// `Next-Page: https://…` of Kinto, `X-Next-Page: 2` of GitLab, continuation tokens of Azure.
    fn header_tokens(&self) -> Vec<Plan> {
        const TOKENS: [(&str, &str); 7] = [
            ("X-Next-Page", "page"),
            ("X-Next-Cursor", "cursor"),
            ("Next-Cursor", "cursor"),
            ("X-Next-Page-Token", "page_token"),
            ("X-Next-Token", "next_token"),
            ("X-MS-ContinuationToken", "continuationToken"),
            ("X-Continuation-Token", "continuationToken"),
        ];
        let text = |name: &str| {
            let text = self.page.headers.get(name).filter(|_| self.is_list())?.to_str().ok()?.trim();
            (!text.is_empty()).then_some(text)
        };
        let is_link = |text: &str| ["http", "/", "?", "<"].iter().any(|start| text.starts_with(start));
        let link = ["Next-Page", "X-Next-Page"].into_iter().find(|name| text(name).is_some_and(is_link));
        if let Some(name) = link {
            return vec![header_plan(name)];
        }
        let token = TOKENS.into_iter().find(|(name, _)| text(name).is_some());
        let plan = |(key, param): (&str, &str)| {
            let plan = PaginatorPlan::HeaderCursor { cursor_key: key.to_owned(), cursor_param: param.to_owned() };
            (plan, PageToken::First)
        };
        token.map(plan).into_iter().collect()
    }

    /// `pageInfo: {endCursor, hasNextPage}`.
    fn page_info(&self) -> Vec<Plan> {
        let named = |wanted: &'static str| {
            let found = self.values.iter().find(|(path, _)| {
                matches!(path.as_slice(), [.., above, last]
                if squeezed(above) == "pageinfo" && squeezed(last) == wanted)
            });
            found.map(|(path, _)| Selector::from_keys(path))
        };
        let Some(cursor_path) = named("endcursor") else { return Vec::new() };
        let end = End { has_more_path: named("hasnextpage"), ..End::default() };
        cursors(&cursor_path, &end, ["cursor".to_owned(), "after".to_owned()])
    }

    fn cursors(&self) -> Vec<Plan> {
        let found = self.next_values().find(|(_, node)| match node.kind() {
            Kind::String => node.string().is_ok_and(|text| !text.is_empty()),
            Kind::Number => true,
            _ => false,
        });
        // `next` in one record alone is a field of it.
        let Some((path, node)) = found.filter(|_| self.is_list()) else { return Vec::new() };
        let key = path.last().map_or("", String::as_str);
        let is_number = node.kind() == Kind::Number;
        cursors(&Selector::from_keys(path), &self.end(), parameter_names(key, is_number))
    }

    /// Returns the place of a flag that says more, and `stop_after_empty_page` for one that says that there is no more although
    /// the page leads on: it is believed only once nothing comes.
    pub fn end(&self) -> End {
        let is_flag =
            |path: &Selector| path.keys().is_none_or(|keys| keys.last().is_none_or(|key| squeezed(key) != "next"));
        let Some(flag) = self.flags().find(|flag| is_flag(&flag.path())) else { return End::default() };
        match (flag.says_more, flag.is_last) {
            (false, _) => End { stop_after_empty_page: true, ..End::default() },
            (true, false) => End { has_more_path: Some(flag.path()), ..End::default() },
            (true, true) => End { is_last_path: Some(flag.path()), ..End::default() },
        }
    }

    /// From 1 where the answer says so, from 0 or 1 where it says nothing.
    fn page_numbers(&self) -> Vec<Plan> {
        let Some((path, pages)) = self.pages() else { return Vec::new() };
        let plans_of = |name: &String| {
            let plan = |base_page: u64, page: u64| {
                let total_path = Some(Selector::from_keys(path));
                let plan = PageNumberPlan {
                    page,
                    page_param: Slot::param(name),
                    total_path,
                    ..PageNumberPlan::new(base_page)
                };
                (PaginatorPlan::PageNumber(plan), PageToken::Page(page))
            };
            match self.page_number(name, path, pages) {
                Some(0) => vec![plan(0, 0)],
                Some(number) => vec![plan(1, number)],
                None => vec![plan(0, 0), plan(1, 1)],
            }
        };
        self.page_params(path).iter().flat_map(plans_of).collect()
    }

    /// Returns the number of pages and its path. A book has `pages` too: only beside a list.
    pub fn pages(&self) -> Option<(&[String], u64)> {
        const NAMES: [&str; 11] = [
            "totalpages",
            "pages",
            "pagecount",
            "lastpage",
            "pagestotal",
            "nbpages",
            "numpages",
            "numberofpages",
            "maxpage",
            "totalpagecount",
            "pagestotalcount",
        ];
        let is_count = |key: &str| NAMES.contains(&squeezed(key).as_str());
        self.numbers().filter(|_| self.is_list()).find(|(path, _)| path.last().is_some_and(|key| is_count(key)))
    }

    /// `X-WP-TotalPages`, where no `Link` header leads on.
    fn pages_in_header(&self) -> Vec<Plan> {
        const NAMES: [&str; 4] = ["X-WP-TotalPages", "X-Total-Pages", "X-Pagination-Page-Count", "X-Page-Count"];
        let count = |name: &&str| self.page.headers.get(*name)?.to_str().ok()?.trim().parse::<u64>().ok();
        let Some(header) = NAMES.into_iter().filter(|_| self.is_list()).find(|name| count(name).is_some()) else {
            return Vec::new();
        };
        let name = self.page_param();
        let asked = self.asked(&name).and_then(|text| text.parse().ok());
        let plan = |base_page: u64| {
            let (page, total_header) = (asked.unwrap_or(base_page), Some(header.to_owned()));
            let page_param = Slot::param(&name);
            let plan = PageNumberPlan { page, page_param, total_header, ..PageNumberPlan::new(base_page) };
            (PaginatorPlan::PageNumber(plan), PageToken::Page(page))
        };
        match asked {
            Some(0) => vec![plan(0)],
            Some(_) => vec![plan(1)],
            None => vec![plan(0), plan(1)],
        }
    }

    /// Returns the parameters that may name a page: the config's own, else `page`, or those of Strapi and JSON:API.
    fn page_params(&self, count: &[String]) -> Vec<String> {
        let name = self.page_param();
        if name != "page" || self.asked(&name).is_some() {
            return vec![name];
        }
        let inside =
            |place: &str| matches!(count, [.., above, place_key, _] if squeezed(above) == "meta" && place_key == place);
        // Strapi ignores `page`, and most others ignore its `pagination[page]`.
        if inside("pagination") && count.last().is_some_and(|key| key == "pageCount") {
            return vec!["pagination[page]".to_owned(), name];
        }
        // JSON:API's libraries write `page-count` in `meta`.
        let is_json_api = inside("page") || count.last().is_some_and(|key| key == "page-count");
        if is_json_api { vec![name, "page[number]".to_owned()] } else { vec![name] }
    }

    /// Returns the parameter that the config has for a page, else the usual name, `page`.
    pub fn page_param(&self) -> String {
        let names = ["page", "page_number", "pageNumber", "pageNo", "page[number]", "pagination[page]", "p"];
        let asked = |name: &&str| self.asked(name).is_some();
        names.into_iter().find(asked).unwrap_or("page").to_owned()
    }

    /// This page's number, as it was asked for or as the answer states it: beside the count of pages, which is at `count`, under
    /// a name for it, or elsewhere under one that can mean nothing else. A larger one is of something else.
    fn page_number(&self, name: &str, count: &[String], pages: u64) -> Option<u64> {
        let is_sure = is_page_name;
        let is_name = |key: &str| is_sure(key) || matches!(squeezed(key).as_str(), "number" | "current");
        let above = |path: &[String]| path.split_last().map(|(_, above)| above.to_vec());
        let told = |is_wanted: &dyn Fn(&[String], &str) -> bool| {
            let mut numbers = self.numbers().filter(|(_, number)| *number <= pages.max(1));
            numbers.find(|(path, _)| path.last().is_some_and(|key| is_wanted(path, key))).map(|(_, number)| number)
        };
        let asked = self.asked(name).and_then(|text| text.parse().ok());
        let beside = || told(&|path, key| is_name(key) && above(path) == above(count));
        asked.or_else(beside).or_else(|| told(&|_, key| is_sure(key)))
    }

    /// Returns `true` if the page is the last one of several by its number and the count of pages: a total is then larger than
    /// what came, since the sequence began later.
    pub fn is_last_of_many(&self) -> bool {
        let Some((path, pages)) = self.pages().filter(|(_, pages)| *pages > 1) else { return false };
        self.is_asked_value(pages) && self.page_number(&self.page_param(), path, pages) == Some(pages)
    }
}

/// Names that can mean nothing else than the number of this page.
pub(super) fn is_page_name(key: &str) -> bool {
    matches!(squeezed(key).as_str(), "page" | "currentpage" | "pagenumber" | "pageno" | "pageindex")
}

fn header_plan(header: &str) -> Plan {
    let plan = PaginatorPlan::HeaderLink {
        links_next_key: "next".to_owned(),
        header: header.to_owned(),
        stop_after_empty_page: false,
    };
    (plan, PageToken::First)
}

/// One plan for each name that the cursor's parameter may have.
pub(super) fn cursors(path: &Selector, end: &End, names: impl IntoIterator<Item = String>) -> Vec<Plan> {
    let plan = |name| {
        let End { has_more_path, is_last_path, stop_after_empty_page } = end.clone();
        CursorPlan { has_more_path, is_last_path, stop_after_empty_page, ..CursorPlan::new(path.clone(), name) }
    };
    names.into_iter().map(|name| (PaginatorPlan::Cursor(plan(name)), PageToken::First)).collect()
}

/// Parameters of well-known APIs that no rule makes of the key of the next value.
fn well_known(key: &str) -> &'static [&'static str] {
    match key {
        "NextToken" => &["NextToken", "nextToken"],
        "nextToken" => &["nextToken"],
        "NextMarker" => &["Marker", "marker"],
        "NextContinuationToken" => &["continuation-token", "ContinuationToken"],
        // Bitbucket Server.
        "nextPageStart" => &["start"],
        "number" => &["page", "page[number]"],
        "token" | "pageToken" => &["page_token", "pageToken", "token"],
        _ => &[],
    }
}

/// Returns the names that a parameter may have whose next value is under `key`: of `next_page_token` first `page_token`.
fn parameter_names(key: &str, is_number: bool) -> Vec<String> {
    let is_next = key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("next"));
    let rest = key.get("next".len()..).unwrap_or_default().trim_start_matches(['_', '-']);
    let mut letters = rest.chars();
    let derived: String = letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect();
    let derived = if is_next { derived } else { key.to_owned() };
    let usual = if is_number { ["cursor", "page", "offset"] } else { ["cursor", "after", "page_token"] };
    // Notion's.
    let last = (squeezed(key) == "nextcursor").then(|| "start_cursor".to_owned());
    let known = well_known(key).iter().copied().map(str::to_owned);
    let all = known.chain([derived]).chain(usual.map(str::to_owned)).chain(last).chain([key.to_owned()]);
    let mut names: Vec<String> = Vec::new();
    for name in all {
        if !name.is_empty() && name != "next" && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
