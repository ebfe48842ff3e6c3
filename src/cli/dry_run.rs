//! `restlake run --dry-run`: a plan in words, or as its JSON. Secrets appear in neither.

use std::time::Duration;

use indicatif::{DecimalBytes, HumanCount};

use super::{
    args::{Global, OutputForm},
    exit::Exit,
    output::{self, Answer},
};
use crate::{
    plan::{
        AuthPlan, ClientPlan, Compression, PaginatorPlan, Plan, RequestPlan, ResourcePlan, Transform, WriteDisposition,
        reader,
    },
    schema::Column,
    secret::{REDACTED, Redactor, is_secret_name},
};

pub fn answer(plan: &Plan, global: &Global) -> Answer {
    let redactor = Redactor::new(plan.secrets.iter().map(|secret| secret.expose().clone()));
    let plan = without_secrets(plan, &redactor);
    let result = match global.output {
        OutputForm::Text => redactor.text(&text(&plan)),
        OutputForm::Json => output::json(&plan),
    };
    Answer { exit: Exit::Done, result }
}

/// The plan with nothing to hide in its URLs and parameters; whatever is a `Secret` hides itself.
fn without_secrets(plan: &Plan, redactor: &Redactor) -> Plan {
    let mut plan = plan.clone();
    let url = |url: &url::Url| redactor.url(url).parse().unwrap_or_else(|_| url.clone());
    plan.client.base_url = url(&plan.client.base_url);
    for resource in &mut plan.resources {
        resource.request.url = url(&resource.request.url);
        for (name, value) in &mut resource.request.params {
            *value = if is_secret_name(name) { REDACTED.to_owned() } else { redactor.text(value) };
        }
    }
    plan.destination.url = redactor.text(&plan.destination.url);
    plan
}

fn text(plan: &Plan) -> String {
    let mut text = lines("", &client_lines(plan));
    for resource in &plan.resources {
        text += &format!("\n{} -> {}/{}\n", resource.name, plan.destination.url.trim_end_matches('/'), resource.table);
        text += &lines("  ", &resource_lines(plan, resource));
        text += "  columns\n";
        for column in &resource.schema.columns {
            text += &format!("    {}\n", column_line(column));
        }
        for warning in &resource.warnings {
            text += &format!("  warning: {warning}\n");
        }
    }
    text + "\nnothing was requested, nothing was created\n"
}

