//! Plans as `config` would resolve them for a test's server: the defaults of INTERFACE.md, small enough for tests.

use std::time::Duration;

use restlake::{
    json::Selector,
    plan::{
        AuthPlan, Bindings, BoundRequest, CheckpointPlan, ClientPlan, Compression, MergePlan, PaginatorPlan,
        ParquetPlan, RequestPlan, ResourcePlan, RetryPlan, WriteDisposition,
    },
    schema::{Contract, TableSchema},
};
use url::Url;

/// No credentials, five attempts, no rate limit.
pub fn client(base_url: &Url) -> ClientPlan {
    ClientPlan {
        base_url: base_url.clone(),
        headers: Vec::new(),
        auth: AuthPlan::None,
        max_concurrency: 16,
        rate_limit: None,
        timeout: Duration::from_secs(60),
        connect_timeout: Duration::from_secs(10),
        retry: RetryPlan {
            max_attempts: 5,
            initial_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(300),
            max_elapsed: Duration::from_secs(1800),
        },
        max_body: 64 << 20,
    }
}

/// A resource's request that has no places.
pub fn bound(resource: &ResourcePlan) -> BoundRequest {
    resource.request.bind(&Bindings::default()).expect("there are no places")
}

/// Reads `path` below `base_url`, records at `data`, into a table without columns.
pub fn resource(base_url: &Url, path: &str, paginator: PaginatorPlan) -> ResourcePlan {
    ResourcePlan {
        name: "rows".to_owned(),
        table: "rows".to_owned(),
        request: RequestPlan::get(base_url.clone(), path),
        auth: None,
        parent: None,
        paginator,
        data_selector: selector("data"),
        max_pages: None,
        schema: TableSchema { columns: Vec::new() },
        contract: Contract::default(),
        max_rejects: None,
        write_disposition: WriteDisposition::Append,
        primary_key: Vec::new(),
        dedup: false,
        dedup_sort: None,
        partition_by: Vec::new(),
        parquet: ParquetPlan {
            compression: Compression::Zstd(3),
            target_file_size: 256_000_000,
            row_group_rows: 250_000,
            bloom_filter: Vec::new(),
            sort_by: Vec::new(),
        },
        merge: MergePlan::default(),
        checkpoint: CheckpointPlan::default(),
        rewrite_limit: 10_000_000_000,
        compact_above: None,
        warnings: Vec::new(),
    }
}

/// dlt's `offset` paginator with a limit, no total, and the empty page as the end.
pub fn offset(limit: u64) -> PaginatorPlan {
    PaginatorPlan::Offset {
        limit,
        offset: 0,
        offset_param: "offset".to_owned(),
        limit_param: Some("limit".to_owned()),
        total_path: None,
        total_header: None,
        maximum_offset: None,
        stop_after_empty_page: true,
        has_more_path: None,
    }
}

/// The same, with the total at `total`.
pub fn offset_with_total(limit: u64) -> PaginatorPlan {
    let mut plan = offset(limit);
    if let PaginatorPlan::Offset { total_path, .. } = &mut plan {
        *total_path = Some(selector("total"));
    }
    plan
}

/// dlt's `page_number` paginator from page 1, no total, and the empty page as the end.
pub fn page_number() -> PaginatorPlan {
    PaginatorPlan::PageNumber {
        base_page: 1,
        page: 1,
        page_param: "page".to_owned(),
        total_path: None,
        total_header: None,
        maximum_page: None,
        stop_after_empty_page: true,
        has_more_path: None,
    }
}

pub fn selector(text: &str) -> Selector {
    text.parse().expect("a selector")
}
