//! How a resource is paged, where its records stand, and what happens when its list moves.
//!
//! The endpoint's words go before the client's; `resource_defaults` are the endpoint's already. Where neither says anything,
//! it is found out from the first page. Where the path is that of one record of many and the endpoint has no paginator, the
//! client's counts only if the first answer is a list.

use crate::{
    config::{Findings, Section, tree::Kind},
    json::Selector,
    plan::{
        CursorPlan, JsonLinkPlan, OffsetPlan, OnDrift, OnIncomplete, PageNumberPlan, PaginatorPlan, RequestPlan,
        ShortPage, Slot, TotalsPlan,
    },
};

/// How a resource is read, page by page.
pub struct Paging {
    pub paginator: PaginatorPlan,
    /// `None`: found out from the first page.
    pub data_selector: Option<Selector>,
    pub allow_missing_data: bool,
    /// `None`: the write disposition decides.
    pub on_drift: Option<OnDrift>,
    pub totals: TotalsPlan,
}

pub fn resolve(
    resource: &Section<'_>,
    endpoint: &Section<'_>,
    client: &Section<'_>,
    request: Option<&RequestPlan>,
    findings: &mut Findings,
) -> Option<Paging> {
    if endpoint.is_broken() {
        return None;
    }
    let is_single = request.is_some_and(RequestPlan::is_single_entity);
    let (paginator, own_drift, totals) = match endpoint.is_written("paginator") {
        true => paginator(endpoint, endpoint, findings)?,
        false if client.is_broken() => return None,
        false if is_single => single_entity(client, endpoint),
        false if client.is_written("paginator") => paginator(client, endpoint, findings)?,
        false => (PaginatorPlan::Auto, None, TotalsPlan::default()),
    };
    let data_selector = data_selector(endpoint, is_single && paginator == PaginatorPlan::SinglePage);
    let missing = if endpoint.is_written("allow_missing_data") { endpoint } else { resource };
    let on_drift = own_drift.or_else(|| on_drift(endpoint));
    Some(Paging {
        paginator,
        data_selector: data_selector?,
        allow_missing_data: missing.flag("allow_missing_data")?,
        on_drift,
        totals,
    })
}

/// Returns the paginator of a path of one record. The client's `single_page` needs no look at the answer, and one that is no
/// paginator for this endpoint is reported by the endpoints of lists.
fn single_entity(client: &Section<'_>, endpoint: &Section<'_>) -> (PaginatorPlan, Option<OnDrift>, TotalsPlan) {
    let mut unused = Findings::new(Vec::new(), Vec::new());
    let list = if client.is_written("paginator") { paginator(client, endpoint, &mut unused) } else { None };
    match list.unwrap_or((PaginatorPlan::Auto, None, TotalsPlan::default())) {
        (PaginatorPlan::SinglePage, on_drift, totals) => (PaginatorPlan::SinglePage, on_drift, totals),
        (list, on_drift, totals) => (PaginatorPlan::SingleEntity { list: Box::new(list) }, on_drift, totals),
    }
}

/// `None` if it is wrong; the selector that is to be found out is one that nobody wrote.
fn data_selector(endpoint: &Section<'_>, is_single: bool) -> Option<Option<Selector>> {
    if endpoint.is_written("data_selector") {
        return endpoint.text("data_selector")?.value.parse().ok().map(Some);
    }
    Some(is_single.then(Selector::root))
}

fn on_drift(section: &Section<'_>) -> Option<OnDrift> {
    match section.text("on_drift")?.value.as_str() {
        "refetch" => Some(OnDrift::Refetch),
        "fail" => Some(OnDrift::Fail),
        _ => Some(OnDrift::Warn),
    }
}

/// The resource's key goes before the top level's.
pub fn on_incomplete(resource: &Section<'_>, root: &Section<'_>) -> OnIncomplete {
    let section = if resource.is_written("on_incomplete") { resource } else { root };
    match section.text("on_incomplete").as_ref().map(|text| text.value.as_str()) {
        Some("keep") => OnIncomplete::Keep,
        Some("warn") => OnIncomplete::Warn,
        _ => OnIncomplete::Fail,
    }
}

