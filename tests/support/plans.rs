//! Plans as `config` would resolve them for a test's server: the defaults of INTERFACE.md, small enough for tests.

use std::time::Duration;

use restlake::{
    json::Selector,
    plan::{
        AnswerPlan, AuthPlan, Bindings, BoundRequest, CheckpointPlan, ClientPlan, Compression, ForeignHosts, MergePlan,
        OffsetPlan, OnDrift, OnIncomplete, PageNumberPlan, PaginatorPlan, ParquetPlan, RequestPlan, ResourcePlan,
        RetryPlan, TlsPlan, TotalsPlan, WriteDisposition,
    },
    schema::{Contract, Naming, TableSchema},
};
use url::Url;

/// No credentials, five attempts, no rate limit.
pub fn client(base_url: &Url) -> ClientPlan {
    ClientPlan {
        base_url: base_url.clone(),
        headers: Vec::new(),
        auth: AuthPlan::None,
        allowed_hosts: Vec::new(),
        foreign_hosts: ForeignHosts::Warn,
        tls: TlsPlan::default(),
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
        data_selector: Some(selector("data")),
        answers: AnswerPlan::default(),
        processing_steps: Vec::new(),
        allow_missing_data: false,
        on_drift: OnDrift::Warn,
        totals: TotalsPlan::default(),
        on_incomplete: OnIncomplete::default(),
        learned: None,
        detects_anew: false,
        max_pages: None,
        incremental: None,
        schema: TableSchema { columns: Vec::new() },
        inference: None,
        naming: Naming::Direct,
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
    PaginatorPlan::Offset(OffsetPlan::new(limit))
}

/// The same, with the total at `total`.
pub fn offset_with_total(limit: u64) -> PaginatorPlan {
    PaginatorPlan::Offset(OffsetPlan { total_path: Some(selector("total")), ..OffsetPlan::new(limit) })
}

/// dlt's `page_number` paginator from page 1, no total, and the empty page as the end.
pub fn page_number() -> PaginatorPlan {
    PaginatorPlan::PageNumber(PageNumberPlan::new(1))
}

pub fn selector(text: &str) -> Selector {
    text.parse().expect("a selector")
}
