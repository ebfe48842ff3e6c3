//! First pages, and how their lists go on.

use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use url::Url;

use super::*;
use crate::{
    fetch::{
        paginate::{CursorValue, Extent},
        request::Request,
    },
    json::Document,
    plan::{BoundBody, BoundRequest, Method},
};

struct First {
    query: &'static str,
    headers: &'static [(&'static str, &'static str)],
    count: u64,
    /// The keys that lead to the list; `None` if the answer is one record.
    records: Option<&'static str>,
    has_body: bool,
}

const LIST: First = First { query: "", headers: &[], count: 10, records: Some("items"), has_body: false };

impl First {
    fn detect(&self, body: &Value) -> Detected {
        let document = Document::parse(body.to_string().into()).unwrap();
        let header = |(name, value): &(&'static str, &'static str)| (name.parse().unwrap(), value.parse().unwrap());
        let headers: HeaderMap = self.headers.iter().map(header).collect();
        let (root, known) = (document.root(), Extent::default());
        let view = PageView {
            root,
            url: &self.url(),
            headers: &headers,
            count: self.count,
            received: self.count,
            known,
            total: None,
            is_short: false,
        };
        let keys = |path: &str| path.split('.').filter(|key| !key.is_empty()).map(str::to_owned).collect();
        let records: Option<Vec<String>> = self.records.map(keys);
        detect(
            &view,
            Asked { records: records.as_deref(), is_get: !self.has_body, has_body: self.has_body, has_no_total: false },
        )
    }

    fn url(&self) -> Url {
        Url::parse(&format!("https://a/v1/rows{}", self.query)).unwrap()
    }

    /// The second requests of the candidates: `?offset=10&limit=10`, or the link. Those of probes begin with `probe `.
    fn second(&self, body: &Value) -> Vec<String> {
        let shown = |candidate: &Candidate| {
            let Some(next) = &candidate.next else { return "end".to_owned() };
            let method = if self.has_body { Method::Post } else { Method::Get };
            let body = BoundBody::None;
            let (params, headers, without_headers) = (Vec::new(), Vec::new(), Vec::new());
            let bound = BoundRequest { method, url: self.url(), params, headers, without_headers, body };
            let mut request = Request::new(&bound).unwrap();
            from_plan(&candidate.paginator).apply(next, &mut request);
            let sent = String::from_utf8(request.encoded_body().map(|(bytes, _)| bytes.to_vec()).unwrap_or_default());
            let query = percent_encoding::percent_decode_str(request.url.query().unwrap_or_default());
            let probe = if candidate.is_probe { "probe " } else { "" };
            format!("{probe}{}{}", query.decode_utf8().unwrap(), sent.unwrap())
        };
        self.detect(body).candidates.iter().map(shown).collect()
    }

    /// The candidates as configs.
    fn found(&self, body: &Value) -> Vec<String> {
        self.detect(body).candidates.iter().map(|candidate| candidate.paginator.to_config()).collect()
    }
}