type Line = (&'static str, String);

fn lines(indent: &str, lines: &[Line]) -> String {
    lines.iter().map(|(label, value)| format!("{indent}{label:<12} {value}\n")).collect()
}

fn client_lines(plan: &Plan) -> Vec<Line> {
    let ClientPlan { base_url, max_concurrency, timeout, connect_timeout, retry, .. } = &plan.client;
    let mut limits = format!("at most {max_concurrency} requests at once");
    if let Some(rate) = &plan.client.rate_limit {
        limits += &format!(", {} per {}", rate.requests, duration(rate.per));
    }
    let patience = format!(
        "{} an attempt ({} to connect), {} attempts within {}",
        duration(*timeout),
        duration(*connect_timeout),
        retry.max_attempts,
        duration(retry.max_elapsed)
    );
    let headers: Vec<_> = plan.client.headers.iter().map(|(name, _)| name.as_str()).collect();
    let mut lines = vec![
        ("pipeline", plan.pipeline.clone()),
        ("api", base_url.to_string()),
        ("auth", auth(&plan.client.auth)),
        ("load", limits),
        ("patience", patience),
        ("destination", plan.destination.url.clone()),
    ];
    if !headers.is_empty() {
        lines.insert(3, ("headers", headers.join(", ")));
    }
    lines
}

fn auth(auth: &AuthPlan) -> String {
    match auth {
        AuthPlan::None => "none".into(),
        AuthPlan::ApiKey { name, location, .. } => {
            format!("api_key `{name}` in the {}", format!("{location:?}").to_lowercase())
        }
        AuthPlan::Bearer { .. } => "bearer".into(),
        AuthPlan::HttpBasic { username, .. } => format!("http_basic as {username}"),
    }
}

fn resource_lines(plan: &Plan, resource: &ResourcePlan) -> Vec<Line> {
    let names =
        |columns: &[usize]| columns.iter().map(|index| column_name(resource, *index)).collect::<Vec<_>>().join(", ");
    let mut lines = vec![
        ("request", request(&resource.request)),
        ("pages", pages(&resource.paginator, resource.max_pages)),
        ("records", resource.data_selector.to_string()),
        ("writes", disposition(resource.write_disposition).into()),
        ("files", files(resource)),
    ];
    let optional = [
        ("primary key", names(&resource.primary_key)),
        ("partitions", partitions(resource)),
        ("sorted by", names(&resource.parquet.sort_by)),
        ("bloom", names(&resource.parquet.bloom_filter)),
    ];
    lines.extend(optional.into_iter().filter(|(_, value)| !value.is_empty()));
    lines.push(("duckdb", reader::duckdb(plan, resource)));
    lines
}

fn request(request: &RequestPlan) -> String {
    let params: Vec<_> = request.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let separator = if params.is_empty() { "" } else { "?" };
    format!("GET {}{separator}{}", request.url, params.join("&"))
}

fn pages(paginator: &PaginatorPlan, max_pages: Option<u64>) -> String {
    let mut text = match paginator {
        PaginatorPlan::SinglePage => "one".to_owned(),
        PaginatorPlan::Offset { limit, offset, offset_param, .. } => {
            format!("offset `{offset_param}` from {offset}, {} records a page", HumanCount(*limit))
        }
        PaginatorPlan::PageNumber { page, page_param, .. } => format!("page_number `{page_param}` from {page}"),
    };
    if let Some(max_pages) = max_pages {
        text += &format!(", at most {} pages", HumanCount(max_pages));
    }
    text
}

fn disposition(disposition: WriteDisposition) -> &'static str {
    match disposition {
        WriteDisposition::Append => "append",
        WriteDisposition::Replace => "replace",
        WriteDisposition::Merge => "merge",
    }
}

fn files(resource: &ResourcePlan) -> String {
    let parquet = &resource.parquet;
    let compression = match parquet.compression {
        Compression::Uncompressed => "uncompressed".to_owned(),
        Compression::Snappy => "snappy".to_owned(),
        Compression::Lz4 => "lz4".to_owned(),
        Compression::Gzip(level) => format!("gzip({level})"),
        Compression::Zstd(level) => format!("zstd({level})"),
    };
    let size = DecimalBytes(parquet.target_file_size);
    format!("parquet, {compression}, about {size}, row groups of {} rows", HumanCount(parquet.row_group_rows as u64))
}

fn partitions(resource: &ResourcePlan) -> String {
    let field = |field: &crate::plan::PartitionField| {
        let column = column_name(resource, field.column);
        match field.transform {
            Transform::Identity => column,
            Transform::Year => format!("year({column})"),
            Transform::Month => format!("month({column})"),
            Transform::Day => format!("day({column})"),
            Transform::Hour => format!("hour({column})"),
            Transform::Bucket(count) => format!("bucket[{count}]({column})"),
            Transform::Truncate(width) => format!("truncate[{width}]({column})"),
        }
    };
    resource.partition_by.iter().map(field).collect::<Vec<_>>().join(", ")
}

fn column_name(resource: &ResourcePlan, index: usize) -> String {
    resource.schema.columns.get(index).map(|column| column.name.clone()).unwrap_or_default()
}

fn column_line(column: &Column) -> String {
    let mut text = format!("{:<24} {}", column.name, column.data_type);
    if !column.nullable {
        text += " not null";
    }
    let source = column.source.to_path();
    if source != column.name {
        text += &format!(" <- {source}");
    }
    text
}

/// `50ms`, `10s`, `5m`: as a config writes it.
fn duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    let unit = units.into_iter().find(|(length, _)| millis > 0 && millis.is_multiple_of(*length));
    unit.map_or_else(|| format!("{millis}ms"), |(length, name)| format!("{}{name}", millis / length))
}
