//! Paginators as tables: a page in, the next position out.

use reqwest::header::HeaderValue;
use serde_json::{Value, json};
use url::Url;

use super::*;
use crate::{
    json::Document,
    plan::{Bindings, RequestPlan},
};

fn selector(text: &str) -> Selector {
    text.parse().unwrap()
}

fn marks() -> EndMarks {
    EndMarks { stop_after_empty_page: true, ..EndMarks::default() }
}

fn offset(end: EndMarks) -> Offset {
    let (offset_param, limit_param) = (Slot::param("skip"), Some(Slot::param("take")));
    Offset { limit: 10, start: 0, offset_param, limit_param, maximum: None, overlap: 0, end }
}

fn numbered(end: EndMarks) -> PageNumber {
    PageNumber { base: 1, start: 1, page_param: Slot::param("p"), maximum: None, overlap: 0, end }
}

/// What `advance` says to a page of `count` records after `received` in all, `body` being the answer.
fn advance(
    paginator: &dyn Paginator,
    token: PageToken,
    count: u64,
    received: u64,
    body: Value,
) -> Result<Option<PageToken>, PaginateError> {
    let document = Document::parse(body.to_string().into()).unwrap();
    let headers = HeaderMap::from_iter([(
        reqwest::header::HeaderName::from_static("x-total-count"),
        HeaderValue::from_static("25"),
    )]);
    let url = Url::parse("https://a/v1/rows?page=1").unwrap();
    let view = |known| PageView {
        root: document.root(),
        url: &url,
        headers: &headers,
        count,
        received,
        known,
        total: total_of(document.root()),
        is_short: false,
    };
    let known = paginator.extent(&view(Extent::default()));
    paginator.advance(&token, &view(known))
}

/// The total that these tests' answers state.
fn total_of(root: Node<'_>) -> Option<u64> {
    ["total", "meta.total"].iter().find_map(|path| selector(path).find_count(root))
}

fn offset_after(end: EndMarks, at: u64, count: u64, body: Value) -> Option<u64> {
    match advance(&offset(end), PageToken::Offset(at), count, at + count, body).unwrap() {
        Some(PageToken::Offset(next)) => Some(next),
        None => None,
        other => panic!("{other:?}"),
    }
}

fn number_after(paginator: &PageNumber, at: u64, count: u64, received: u64, body: Value) -> Option<u64> {
    match advance(paginator, PageToken::Page(at), count, received, body).unwrap() {
        Some(PageToken::Page(next)) => Some(next),
        None => None,
        other => panic!("{other:?}"),
    }
}

fn sent(paginator: &dyn Paginator, token: PageToken) -> String {
    let plan = RequestPlan::get(Url::parse("http://a/").unwrap(), "?q=1");
    let mut request = Request::new(&plan.bind(&Bindings::default()).unwrap()).unwrap();
    paginator.apply(&token, &mut request);
    request.url.query().unwrap_or_default().to_owned()
}

#[test]
fn positions_go_into_the_parameters_that_the_config_names() {
    assert_eq!(sent(&offset(marks()), PageToken::Offset(30)), "q=1&skip=30&take=10");
    let unlimited = Offset { limit_param: None, ..offset(marks()) };
    assert_eq!(sent(&unlimited, PageToken::Offset(30)), "q=1&skip=30");
    assert_eq!(sent(&numbered(marks()), PageToken::Page(3)), "q=1&p=3");
    assert_eq!(sent(&SinglePage, PageToken::Single), "q=1");
}

#[test]
fn an_offset_advances_by_what_came_and_a_short_page_is_not_the_end() {
    assert_eq!(offset_after(marks(), 20, 10, json!({})), Some(30));
    assert_eq!(offset_after(marks(), 20, 3, json!({})), Some(23));
    assert_eq!(offset_after(marks(), 20, 0, json!({})), None);
}

#[test]
fn a_total_ends_an_offset_list_in_the_body_or_in_a_header() {
    let body = EndMarks { total_path: Some(selector("meta.total")), ..marks() };
    let total = |total: Value| json!({ "meta": { "total": total } });
    assert_eq!(offset_after(body.clone(), 20, 10, total(json!(31))), Some(30));
    assert_eq!(offset_after(body.clone(), 20, 10, total(json!("30"))), None);
    assert_eq!(offset_after(body.clone(), 20, 10, total(json!(null))), Some(30));
    assert_eq!(offset_after(body, 20, 10, total(json!(-1))), Some(30));
    let header = EndMarks { total_header: Some("X-Total-Count".to_owned()), ..marks() };
    assert_eq!(offset_after(header.clone(), 10, 10, json!({ "total": 25 })), Some(20));
    assert_eq!(offset_after(header, 20, 5, json!({ "total": 25 })), None);
}

#[test]
fn has_more_ends_a_list_when_it_is_false_and_says_nothing_when_it_is_absent() {
    let end = EndMarks { has_more_path: Some(selector("more")), ..marks() };
    for (more, next) in
        [(json!(true), Some(30)), (json!("True"), Some(30)), (json!(null), Some(30)), (json!(1), Some(30))]
    {
        assert_eq!(offset_after(end.clone(), 20, 10, json!({ "more": more })), next, "{more}");
    }
    for more in [json!(false), json!("false"), json!(0)] {
        assert_eq!(offset_after(end.clone(), 20, 10, json!({ "more": more })), None, "{more}");
    }
    assert_eq!(offset_after(end, 20, 10, json!({})), Some(30));
}