const NONE: [&str; 0] = [];

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
        (json!({"links": [{"rel": ["next"], "href": "/x?page=2"}]}), "links"),
        (json!({"_links": {"next": [{"href": "/x?page=2"}]}}), "_links.next"),
        (json!({"@odata.context": "$metadata#x", "@odata.nextLink": "x?$skiptoken=9"}), "$['@odata.nextLink']"),
        (json!({"links": [{"rel": ["next"], "href": "/x?page=2"}]}), "links"),
        (
            json!({"link": [{"relation": "self", "url": "/x"}, {"relation": "next", "url": "/x?page=2"}]}),
            "$.link[?@.relation=='next'].url",
        ),
        (json!({"_links": {"next": [{"href": "/x?page=2"}]}}), "_links.next"),
        (json!({"@odata.context": "$metadata#x", "@odata.nextLink": "x?$skiptoken=9"}), "$['@odata.nextLink']"),
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
    let next = First { headers: &[("Link", r#"<https://a/x?page=2>; rel="next""#)], ..LIST };
    assert_eq!(next.found(&json!({"next": "/y"})), [r#"{type: header_link, links_next_key: "next", header: "Link"}"#]);
    let last = First { headers: &[("Link", r#"<https://a/x?page=2>; rel="last""#)], ..LIST };
    assert_eq!(last.second(&json!([])), NONE);
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
    assert_eq!(LIST.found(&json!({"offset": 0, "limit": 20, "total": 10})), NONE);
    assert_eq!(LIST.found(&json!({"startAt": 0, "maxResults": 10, "total": 11})).len(), 1);
}

#[test]
fn beside_one_record_alone_a_field_that_begins_with_next_is_its_own() {
    let one = First { records: None, count: 1, ..LIST };
    assert_eq!(one.found(&json!({"id": 1, "next_step": "/x", "next_run": 5, "total": 8})), NONE);
    assert_eq!(one.found(&json!({"id": 1, "next": "/x"})), link("next"));
}

#[test]
fn beside_one_record_alone_neither_pages_nor_next_are_of_a_list() {
    let one = First { count: 1, records: None, ..LIST };
    for body in [json!({"id": 1, "pages": 320}), json!({"id": 1, "next": 2}), json!({"id": 1, "next": "b"})] {
        assert_eq!(one.found(&body), NONE, "{body}");
    }
    assert_eq!(LIST.found(&json!({"items": [], "nextSyncToken": "abc"})), NONE);
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
    let asked = First { query: "?start=18446744073709551615", ..LIST };
    assert_eq!(asked.found(&body), NONE);
    assert!(LIST.second(&body).iter().all(|second| second.starts_with("probe ")));
}

/// An API, its first page of 10 records, and the second requests that are tried for it.
type Case = (&'static str, First, Value, &'static [&'static str]);

fn check(cases: impl IntoIterator<Item = Case>) {
    for (api, first, body, expected) in cases {
        let second = first.second(&body);
        assert_eq!(second.get(..expected.len()).unwrap_or(&second), expected, "{api}: {body}");
        assert!(!expected.is_empty() || second.is_empty(), "{api}: {second:?}");
    }
}

const fn at(records: &'static str) -> First {
    First { records: Some(records), ..LIST }
}

#[test]
fn links_of_well_known_apis_are_followed() {
    for (api, body, path) in [
        (
            "Salesforce",
            json!({"totalSize": 3000, "done": false, "nextRecordsUrl": "/q/01-10", "items": []}),
            "nextRecordsUrl",
        ),
        (
            "Asana",
            json!({"items": [], "next_page": {"offset": "eyJ", "path": "/tasks?offset=eyJ", "uri": "https://a/tasks?offset=eyJ"}}),
            "next_page.uri",
        ),
        ("an object of a path", json!({"items": [], "next_page": {"path": "/tasks?offset=eyJ"}}), "next_page.path"),
        ("Microsoft Graph", json!({"value": [], "@odata.nextLink": "https://a/x?$skip=9"}), "$['@odata.nextLink']"),
        (
            "FHIR",
            json!({"entry": [], "total": 57, "link": [{"relation": "self", "url": "/x"}, {"relation": "next", "url": "/x?p=2"}]}),
            "$.link[?@.relation=='next'].url",
        ),
    ] {
        assert!(LIST.found(&body)[0].contains(&format!("next_url_path: \"{path}\"")), "{api}: {:?}", LIST.found(&body));
    }
    let salesforce = json!({"totalSize": 3000, "done": false, "nextRecordsUrl": "/q/01-10", "items": []});
    assert!(LIST.found(&salesforce)[0].contains(r#"is_last_path: "done""#));
    let kinto = First { headers: &[("Next-Page", "https://a/x?_token=t"), ("Total-Records", "57")], ..at("data") };
    assert_eq!(kinto.second(&json!({"data": []})), ["_token=t"]);
    let gitlab = First { headers: &[("X-Next-Page", "2"), ("X-Total", "57")], ..at("") };
    assert_eq!(gitlab.second(&json!([])), ["page=2"]);
}

#[test]
fn cursors_of_well_known_apis_are_followed() {
    let reddit = json!({"kind": "Listing", "data": {"after": "t3_x", "dist": 10, "children": [], "before": null}});
    let media_wiki = json!({"continue": {"apcontinue": "B", "continue": "-||"}, "query": {"allpages": []}});
    let couch_find = First { has_body: true, ..at("docs") };
    check([
        ("Reddit", at("data.children"), reddit, &["after=t3_x"][..]),
        ("Airtable", at("records"), json!({"records": [], "offset": "itrX/recY"}), &["offset=itrX/recY"]),
        ("MediaWiki", at("query.allpages"), media_wiki, &["apcontinue=B"]),
        ("Kubernetes", LIST, json!({"metadata": {"continue": "tok"}, "items": []}), &["continue=tok"]),
        ("AWS IAM", at("Users"), json!({"IsTruncated": true, "Marker": "m", "Users": []}), &["Marker=m", "marker=m"]),
        ("AWS", at("Users"), json!({"IsTruncated": true, "NextMarker": "m", "Users": []}), &["Marker=m", "marker=m"]),
        ("AWS", at("Users"), json!({"NextToken": "t", "Users": []}), &["NextToken=t", "nextToken=t"]),
        (
            "S3",
            at("Contents"),
            json!({"IsTruncated": true, "NextContinuationToken": "t", "Contents": []}),
            &["continuation-token=t"],
        ),
        ("CouchDB _find", couch_find, json!({"docs": [], "bookmark": "g1"}), &[r#"{"bookmark":"g1"}"#]),
        ("Pinterest", LIST, json!({"items": [], "bookmark": "g1"}), &["bookmark=g1"]),
        ("Bitbucket", at("values"), json!({"values": [], "isLastPage": false, "nextPageStart": 10}), &["start=10"]),
        ("an object of a number", LIST, json!({"items": [], "next_page": {"number": 2}}), &["page=2"]),
        ("an object of a token", LIST, json!({"items": [], "next_page": {"token": "t"}}), &["page_token=t"]),
        (
            "Slack",
            at("members"),
            json!({"ok": true, "members": [], "response_metadata": {"next_cursor": "c"}}),
            &["cursor=c"],
        ),
        ("Stack Overflow", LIST, json!({"items": [], "has_more": "Y", "next_page": 2}), &["page=2"]),
    ]);
    let aws = json!({"IsTruncated": true, "Marker": "m", "Users": []});
    assert!(at("Users").found(&aws)[0].contains(r#"has_more_path: "IsTruncated""#));
    for last in [
        json!({"data": {"after": null, "children": [], "before": "t3_x"}}),
        json!({"data": {"after": "2026-01-01", "list": []}}),
        json!({"records": [], "offset": "10"}),
        json!({"IsTruncated": false, "Marker": "m", "items": []}),
        json!({"items": [], "next_run": "2026-01-01T00:00:00Z", "next_invoice": 5, "nextSyncToken": "s"}),
    ] {
        assert_eq!(LIST.second(&last), NONE, "{last}");
    }
}

#[test]
fn offsets_go_on_by_a_total_or_a_flag_and_end_by_it() {
    let scim = json!({"totalResults": 57, "itemsPerPage": 10, "startIndex": 1, "Resources": []});
    let arcgis = json!({"features": [], "exceededTransferLimit": true});
    let geo_json = json!({"type": "FeatureCollection", "properties": {"exceededTransferLimit": true}, "features": []});
    check([
        (
            "Jira",
            at("values"),
            json!({"startAt": 0, "maxResults": 10, "isLast": false, "values": []}),
            &["startAt=10&maxResults=10"][..],
        ),
        (
            "GBIF",
            at("results"),
            json!({"offset": 0, "limit": 10, "endOfRecords": false, "results": []}),
            &["offset=10&limit=10"],
        ),
        ("ArcGIS", at("features"), arcgis.clone(), &["resultOffset=10&resultRecordCount=10"]),
        ("ArcGIS GeoJSON", at("features"), geo_json, &["resultOffset=10&resultRecordCount=10"]),
        (
            "DataTables",
            at("data"),
            json!({"draw": 1, "recordsTotal": 90, "recordsFiltered": 57, "data": []}),
            &["start=10&length=10"],
        ),
        ("SCIM", at("Resources"), scim, &["startIndex=11&count=10"]),
        (
            "Solr",
            at("response.docs"),
            json!({"response": {"numFound": 57, "start": 0, "docs": []}}),
            &["probe start=10"],
        ),
        ("CouchDB", at("rows"), json!({"total_rows": 57, "offset": 0, "rows": []}), &["probe skip=10&limit=10"]),
        ("the last page", at("values"), json!({"startAt": 0, "maxResults": 10, "isLast": true, "values": []}), &[]),
    ]);
    let jira = json!({"startAt": 0, "maxResults": 10, "isLast": false, "values": []});
    assert!(at("values").found(&jira)[0].contains(r#"is_last_path: "isLast""#));
    assert!(at("features").found(&arcgis)[0].contains(r#"has_more_path: "exceededTransferLimit""#));
}

#[test]
fn counts_of_pages_are_found_under_other_names_and_in_headers() {
    let word_press = First { headers: &[("X-WP-Total", "57"), ("X-WP-TotalPages", "6")], ..at("") };
    let strapi = json!({"data": [], "meta": {"pagination": {"page": 1, "pageSize": 10, "pageCount": 6, "total": 57}}});
    check([
        (
            "Algolia",
            at("hits"),
            json!({"hits": [], "nbHits": 57, "page": 0, "nbPages": 6, "hitsPerPage": 10}),
            &["page=1"][..],
        ),
        ("Strapi", at("data"), strapi, &["pagination[page]=2", "page=2"]),
        ("WordPress", word_press, json!([]), &["page=1", "page=2"]),
        (
            "JSON:API",
            at("data"),
            json!({"data": [], "meta": {"page": {"number": 1, "total_pages": 6}}}),
            &["page=2", "page[number]=2"],
        ),
    ]);
}

#[test]
fn where_more_is_known_and_nothing_leads_on_the_usual_parameters_are_tried() {
    let usual = [
        "probe offset=10&limit=10",
        "probe page=2",
        "probe skip=10&limit=10",
        "probe start=10&rows=10",
        "probe startAt=10&maxResults=10",
        "probe from=10&size=10",
        "probe $skip=10&$top=10",
        "probe page[number]=2",
    ];
    let airflow = json!({"dags": [], "total_entries": 3000});
    assert_eq!(at("dags").second(&airflow), usual);
    let detected = at("dags").detect(&airflow);
    assert_eq!(detected.more.as_deref(), Some("`total_entries` says 3,000 records"));
    assert!(at("dags").found(&airflow)[0].contains(r#"total_path: "total_entries""#));
    let post = First { has_body: true, ..at("dags") };
    assert_eq!((post.second(&airflow).len(), post.detect(&airflow).more.is_some()), (0, true));
    // By a flag alone nobody sees that a page is left out: pages may be counted from 0.
    let flag = LIST.second(&json!({"items": [], "has_more": true}));
    assert_eq!(flag.get(..3).unwrap(), ["probe offset=10&limit=10", "probe page=1", "probe page=2"]);
    assert_eq!(flag.len(), 8);
}

#[test]
fn what_the_answer_repeats_or_the_request_sends_is_tried_first_and_nothing_of_it_is_replaced() {
    let strapi = json!({"data": [], "meta": {"pagination": {"page": 1, "total": 57}}});
    let sized = First { query: "?per_page=10", ..LIST };
    let filtered = First { query: "?from=2026-01-01&start=x", ..LIST };
    let total = json!({"items": [], "total": 57});
    check([
        ("Strapi", at("data"), strapi, &["probe pagination[page]=2", "probe page=2", "probe offset=10&limit=10"][..]),
        (
            "Zoho",
            at("data"),
            json!({"data": [], "info": {"page": 1, "per_page": 10, "more_records": true}}),
            &["probe page=2"],
        ),
        (
            "a page from 0",
            LIST,
            json!({"items": [], "page": 0, "total": 57}),
            &["probe page=1", "probe offset=10&limit=10"],
        ),
        ("a page of another name", LIST, json!({"items": [], "pageNo": 1, "total": 57}), &["probe pageNo=2"]),
        ("OData", at("value"), json!({"@odata.count": 57, "value": []}), &["probe $skip=10&$top=10"]),
        ("a limit of the request", sized, total.clone(), &["probe per_page=10&offset=10", "probe per_page=10&page=2"]),
    ]);
    assert!(filtered.second(&total).iter().all(|second| second.contains("from=2026-01-01&start=x")));
}

#[test]
fn more_is_known_by_totals_flags_tokens_and_headers() {
    let known = |first: &First, body: &Value| first.detect(body).more;
    for (body, more) in [
        (json!({"total": 57, "has_more": true}), "`total` says 57 records"),
        (json!({"exceededTransferLimit": true}), "`exceededTransferLimit` is true"),
        (json!({"done": false}), "`done` is false"),
        (json!({"meta": {"hasMore": "Y"}}), "`meta.hasMore` is \"Y\""),
        (json!({"HasNext": 1}), "`HasNext` is 1"),
        (json!({"more": "true"}), "`more` is \"true\""),
        (json!({"LastEvaluatedKey": {"id": {"S": "x"}}}), "`LastEvaluatedKey` says that there is a next page"),
        (json!({"next": {"shard": 7}}), "`next` says that there is a next page"),
        (
            json!({"continue": {"gapcontinue": "B", "rvcontinue": "c", "continue": "||"}}),
            "`continue` says that there is a next page",
        ),
    ] {
        assert_eq!(known(&LIST, &body).as_deref(), Some(more), "{body}");
        let one = First { records: None, count: 1, ..LIST };
        assert!(body.get("has_more").is_some() || known(&one, &body).is_none_or(|text| text.contains("as")), "{body}");
    }
    for (name, value, more) in [
        ("Content-Range", "items 0-9/3000", "the header `Content-Range` says 3,000 records"),
        ("X-WP-Total", "57", "the header `X-WP-Total` says 57 records"),
        ("X-Total-Count", "57", "the header `X-Total-Count` says 57 records"),
    ] {
        let headers: &'static [(&str, &str)] = Box::leak(Box::new([(name, value)]));
        let first = First { headers, ..at("") };
        assert_eq!(known(&first, &json!([])).as_deref(), Some(more));
        assert_eq!(first.second(&json!([])).len(), 8, "{name}");
    }
}

#[test]
fn a_full_page_that_is_all_by_its_total_is_confirmed_by_one_probe() {
    for body in [json!({"items": [], "total": 10}), json!({"items": [], "offset": 0, "limit": 10, "total": 10})] {
        let detected = LIST.detect(&body);
        assert_eq!((detected.candidates.len(), detected.more), (1, None), "{body}");
        assert!(detected.candidates[0].is_probe, "{body}");
    }
    let odd = First { count: 7, ..LIST };
    assert_eq!(odd.detect(&json!({"items": [], "total": 7})).candidates.len(), 0);
}

#[test]
fn where_all_is_here_nothing_is_tried() {
    for body in [
        json!({"items": [], "total": 10, "startAt": 0, "maxResults": 50}),
        json!({"items": [], "next": null, "count": 10}),
        json!({"items": [], "has_more": false}),
        json!({"items": [], "isLast": true, "startAt": 0, "maxResults": 10}),
        json!({"items": [], "unread_count": 120, "total_price": 9000, "rate_limit": 5000, "page_size": 50, "version": 3}),
        json!({"items": [], "links": {"next": false}}),
        json!({"items": [], "next": ""}),
    ] {
        let detected = LIST.detect(&body);
        assert_eq!((detected.candidates.len(), detected.more), (0, None), "{body}");
    }
    // A later start has fewer than the total, and all of the rest.
    let late = First { query: "?offset=50&limit=10", count: 7, ..LIST };
    assert_eq!(late.detect(&json!({"items": [], "offset": 50, "limit": 10, "total": 57})).more, None);
    let late = First { query: "?page=6", count: 7, ..LIST };
    assert_eq!(late.detect(&json!({"items": [], "page": 6, "total_pages": 6, "total": 57})).more, None);
    // A number that merely has the name of a position does not hide the total.
    let other = json!({"items": [], "start": 1_700_000_000, "total": 57});
    assert!(LIST.detect(&other).more.is_some());
}

#[test]
fn a_full_page_that_repeats_its_position_is_asked_for_the_next_one() {
    let query = First { query: "?limit=10", ..LIST };
    check([
        ("offset", LIST, json!({"items": [], "offset": 0, "limit": 10}), &["probe offset=10&limit=10"][..]),
        ("page", LIST, json!({"items": [], "page": 1, "per_page": 10}), &["probe page=2"]),
        ("its count beside it", LIST, json!({"items": [], "page": 1, "per_page": 10, "count": 10}), &["probe page=2"]),
        ("the request's limit", query, json!({"items": [], "page": 1}), &["probe limit=10&page=2"]),
        ("a page that is not full", LIST, json!({"items": [], "page": 1, "per_page": 50}), &[]),
    ]);
}

#[test]
fn a_flag_of_unknown_meaning_is_no_more_than_a_reason_to_doubt() {
    let unsure = LIST.detect(&json!({"items": [], "incomplete_results": true}));
    assert_eq!((unsure.more, unsure.candidates.len()), (None, 0));
    assert_eq!(unsure.weak.as_deref(), Some("`incomplete_results` is true: there may be more"));
    let one = First { count: 1, records: None, ..LIST }
        .detect(&json!({"id": 1, "done": false, "total": 8, "truncated": true}));
    assert_eq!((one.more, one.weak, one.candidates.len()), (None, None, 0));
}

#[test]
fn an_end_that_is_stated_on_the_first_page_and_a_page_below_its_limit_are_seen() {
    let seen = |body: Value| {
        let detected = LIST.detect(&body);
        (detected.states_end, detected.is_short)
    };
    for (body, expected) in [
        (json!({"items": []}), (false, false)),
        (json!({"items": [], "has_more": false}), (true, false)),
        (json!({"items": [], "next": null}), (true, false)),
        (json!({"items": [], "isLast": true}), (true, false)),
        (json!({"items": [], "has_more": true}), (false, false)),
        (json!({"items": [], "first": 1, "last": 5}), (false, false)),
        (json!({"items": [], "startAt": 0, "maxResults": 100, "total": 10}), (false, true)),
        (json!({"items": [], "startAt": 0, "maxResults": 10, "total": 10}), (false, false)),
    ] {
        assert_eq!(seen(body.clone()), expected, "{body}");
    }
}

#[test]
fn an_offset_is_checked_where_no_total_shows_what_it_leaves_out() {
    let check = |body: Value| LIST.detect(&body).candidates[0].check.clone();
    let within = Some(PageToken::Offset(9));
    assert_eq!(check(json!({"items": [], "has_more": true})), within);
    assert_eq!(check(json!({"items": [], "has_more": true, "offset": 0, "limit": 10})), within);
    assert_eq!(check(json!({"items": [], "total": 95, "offset": 0, "limit": 10})), None);
    assert_eq!(check(json!({"features": [], "items": [], "exceededTransferLimit": true})), None);
}