fn paginator(
    holder: &Section<'_>,
    endpoint: &Section<'_>,
    findings: &mut Findings,
) -> Option<(PaginatorPlan, Option<OnDrift>, TotalsPlan)> {
    let (kind, section) = holder.tagged("paginator")?;
    let text = |key: &str| section.text(key).map(|text| text.value);
    let plan = match kind {
        "auto" => PaginatorPlan::Auto,
        "single_page" => PaginatorPlan::SinglePage,
        "offset" => PaginatorPlan::Offset(offset(&section, findings)?),
        "page_number" => PaginatorPlan::PageNumber(page_number(&section, findings)?),
        "cursor" => PaginatorPlan::Cursor(cursor(&section, findings)?),
        "header_cursor" => PaginatorPlan::HeaderCursor {
            cursor_key: text("cursor_key")?,
            cursor_param: named(&section, "cursor_param", findings)?,
        },
        "json_link" | "json_response" => PaginatorPlan::JsonLink(JsonLinkPlan {
            next_url_path: selector(&section, "next_url_path")?,
            stop_after_empty_page: section.flag("stop_after_empty_page")?,
            has_more_path: selector(&section, "has_more_path"),
            is_last_path: selector(&section, "is_last_path"),
        }),
        "header_link" => PaginatorPlan::HeaderLink {
            links_next_key: text("links_next_key")?,
            header: text("header")?,
            stop_after_empty_page: section.flag("stop_after_empty_page")?,
        },
        _ => return None,
    };
    body_is_json(&section, endpoint, findings)?;
    let totals = totals(&section, &plan);
    Some((plan, on_drift(&section), totals))
}

fn totals(section: &Section<'_>, plan: &PaginatorPlan) -> TotalsPlan {
    let is_named =
        section.is_written("total_path") || section.is_null("total_path") || section.is_written("total_header");
    let by_name = !is_named;
    match plan {
        PaginatorPlan::Offset(_) | PaginatorPlan::PageNumber(_) => TotalsPlan { by_name, path: None, header: None },
        _ => TotalsPlan {
            by_name,
            path: written(section, "total_path"),
            header: section.text("total_header").map(|name| name.value),
        },
    }
}

/// A selector that the config names, and not by default.
fn written(section: &Section<'_>, key: &str) -> Option<Selector> {
    selector(section, key).filter(|_| section.is_written(key))
}

fn short_page(section: &Section<'_>) -> ShortPage {
    match section.flag("stop_after_short_page") {
        Some(true) => ShortPage::Stop,
        Some(false) => ShortPage::GoOn,
        None => ShortPage::Confirm,
    }
}

fn offset(section: &Section<'_>, findings: &mut Findings) -> Option<OffsetPlan> {
    ends(section, "maximum_offset", findings)?;
    let limit = section.count("limit")?;
    let overlap = section.count("overlap")?;
    if overlap >= limit {
        let help = format!("a page of {limit} would hold nothing new: choose a smaller overlap or a larger limit");
        findings.error(section.place_of("overlap"), "`overlap` has to be less than `limit`", Some(help));
        return None;
    }
    let offset = section.count("offset")?;
    let offset_param = slot(section, "offset_param", "offset_body_path", findings)?;
    // dlt sends it in any case; an empty name is what it refuses.
    let is_unlimited = section.text("limit_param").is_some_and(|name| name.value.is_empty());
    let limit_param = match is_unlimited && !section.is_written("limit_body_path") {
        true => None,
        false => Some(slot(section, "limit_param", "limit_body_path", findings)?),
    };
    apart(section, &offset_param, limit_param.as_ref(), findings)?;
    Some(OffsetPlan {
        limit,
        overlap,
        offset,
        offset_param,
        limit_param,
        total_path: written(section, "total_path"),
        total_header: section.text("total_header").map(|name| name.value),
        maximum_offset: section.count("maximum_offset"),
        stop_after_empty_page: section.flag("stop_after_empty_page")?,
        stop_after_short_page: short_page(section),
        has_more_path: selector(section, "has_more_path"),
        is_last_path: selector(section, "is_last_path"),
    })
}

fn page_number(section: &Section<'_>, findings: &mut Findings) -> Option<PageNumberPlan> {
    ends(section, "maximum_page", findings)?;
    let base_page = section.count("base_page")?;
    let page = section.count("page").unwrap_or(base_page);
    Some(PageNumberPlan {
        base_page,
        page,
        overlap: section.count("overlap")?,
        page_param: slot(section, "page_param", "page_body_path", findings)?,
        total_path: written(section, "total_path"),
        total_header: section.text("total_header").map(|name| name.value),
        maximum_page: section.count("maximum_page"),
        stop_after_empty_page: section.flag("stop_after_empty_page")?,
        stop_after_short_page: short_page(section),
        has_more_path: selector(section, "has_more_path"),
        is_last_path: selector(section, "is_last_path"),
    })
}

fn cursor(section: &Section<'_>, findings: &mut Findings) -> Option<CursorPlan> {
    let is_given = ["cursor_param", "cursor_body_path"].iter().any(|key| section.is_written(key));
    let cursor_param = match is_given {
        true => slot(section, "cursor_param", "cursor_body_path", findings)?,
        false => Slot::param("cursor"),
    };
    Some(CursorPlan {
        cursor_path: selector(section, "cursor_path")?,
        cursor_param,
        stop_after_empty_page: section.flag("stop_after_empty_page")?,
        has_more_path: selector(section, "has_more_path"),
        is_last_path: selector(section, "is_last_path"),
    })
}