#[test]
fn nothing_is_asked_for_at_the_maximum() {
    let limited = Offset { maximum: Some(30), ..offset(marks()) };
    assert_eq!(advance(&limited, PageToken::Offset(20), 9, 29, json!({})), Ok(Some(PageToken::Offset(29))));
    assert_eq!(advance(&limited, PageToken::Offset(20), 10, 30, json!({})), Ok(None));
    let limited = PageNumber { maximum: Some(3), ..numbered(marks()) };
    assert_eq!(number_after(&limited, 1, 10, 10, json!({})), Some(2));
    assert_eq!(number_after(&limited, 2, 10, 20, json!({})), None);
}

#[test]
fn an_empty_page_that_is_not_the_end_is_stepped_over_and_something_else_must_end_the_list() {
    let end = EndMarks { stop_after_empty_page: false, total_path: Some(selector("total")), ..marks() };
    assert_eq!(offset_after(end.clone(), 20, 0, json!({ "total": 99 })), Some(30));
    assert_eq!(advance(&offset(end.clone()), PageToken::Offset(0), 10, 10, json!({})), Err(PaginateError::Endless));
    assert_eq!(advance(&numbered(end), PageToken::Page(1), 10, 10, json!({})), Err(PaginateError::Endless));
}

#[test]
fn page_numbers_end_by_pages_in_the_body_and_by_records_in_a_header() {
    let body = EndMarks { total_path: Some(selector("pages")), ..marks() };
    for (base, last) in [(1, 3), (0, 2)] {
        let paginator = PageNumber { base, start: base, ..numbered(body.clone()) };
        assert_eq!(number_after(&paginator, last - 1, 10, 20, json!({ "pages": 3 })), Some(last));
        assert_eq!(number_after(&paginator, last, 10, 30, json!({ "pages": 3 })), None);
    }
    let header = numbered(EndMarks { total_header: Some("x-total-count".to_owned()), ..marks() });
    assert_eq!(number_after(&header, 2, 10, 20, json!({ "total": 25 })), Some(3));
    assert_eq!(number_after(&header, 3, 5, 25, json!({ "total": 25 })), None);
}

#[test]
fn a_start_in_the_middle_counts_pages_from_there_and_leaves_a_total_of_records_aside() {
    let pages = EndMarks { total_path: Some(selector("pages")), ..marks() };
    let middle = PageNumber { start: 3, ..numbered(pages) };
    assert_eq!(number_after(&middle, 4, 10, 20, json!({ "pages": 5 })), Some(5));
    assert_eq!(number_after(&middle, 5, 10, 30, json!({ "pages": 5 })), None);
    let header = EndMarks { total_header: Some("x-total-count".to_owned()), ..marks() };
    let middle = PageNumber { start: 3, ..numbered(header) };
    assert_eq!(number_after(&middle, 5, 10, 30, json!({ "total": 25 })), Some(6));
    let offset = Offset { start: 10, ..offset(EndMarks { total_path: Some(selector("total")), ..marks() }) };
    assert_eq!(advance(&offset, PageToken::Offset(20), 10, 20, json!({ "total": 30 })), Ok(None));
}

#[test]
fn ahead_guesses_by_the_size_that_pages_have_in_fact_and_ends_where_the_list_is_known_to() {
    let known = Extent { records: Some(25), pages: None, page_size: Some(10) };
    let offset = offset(marks());
    assert_eq!(offset.ahead(&PageToken::Offset(10), &known), Ahead::Next(PageToken::Offset(20)));
    assert_eq!(offset.ahead(&PageToken::Offset(20), &known), Ahead::End);
    assert_eq!(offset.ahead(&PageToken::Offset(20), &Extent::default()), Ahead::Unknown);
    let numbered = numbered(marks());
    assert_eq!(numbered.ahead(&PageToken::Page(2), &known), Ahead::Next(PageToken::Page(3)));
    assert_eq!(numbered.ahead(&PageToken::Page(3), &known), Ahead::End);
    assert_eq!(numbered.ahead(&PageToken::Page(3), &Extent::default()), Ahead::Next(PageToken::Page(4)));
    assert_eq!(SinglePage.ahead(&PageToken::Single, &known), Ahead::End);
}

#[test]
fn a_position_reads_back_from_its_json_and_one_of_another_paginator_is_refused() {
    for token in [PageToken::Single, PageToken::Offset(u64::MAX), PageToken::Page(3)] {
        let text = serde_json::to_string(&token).unwrap();
        assert_eq!(serde_json::from_str::<PageToken>(&text).unwrap(), token);
    }
    assert_eq!(serde_json::to_string(&PageToken::Offset(7)).unwrap(), r#"{"offset":7}"#);
    let foreign = advance(&offset(marks()), PageToken::Page(3), 1, 1, json!({}));
    assert_eq!(foreign, Err(PaginateError::ForeignToken { token: PageToken::Page(3) }));
}

#[test]
fn the_guard_refuses_a_page_like_the_one_before_and_lets_empty_pages_pass() {
    let mut guard = Guard::default();
    let at = PageToken::Offset;
    assert_eq!(guard.check(&at(0), 1, 10, 0), Ok(()));
    let repeated = PaginateError::RepeatedPage { token: at(10), count: 10 };
    assert_eq!(guard.check(&at(10), 1, 10, 0), Err(repeated));
    assert_eq!(guard.check(&at(30), 0, 0, 0), Ok(()));
    assert_eq!(guard.check(&at(40), 0, 0, 0), Ok(()));
    assert_eq!(guard.check(&at(40), 5, 1, 0), Err(PaginateError::RepeatedToken { token: at(40) }));
}
