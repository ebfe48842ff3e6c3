//! Answers of well-known APIs, and the numbers of them that are totals.

use serde_json::{Value, json};

use super::*;
use crate::json::Document;

fn keys(path: &str) -> Vec<String> {
    path.split('.').filter(|key| !key.is_empty()).map(str::to_owned).collect()
}

fn headers(of: &[(&'static str, &'static str)]) -> HeaderMap {
    of.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

fn found(body: &Value, records: &str) -> Vec<Total> {
    let document = Document::parse(body.to_string().into()).unwrap();
    find(document.root(), &HeaderMap::new(), &keys(records))
}

/// The chosen total of a first page, as text.
fn chosen(body: &Value, records: &str, count: u64) -> Option<(String, u64)> {
    choose(&found(body, records), count, count).map(|total| (total.place.to_string(), total.records))
}

/// An API, the keys that lead to its records, its first page of 10 records, and the place of its total of 57.
type Case = (&'static str, &'static str, Value, &'static str);

fn check(cases: impl IntoIterator<Item = Case>) {
    for (api, records, body, place) in cases {
        assert_eq!(chosen(&body, records, 10), Some((format!("`{place}`"), 57)), "{api}: {body}");
    }
}

#[test]
fn totals_of_databases_search_engines_and_issue_trackers_are_found() {
    check([
        ("Airflow", "dags", json!({"dags": [], "total_entries": 57}), "total_entries"),
        ("CouchDB", "rows", json!({"total_rows": 57, "offset": 0, "rows": []}), "total_rows"),
        ("Directus", "data", json!({"data": [], "meta": {"filter_count": 57}}), "meta.filter_count"),
        ("Solr", "response.docs", json!({"response": {"numFound": 57, "start": 0, "docs": []}}), "response.numFound"),
        ("Elasticsearch 6", "hits.hits", json!({"hits": {"total": 57, "hits": []}}), "hits.total"),
        (
            "Elasticsearch 7",
            "hits.hits",
            json!({"hits": {"total": {"value": 57, "relation": "eq"}, "max_score": 1.0, "hits": []}}),
            "hits.total.value",
        ),
        ("Salesforce", "records", json!({"totalSize": 57, "done": false, "records": []}), "totalSize"),
        ("Jira", "issues", json!({"startAt": 0, "maxResults": 10, "total": 57, "issues": []}), "total"),
        (
            "DataTables",
            "data",
            json!({"draw": 1, "recordsTotal": 90, "recordsFiltered": 57, "data": []}),
            "recordsFiltered",
        ),
        ("Algolia", "hits", json!({"hits": [], "nbHits": 57, "page": 0, "nbPages": 6, "hitsPerPage": 10}), "nbHits"),
        ("DRF", "results", json!({"count": 57, "next": null, "previous": null, "results": []}), "count"),
    ]);
}

#[test]
fn totals_of_frameworks_and_standards_are_found() {
    check([
        (
            "Spring",
            "_embedded.users",
            json!({"_embedded": {"users": []}, "page": {"size": 20, "totalElements": 57, "totalPages": 3, "number": 0}}),
            "page.totalElements",
        ),
        (
            "Spring Data",
            "content",
            json!({"content": [], "totalElements": 57, "totalPages": 3, "numberOfElements": 20, "size": 20}),
            "totalElements",
        ),
        (
            "Strapi",
            "data",
            json!({"data": [], "meta": {"pagination": {"page": 1, "pageSize": 25, "pageCount": 3, "total": 57}}}),
            "meta.pagination.total",
        ),
        ("JSON:API", "data", json!({"data": [], "meta": {"page": {"total": 57}}}), "meta.page.total"),
        ("JSON:API", "data", json!({"data": [], "meta": {"total": 57}}), "meta.total"),
        (
            "Laravel",
            "data",
            json!({"current_page": 1, "data": [], "from": 1, "last_page": 6, "per_page": 10, "to": 10, "total": 57}),
            "total",
        ),
        (
            "Fractal",
            "data",
            json!({"data": [], "meta": {"pagination": {"total": 57, "count": 10, "per_page": 10, "total_pages": 6}}}),
            "meta.pagination.total",
        ),
        ("Stripe", "data", json!({"object": "list", "data": [], "has_more": true, "total_count": 57}), "total_count"),
        ("CKAN", "result.records", json!({"success": true, "result": {"records": [], "total": 57}}), "result.total"),
        ("CKAN", "result.results", json!({"result": {"count": 57, "results": []}}), "result.count"),
        ("OData", "value", json!({"@odata.count": 57, "value": []}), "$['@odata.count']"),
        ("OData 3", "value", json!({"odata.count": "57", "value": []}), "$['odata.count']"),
        ("OData 2", "d.results", json!({"d": {"__count": "57", "results": []}}), "d.__count"),
        (
            "openFDA",
            "results",
            json!({"meta": {"results": {"skip": 0, "total": 57}}, "results": []}),
            "meta.results.total",
        ),
        ("OGC API", "features", json!({"numberMatched": 57, "numberReturned": 10, "features": []}), "numberMatched"),
        (
            "GraphQL",
            "data.issues.nodes",
            json!({"data": {"issues": {"totalCount": 57, "nodes": []}}}),
            "data.issues.totalCount",
        ),
    ]);
}

#[test]
fn a_total_may_have_any_spelling_and_the_name_of_the_records() {
    for name in [
        "total",
        "Total",
        "TOTAL",
        "count",
        "Count",
        "total_rows",
        "rowsTotal",
        "row_count",
        "total-records",
        "itemsCount",
        "count_total",
        "hits_total",
        "resultCount",
        "TotalResults",
        "totalElements",
        "totalSize",
        "total_found",
        "issuesTotal",
        "total_issues",
        "issue_count",
        "IssueCount",
        "totalNumberOfResults",
        "num_results",
        "total_count",
    ] {
        let body = json!({"issues": [], name: 3000});
        assert_eq!(chosen(&body, "issues", 50).map(|(_, total)| total), Some(3000), "{name}");
    }
}

#[test]
fn other_numbers_are_no_totals() {
    for name in [
        "unread_count",
        "total_price",
        "rate_limit",
        "page_size",
        "version",
        "retry_count",
        "total_pages",
        "page_count",
        "totalPages",
        "limit",
        "per_page",
        "pages",
        "size",
        "number",
        "numberOfElements",
        "pageTotal",
        "total_time",
        "totalBytes",
        "account",
        "discount",
        "countdown",
        "country",
        "subtotal",
        "total_issue_price",
        "numPages",
        "totals",
        "error_count",
        "offset",
        "status",
    ] {
        for body in [json!({"issues": [], name: 3000}), json!({"issues": [], "meta": {name: 3000}})] {
            assert_eq!(found(&body, "issues"), [], "{body}");
        }
    }
    assert_eq!(found(&json!({"pages": [], "total_pages": 3000}), "pages"), []);
}

#[test]
fn only_whole_numbers_are_totals_as_digits_too() {
    let total = |value: Value| chosen(&json!({"data": [], "total": value}), "data", 10).map(|(_, total)| total);
    assert_eq!((total(json!(57)), total(json!("57")), total(json!(" 57 "))), (Some(57), Some(57), Some(57)));
    for value in
        [json!(-1), json!(57.5), json!("57+"), json!("about 57"), json!(""), json!(null), json!(true), json!([57])]
    {
        assert_eq!(total(value.clone()), None, "{value}");
    }
}

#[test]
fn a_total_is_near_the_records_and_never_in_one() {
    for (body, records) in [
        (json!({"data": [{"id": 1, "count": 3000, "total": 3000}]}), "data"),
        (json!({"user": {"total": 3000}, "data": []}), "data"),
        (json!({"total": 3000, "a": {"b": {"items": []}}}), "a.b.items"),
        (json!({"meta": {"usage": {"total": 3000}}, "data": []}), "data"),
        (json!({"total": 3000, "count": 3000}), ""),
    ] {
        assert_eq!(found(&body, records), [], "{body}");
    }
    assert_eq!(chosen(&json!({"total": 57, "result": {"items": []}}), "result.items", 10).unwrap().0, "`total`");
}

#[test]
fn headers_state_totals() {
    for (header, value, display, total) in [
        ("X-Total-Count", "57", "the header `X-Total-Count`", Some(57)),
        ("x-total", " 57", "the header `X-Total`", Some(57)),
        ("X-WP-Total", "57", "the header `X-WP-Total`", Some(57)),
        ("Total-Count", "57", "the header `Total-Count`", Some(57)),
        ("Total-Records", "57", "the header `Total-Records`", Some(57)),
        ("Content-Range", "0-49/3000", "the header `Content-Range`", Some(3000)),
        ("Content-Range", "items 0-49/3000", "the header `Content-Range`", Some(3000)),
        ("Content-Range", "0-49/*", "", None),
        ("Content-Range", "bytes 0-49/3000", "", None),
        ("X-WP-TotalPages", "57", "", None),
        ("X-Total-Pages", "57", "", None),
        ("X-Total-Count", "-1", "", None),
        ("X-RateLimit-Limit", "57", "", None),
        ("Content-Length", "57", "", None),
    ] {
        let (document, headers) = (Document::parse(b"[]".to_vec()).unwrap(), headers(&[(header, value)]));
        let totals = find(document.root(), &headers, &[]);
        assert_eq!(totals.first().map(|total| total.records), total, "{header}: {value}");
        for found in totals {
            assert_eq!(found.place.to_string(), display);
            assert_eq!(found.place.read(document.root(), &headers), total);
        }
    }
}

#[test]
fn of_a_header_that_comes_twice_the_first_number_counts() {
    let document = Document::parse(b"[]".to_vec()).unwrap();
    let headers = headers(&[("X-Total-Count", "many"), ("X-Total-Count", "57"), ("X-Total-Count", "58")]);
    let totals = find(document.root(), &headers, &[]);
    let found: Vec<_> =
        totals.iter().map(|total| (total.records, total.place.read(document.root(), &headers))).collect();
    assert_eq!(found, [(57, Some(57))]);
}

#[test]
fn a_number_that_is_a_bound_or_an_estimate_is_weak() {
    for (body, records) in [
        (json!({"hits": {"total": {"value": 10000, "relation": "gte"}, "hits": []}}), "hits.hits"),
        (json!({"total": 10000, "relation": "gte", "data": []}), "data"),
        (json!({"total": {"value": 10000, "eq": false}, "data": []}), "data"),
        (json!({"response": {"numFound": 10000, "numFoundExact": false, "docs": []}}), "response.docs"),
        (json!({"nbHits": 10000, "exhaustiveNbHits": false, "hits": []}), "hits"),
        (json!({"found": 10000, "posts": []}), "posts"),
    ] {
        let totals = found(&body, records);
        assert!(choose(&totals, 10, 10).is_some_and(|total| total.is_weak && total.records == 10000), "{body}");
    }
    let body = json!({"total": {"value": 10000, "relation": "gte"}, "meta": {"total": 57}, "data": []});
    assert_eq!(chosen(&body, "data", 10), Some(("`meta.total`".to_owned(), 57)));
    // A strong one that came to its end is no reason to believe the weak one.
    assert_eq!(choose(&found(&body, "data"), 10, 60), None);
}

#[test]
fn of_several_the_smallest_that_is_not_below_what_was_received_counts() {
    let total =
        |body: &Value, count, received| choose(&found(body, "data"), count, received).map(|total| total.records);
    let page_count = json!({"count": 50, "total": 3000, "data": []});
    assert_eq!(total(&page_count, 50, 50), Some(3000), "`count` is that of the page");
    assert_eq!(total(&page_count, 50, 100), Some(3000));
    let filtered = json!({"recordsTotal": 57, "recordsFiltered": 10, "data": []});
    assert_eq!(total(&filtered, 10, 10), Some(10), "the request is for the filtered ones");
    let directus = json!({"meta": {"total_count": 57, "filter_count": 10}, "data": []});
    assert_eq!(total(&directus, 10, 10), Some(10));
    let twitter = json!({"meta": {"result_count": 10, "total": 57}, "data": []});
    assert_eq!(total(&twitter, 10, 10), Some(57));
    let alone = json!({"count": 50, "data": []});
    assert_eq!((total(&alone, 50, 50), total(&alone, 50, 100)), (Some(50), None));
    let both = json!({"total": 57, "meta": {"total_count": 90}, "data": []});
    assert_eq!((total(&both, 10, 57), total(&both, 10, 58), total(&both, 10, 91)), (Some(57), Some(90), None));
    assert_eq!(exceeded(&found(&both, "data"), 90), None);
    assert_eq!(exceeded(&found(&both, "data"), 91).map(|total| total.records), Some(90));
    assert_eq!(exceeded(&found(&alone, "data"), 100), None, "a page's own count is exceeded by every second page");
}

#[test]
fn a_name_of_words_in_a_row_is_examined_once_however_many_ways_there_are_to_split_it() {
    // `item` is a word of its own and the name of the records: each could be taken in two ways.
    let long = format!("total_{}_x", "item".repeat(50));
    let body = json!({long: 7, "total_items": 8, "itemcountitem_total": 9, "items": []});
    let records: Vec<_> = found(&body, "items").into_iter().map(|total| total.records).collect();
    assert_eq!(records, [8, 9]);
}