fn selector(section: &Section<'_>, key: &str) -> Option<Selector> {
    section.text_or_off(key)?.value.parse().ok()
}

/// Where a value goes; null is the parameter's default, as in dlt.
fn slot(section: &Section<'_>, param: &str, body_path: &str, findings: &mut Findings) -> Option<Slot> {
    if !section.is_written(body_path) {
        return named(section, param, findings).map(Slot::Param);
    }
    if section.is_written(param) {
        let message = format!("`{param}` and `{body_path}` are two places for one value");
        findings.error(section.place_of(body_path), message, Some("leave one of them out".to_owned()));
        return None;
    }
    Some(Slot::Body(section.text(body_path)?.value.parse::<Selector>().ok()?.keys()?))
}

fn named(section: &Section<'_>, param: &str, findings: &mut Findings) -> Option<String> {
    let name = section.text(param)?;
    if name.value.is_empty() {
        findings.error(&name.place, format!("`{param}` is the name of a parameter, and cannot be empty"), None);
        return None;
    }
    Some(name.value)
}

/// Of two values in one place, or one inside the other, the second would be all that is sent.
fn apart(section: &Section<'_>, offset: &Slot, limit: Option<&Slot>, findings: &mut Findings) -> Option<()> {
    let (key, collide) = match (offset, limit) {
        (Slot::Param(offset), Some(Slot::Param(limit))) => ("limit_param", offset == limit),
        (Slot::Body(offset), Some(Slot::Body(limit))) => {
            ("limit_body_path", offset.starts_with(limit) || limit.starts_with(offset))
        }
        _ => return Some(()),
    };
    if !collide {
        return Some(());
    }
    let help = "name another place for one of them".to_owned();
    findings.error(section.place_of(key), "the offset and the limit would take each other's place", Some(help));
    None
}

/// The first page is asked for in any case, as in dlt: a maximum that forbids it is a slip, most likely.
pub fn warning(plan: &PaginatorPlan) -> Option<String> {
    let (key, maximum, first) = match plan {
        PaginatorPlan::Offset(plan) => ("maximum_offset", plan.maximum_offset, plan.offset),
        PaginatorPlan::PageNumber(plan) => ("maximum_page", plan.maximum_page, plan.page),
        _ => return None,
    };
    let is_below = maximum.is_some_and(|maximum| maximum <= first);
    is_below.then(|| format!("`{key}` is not above where the list begins, {first}: one page is all that is asked for"))
}

/// Who wants to know of a list that moves has to see it: what goes from a list shows in totals and overlaps alone.
pub fn sees_too_little(plan: &PaginatorPlan, totals: &TotalsPlan, on_drift: OnDrift) -> Option<String> {
    let sees = match plan {
        _ if totals.by_name => true,
        PaginatorPlan::Offset(plan) => plan.overlap > 0 || plan.total_path.is_some() || plan.total_header.is_some(),
        PaginatorPlan::PageNumber(plan) => plan.overlap > 0 || plan.total_path.is_some() || plan.total_header.is_some(),
        _ => true,
    };
    (!sees && on_drift != OnDrift::Warn).then(|| {
        "`on_drift` sees rows that come, and none that go: set `overlap`, or `total_path` or `total_header`".to_owned()
    })
}

/// A value in the JSON of the body would take the place of any other body, and of one that is no object.
fn body_is_json(paginator: &Section<'_>, endpoint: &Section<'_>, findings: &mut Findings) -> Option<()> {
    let paths = ["offset_body_path", "limit_body_path", "page_body_path", "cursor_body_path"];
    let Some(path) = paths.into_iter().find(|path| paginator.is_written(path)) else { return Some(()) };
    let is_object = endpoint.get("json").is_none_or(|json| matches!(json.kind, Kind::Object(_)));
    let (message, help) = match (endpoint.is_written("data"), is_object) {
        (false, true) => return Some(()),
        (true, _) => {
            (format!("`{path}` wants a body of JSON, and the endpoint's is `data`"), "give the body as `json`")
        }
        (_, false) => (format!("`{path}` wants an object as the body, and `json` is none"), "write `json: {…}`"),
    };
    findings.error(paginator.place_of(path), message, Some(help.to_owned()));
    None
}

/// Refuses a paginator that nothing ends.
fn ends(section: &Section<'_>, maximum: &str, findings: &mut Findings) -> Option<()> {
    let told = section.text_or_off("total_path").is_some()
        || [maximum, "total_header", "has_more_path", "is_last_path"].iter().any(|key| section.is_written(key));
    if told || section.flag("stop_after_empty_page")? {
        return Some(());
    }
    let help = format!(
        "set `total_path`, `total_header`, `{maximum}`, `has_more_path`, `is_last_path` or `stop_after_empty_page: true`"
    );
    findings.error(section.place(), "nothing would ever end this list of pages", Some(help));
    None
}
