//! First pages, and how their lists go on.

use reqwest::header::{HeaderMap, LINK};
use serde_json::{Value, json};

use super::*;
use crate::{
    fetch::paginate::{CursorValue, Extent},
    json::Document,
};

struct First {
    query: &'static str,
    link: Option<&'static str>,
    count: u64,
    is_list: bool,
}

const LIST: First = First { query: "", link: None, count: 10, is_list: true };

impl First {
    fn detect(&self, body: &Value) -> Detected {
        let document = Document::parse(body.to_string().into()).unwrap();
        let headers: HeaderMap = self.link.into_iter().map(|link| (LINK, link.parse().unwrap())).collect();
        let url = Url::parse(&format!("https://a/v1/rows{}", self.query)).unwrap();
        let (root, known) = (document.root(), Extent::default());
        let view = PageView {
            root,
            url: &url,
            headers: &headers,
            count: self.count,
            received: self.count,
            known,
            is_short: false,
        };
        detect(&view, self.is_list)
    }

    /// The candidates as configs.
    fn found(&self, body: &Value) -> Vec<String> {
        self.detect(body).candidates.iter().map(|candidate| candidate.paginator.to_config()).collect()
    }
}

fn link(path: &str) -> Vec<String> {
    vec![format!(r#"{{type: json_link, next_url_path: "{path}"}}"#)]
}

#[test]
fn links_are_found_where_the_usual_envelopes_have_them() {
    for (body, path) in [
        (json!({"next": "https://a/x?page=2", "data": []}), "next"),
        (json!({"_links": {"self": {"href": "/x"}, "next": {"href": "/x?page=2"}}}), "_links.next.href"),
        (json!({"links": {"self": "/x", "next": "/x?page=2"}}), "links.next"),
        (json!({"links": {"next": {"href": "/x?page=2", "meta": {}}}}), "links.next.href"),
        (json!({"@odata.context": "c", "@odata.nextLink": "https://a/x?$skip=9"}), "$['@odata.nextLink']"),
        (json!({"odata.nextLink": "https://a/x?$skip=9"}), "$['odata.nextLink']"),
        (json!({"d": {"results": [], "__next": "https://a/x?$skip=9"}}), "d.__next"),
        (
            json!({"links": [{"rel": "self", "href": "/x"}, {"rel": "next", "href": "/x?page=2"}]}),
            "$.links[?@.rel=='next'].href",
        ),
        (json!({"info": {"pages": 3, "next": "https://a/x?page=2"}}), "info.next"),
        (json!({"paging": {"next": "https://a/x?after=2", "cursors": {"after": "b"}}}), "paging.next"),
        (json!({"paging": {"next": {"after": "2", "link": "https://a/x?after=2"}}}), "paging.next.link"),
        (json!({"next_page": 2, "next_page_url": "/x?page=2"}), "next_page_url"),
        (json!({"meta": {"pagination": {"next_page": "?page=2"}}}), "meta.pagination.next_page"),
    ] {
        assert_eq!(LIST.found(&body), link(path), "{body}");
    }
}

#[test]
fn a_link_header_goes_before_all_else_and_a_relation_of_another_kind_is_none() {
    let next = First { link: Some(r#"<https://a/x?page=2>; rel="next""#), ..LIST };
    assert_eq!(next.found(&json!({"next": "/y"})), [r#"{type: header_link, links_next_key: "next", header: "Link"}"#]);
    let last = First { link: Some(r#"<https://a/x?page=2>; rel="last""#), ..LIST };
    assert_eq!(last.found(&json!([])), ["single_page"]);
}

fn numbered(base: u64, path: &str) -> String {
    format!(r#"{{type: page_number, base_page: {base}, page_param: "page", total_path: "{path}"}}"#)
}

#[test]
fn counts_of_pages_make_page_numbers_that_begin_where_the_answer_says() {
    for (body, base, path, next) in [
        (json!({"page": 1, "total_pages": 3}), 1, "total_pages", Some(2)),
        (json!({"meta": {"current_page": 1, "pages": "3"}}), 1, "meta.pages", Some(2)),
        (json!({"content": [], "number": 0, "totalPages": 3, "size": 10}), 0, "totalPages", Some(1)),
        (json!({"page": {"size": 10, "number": 0, "totalPages": 3}}), 0, "page.totalPages", Some(1)),
        (json!({"page": 1, "total_pages": 1}), 1, "total_pages", None),
        (json!({"page": 0, "total_pages": 1}), 0, "total_pages", None),
    ] {
        let detected = LIST.detect(&body);
        let next = next.map(PageToken::Page);
        assert_eq!(LIST.found(&body), [numbered(base, path)], "{body}");
        assert_eq!(detected.candidates[0].next, next, "{body}");
    }
}

#[test]
fn a_page_that_does_not_tell_its_number_may_be_0_or_1() {
    let detected = LIST.detect(&json!({"total_pages": 3}));
    let next: Vec<_> = detected.candidates.iter().map(|candidate| candidate.next.clone()).collect();
    assert_eq!(LIST.found(&json!({"total_pages": 3})), [numbered(0, "total_pages"), numbered(1, "total_pages")]);
    assert_eq!(next, [Some(PageToken::Page(1)), Some(PageToken::Page(2))]);
}

#[test]
fn a_page_that_was_asked_for_tells_its_number_and_the_parameter() {
    let first = First { query: "?pageNumber=1&size=10", ..LIST };
    let expected = r#"{type: page_number, base_page: 1, page_param: "pageNumber", total_path: "total_pages"}"#;
    assert_eq!(first.found(&json!({"total_pages": 3})), [expected]);
}

fn names(body: &Value) -> Vec<String> {
    let candidates = LIST.detect(body).candidates;
    let name = |candidate: &Candidate| match &candidate.paginator {
        PaginatorPlan::Cursor(plan) => format!("{} as {}", plan.cursor_path, plan.cursor_param),
        other => other.to_config(),
    };
    candidates.iter().map(name).collect()
}

#[test]
fn cursors_are_found_with_the_names_that_their_parameter_may_have() {
    for (body, found) in [
        (
            json!({"cursors": {"next": "abc"}}),
            &["cursors.next as cursor", "cursors.next as after", "cursors.next as page_token"][..],
        ),
        (json!({"next_page_token": "abc"}), &["next_page_token as page_token", "next_page_token as cursor"]),
        (json!({"nextPageToken": "abc"}), &["nextPageToken as pageToken", "nextPageToken as cursor"]),
        (json!({"response_metadata": {"next_cursor": "abc"}}), &["response_metadata.next_cursor as cursor"]),
        (json!({"next_page": 2}), &["next_page as page", "next_page as cursor"]),
        (json!({"next_offset": 10}), &["next_offset as offset", "next_offset as cursor"]),
        (json!({"paging": {"next": {"after": "abc"}}}), &["paging.next.after as after", "paging.next.after as cursor"]),
        (
            json!({"pageInfo": {"endCursor": "abc", "hasNextPage": true}}),
            &["pageInfo.endCursor as cursor", "pageInfo.endCursor as after"],
        ),
        (json!({"page_info": {"has_next_page": true, "end_cursor": "abc"}}), &["page_info.end_cursor as cursor"]),
    ] {
        let names = names(&body);
        assert_eq!(&names[..found.len()], found, "{body}");
        assert_eq!(LIST.detect(&body).candidates[0].next.clone().map(|next| next.is_told()), Some(true), "{body}");
    }
    let page_info = LIST.detect(&json!({"page_info": {"has_next_page": false, "end_cursor": "abc"}}));
    assert_eq!(page_info.candidates[0].next, None, "the last page has a cursor too");
}

#[test]
fn an_offset_that_the_answer_repeats_goes_on_where_there_is_more() {
    let body = json!({"items": [], "offset": 0, "limit": 10, "total": 25});
    let expected = r#"{type: offset, limit: 10, offset_param: "offset", limit_param: "limit", total_path: "total"}"#;
    assert_eq!(LIST.found(&body), [expected]);
    assert_eq!(LIST.detect(&body).candidates[0].next, Some(PageToken::Offset(10)));
    assert_eq!(LIST.found(&json!({"offset": 0, "limit": 10, "total": 10})), ["single_page"]);
    assert_eq!(LIST.found(&json!({"startAt": 0, "maxResults": 10, "total": 11})).len(), 1);
}

#[test]
fn the_last_page_and_a_list_without_signs_are_one_page_and_a_total_is_kept_in_mind() {
    for body in
        [json!([]), json!({"next": null}), json!({"next": ""}), json!({"links": {"next": false}}), json!({"total": 25})]
    {
        assert_eq!(LIST.found(&body), ["single_page"], "{body}");
        assert!(!LIST.detect(&body).is_stuck, "{body}");
    }
    let total = |body: &Value| LIST.detect(body).total_path.map(|path| path.to_string());
    assert_eq!(total(&json!({"meta": {"totalCount": 25}})).as_deref(), Some("meta.totalCount"));
    assert_eq!(total(&json!({"@odata.count": 25})).as_deref(), Some("$['@odata.count']"));
    // A count of this page is no total.
    assert_eq!((total(&json!({"count": 10})), total(&json!({"count": 25})).as_deref()), (None, Some("count")));
    assert!(LIST.detect(&json!({"has_more": true})).is_stuck);
}

#[test]
fn beside_one_record_alone_a_field_that_begins_with_next_is_its_own() {
    let one = First { is_list: false, count: 1, ..LIST };
    assert_eq!(one.found(&json!({"id": 1, "next_step": "/x", "next_run": 5, "total": 8})), ["single_page"]);
    assert_eq!(one.found(&json!({"id": 1, "next": "/x"})), link("next"));
}

#[test]
fn beside_one_record_alone_neither_pages_nor_next_are_of_a_list() {
    let one = First { count: 1, is_list: false, ..LIST };
    for body in [json!({"id": 1, "pages": 320}), json!({"id": 1, "next": 2}), json!({"id": 1, "next": "b"})] {
        assert_eq!(one.found(&body), ["single_page"], "{body}");
    }
    assert_eq!(LIST.found(&json!({"items": [], "nextSyncToken": "abc"})), ["single_page"]);
}

#[test]
fn a_total_of_this_page_alone_is_none_where_there_are_more_pages() {
    let total = |body: Value| LIST.detect(&body).total_path.map(|path| path.to_string());
    assert_eq!(total(json!({"items": [], "total": 10, "total_pages": 10})), None);
    assert_eq!(total(json!({"items": [], "total": 10, "total_pages": 1})), Some("total".to_owned()));
    assert_eq!(total(json!({"items": [], "total": 95, "total_pages": 10})), Some("total".to_owned()));
}

#[test]
fn a_candidate_reads_back_from_its_json() {
    let candidates = LIST.detect(&json!({"cursors": {"next": 7}})).candidates;
    let stored = serde_json::to_string(&candidates).unwrap();
    assert_eq!(serde_json::from_str::<VecDeque<Candidate>>(&stored).unwrap(), candidates);
    assert_eq!(candidates[0].next, Some(PageToken::Cursor(CursorValue::Number("7".into()))));
}

#[test]
fn a_pages_number_is_told_beside_the_count_of_pages_and_no_number_of_something_else_is_taken_for_it() {
    let base = |body: Value| LIST.found(&body).iter().filter(|found| found.contains("page_number")).count();
    let next = |body: Value| LIST.detect(&body).candidates.front().and_then(|candidate| candidate.next.clone());
    let body = json!({"account": {"number": 10032}, "page": 1, "total_pages": 3});
    assert_eq!((base(body.clone()), next(body)), (1, Some(PageToken::Page(2))));
    let body = json!({"current": 2, "page": 7, "paging": {"number": 1, "total_pages": 3}});
    assert_eq!(next(body), Some(PageToken::Page(2)));
    // Whose number that is nobody knows: pages are counted from 0 or from 1, and the second page will tell.
    assert_eq!(base(json!({"account": {"number": 2}, "total_pages": 3})), 2);
    assert_eq!(base(json!({"meta": {"page": 9}, "total_pages": 3})), 2);
}

#[test]
fn an_offset_as_large_as_can_be_is_the_end_and_no_panic() {
    let body = json!({"start": u64::MAX, "limit": 10, "total": u64::MAX});
    assert_eq!(LIST.found(&body), ["single_page"]);
}
