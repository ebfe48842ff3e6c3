//! One resource into one table.

use std::{path::Path, sync::Arc};

use url::Url;

use super::{
    Overrides, answer, auth,
    columns::Columns,
    delta, destination, disposition, family,
    incremental::Incremental,
    inferred, load_columns,
    merge::{self, Merge},
    paginator, partition,
    placeholders::Placeholders,
    request,
    schema::{self, Declared},
    upkeep::Places,
};
use crate::{
    config::{Findings, Loaded, Located, Section, quantity, tree::Kind},
    plan::{
        AllowedHost, AuthPlan, DedupSort, IncrementalPlan, MaxRejects, MergePlan, OnDrift, ParquetPlan, PartitionField,
        RequestPlan, ResourcePlan, TableFormatKind, WriteDisposition,
    },
    schema::{Column, ColumnType, Source, TableSchema},
    secret::Secret,
};

/// What a resource takes from elsewhere.
pub struct Context<'a> {
    /// `None` if it is wrong.
    pub base_url: Option<&'a Url>,
    /// Of the config file.
    pub directory: &'a Path,
    /// Of all resources.
    pub names: &'a [String],
    pub client: &'a Section<'a>,
    pub root: &'a Section<'a>,
    /// The whole config, for a plan that is to be completed later.
    pub keep: &'a dyn Fn() -> Arc<Loaded>,
    pub destination: &'a Section<'a>,
    pub parquet: &'a Section<'a>,
    pub table_format: TableFormatKind,
    pub overrides: &'a Overrides,
}

pub fn resolve(
    resource: &Section<'_>,
    context: &Context<'_>,
    secrets: &mut Vec<Secret<String>>,
    findings: &mut Findings,
) -> Option<ResourcePlan> {
    let name = name(resource, findings);
    let table = name.as_ref().and_then(|name| table(resource, name, findings));
    let endpoint = resource.section("endpoint");
    let mut placeholders = Placeholders::new(&endpoint, context.names);
    let mut request = match &name {
        Some(name) if !endpoint.is_broken() => {
            request::resolve(&endpoint, &name.value, context.base_url, &mut placeholders, secrets, findings)
        }
        _ => None,
    };
    let parent = family::parent(resource, request.as_ref(), &placeholders, findings);
    let auth = auth(&endpoint, context, secrets, findings);
    let paging = paginator::resolve(resource, &endpoint, context.client, request.as_ref(), findings);
    let (inference, rows) = match resource.is_written("schema") {
        true => (Some(None), rows(resource, None, context, findings)),
        false => {
            let named = rows(resource, Some(&inferred::named(resource, context)), context, findings);
            let open = named.and_then(|rows| inferred::open_rows(resource, rows, context));
            (inferred::inference(resource, context).map(Some), open)
        }
    };
    let answers = match endpoint.is_broken() {
        true => None,
        false => answer::resolve(&endpoint, context.client, findings),
    };
    let processing_steps = answer::steps(resource, findings);
    let contract = schema::contract(resource);
    let upkeep = Places { resource, destination: context.destination, root: context.root };
    let (name, mut rows) = (name?, rows?);
    let incremental = incremental(resource, context, &name.value, request.as_mut()?, &mut rows, findings);
    let (paging, naming) = (paging?, inferred::naming(resource, context)?);
    rows.warnings.extend(request.as_ref().and_then(|request| elsewhere(request, context.client)));
    rows.warnings.extend(paginator::warning(&paging.paginator));
    let on_drift = paging.on_drift.unwrap_or_else(|| default_on_drift(&rows));
    rows.warnings.extend(
        paging.on_drift.and_then(|on_drift| paginator::sees_too_little(&paging.paginator, &paging.totals, on_drift)),
    );
    Some(ResourcePlan {
        incremental,
        name: name.value,
        table: table?,
        request: request?,
        auth: auth?,
        parent: parent?,
        paginator: paging.paginator,
        data_selector: paging.data_selector,
        answers: answers?.with_bools(rows.bools, naming),
        processing_steps: processing_steps?,
        allow_missing_data: paging.allow_missing_data,
        on_drift,
        totals: paging.totals,
        on_incomplete: paginator::on_incomplete(resource, context.root),
        learned: None,
        detects_anew: context.overrides.full_refresh,
        max_pages: context.overrides.max_pages,
        contract: contract?,
        max_rejects: max_rejects(resource),
        schema: rows.schema,
        inference: inference?,
        naming,
        write_disposition: rows.write_disposition,
        merge: rows.merge,
        checkpoint: upkeep.checkpoint()?,
        rewrite_limit: upkeep.rewrite_limit()?,
        compact_above: upkeep.compact_above()?,
        primary_key: rows.primary_key,
        dedup: rows.dedup,
        dedup_sort: rows.dedup_sort,
        partition_by: rows.partition_by,
        parquet: rows.parquet,
        warnings: rows.warnings,
    })
}

/// Rows that do not come are removed from such tables: a result set that moved is read once more before that.
fn default_on_drift(rows: &Rows) -> OnDrift {
    let removes = rows.write_disposition == WriteDisposition::Replace || rows.merge.delete_missing;
    if removes { OnDrift::Refetch } else { OnDrift::Warn }
}

/// Credentials of the resource's own; null sends none.
fn auth(
    endpoint: &Section<'_>,
    context: &Context<'_>,
    secrets: &mut Vec<Secret<String>>,
    findings: &mut Findings,
) -> Option<Option<AuthPlan>> {
    match endpoint.is_written("auth") {
        true => {
            let (base_url, directory) = (context.base_url, context.directory);
            auth::Resolver { base_url, directory, secrets, findings }.resolve(endpoint).map(Some)
        }
        false => Some(endpoint.is_null("auth").then_some(AuthPlan::None)),
    }
}

/// What is to be known of a path that leads away from the API.
fn elsewhere(request: &RequestPlan, client: &Section<'_>) -> Option<String> {
    let url = Url::parse(&request.address()).ok()?;
    let origin = url.origin();
    let allowed = client.texts("allowed_hosts").into_iter().filter_map(|host| host.value.parse::<AllowedHost>().ok());
    (origin != request.base_url.origin() && !allowed.into_iter().any(|host| host.allows(&url))).then(|| {
        let origin = origin.ascii_serialization();
        format!(
            "`path` leads to {origin}, which is neither the origin of `base_url` nor among `allowed_hosts`: no credentials go \
             there"
        )
    })
}

/// The resource's plan with columns that its config does not declare.
pub fn complete(
    open: &ResourcePlan,
    resource: &Section<'_>,
    columns: &TableSchema,
    context: &Context<'_>,
    findings: &mut Findings,
) -> Option<ResourcePlan> {
    let mut rows = rows(resource, Some(columns), context, findings)?;
    let mut incremental = open.incremental.clone();
    if let Some(plan) = &mut incremental {
        // What names records by its columns knows them now. The rest of it was found out, and told, before.
        let (mut request, mut told) = (open.request.clone(), Findings::new(Vec::new(), Vec::new()));
        let again = self::incremental(resource, context, &open.name, &mut request, &mut rows, &mut told);
        if let Some(again) = again {
            (plan.identity, plan.cursor_path, plan.epoch) = (again.identity, again.cursor_path, again.epoch);
        }
    }
    Some(ResourcePlan {
        schema: rows.schema,
        inference: None,
        incremental,
        merge: rows.merge,
        primary_key: rows.primary_key,
        dedup: rows.dedup,
        dedup_sort: rows.dedup_sort,
        partition_by: rows.partition_by,
        parquet: rows.parquet,
        warnings: rows.warnings,
        answers: open.answers.clone().with_bools(rows.bools, open.naming),
        ..open.clone()
    })
}

/// What depends on the table's columns.
pub struct Rows {
    pub schema: TableSchema,
    pub write_disposition: WriteDisposition,
    pub merge: MergePlan,
    pub primary_key: Vec<usize>,
    pub dedup: bool,
    pub dedup_sort: Option<DedupSort>,
    pub partition_by: Vec<PartitionField>,
    pub parquet: ParquetPlan,
    /// Fields of bools.
    pub bools: Vec<String>,
    pub warnings: Vec<String>,
}

/// `inferred` are the columns of a resource that declares none.
fn rows(
    resource: &Section<'_>,
    inferred: Option<&TableSchema>,
    context: &Context<'_>,
    findings: &mut Findings,
) -> Option<Rows> {
    let disposition = disposition::resolve(resource, context.overrides);
    if let Some(disposition) = &disposition {
        merge::check_key(resource, disposition, findings);
    }
    let mut declared = match inferred {
        Some(columns) => inferred::declared(resource, columns, context, findings),
        None => schema::resolve(resource, findings)?,
    };
    load_columns::append_metadata(resource, &mut declared, findings);
    let scd2 = disposition.as_ref().filter(|disposition| disposition.is_scd2());
    let validity = scd2.and_then(|disposition| load_columns::append_validity(disposition, &mut declared, findings));
    if context.table_format == TableFormatKind::Delta {
        delta::check(&declared, findings);
    }
    let Declared { schema, hints, .. } = declared;
    let columns = Columns::new(&schema);
    let primary_key = columns.all(resource.texts("primary_key"), &hints.primary_key, "a key", findings);
    let mut warnings = time_warnings(&schema).into_iter().chain(hints.warnings.clone()).collect::<Vec<_>>();
    warnings.extend(inferred::idle(resource));
    let merge = disposition.as_ref().and_then(|disposition| {
        let merge = Merge { resource, disposition, columns: &columns, hints: &hints, primary_key: &primary_key };
        merge.resolve(validity, &mut warnings, findings)
    });
    let dedup_sort = dedup_sort(&hints.dedup_sort, &primary_key, &schema, findings);
    let partition_by = partition::resolve(resource, &hints.partition, &columns, findings)?;
    warnings.splice(0..0, partition::warnings(&schema, &partition_by));
    let parquet = destination::parquet(context.parquet, &columns, &partition_by, &mut warnings, findings)?;
    let dedup = resource.flag("dedup")? && !primary_key.is_empty();
    Some(Rows {
        write_disposition: disposition?.effective,
        merge: merge?,
        primary_key,
        dedup,
        dedup_sort,
        partition_by,
        parquet,
        bools: bools(&schema),
        warnings,
        schema,
    })
}

fn bools(schema: &TableSchema) -> Vec<String> {
    let key = |column: &Column| match &column.source {
        Source::Path(keys) if keys.len() == 1 => keys.first().cloned(),
        Source::Evolved(key) => Some(key.clone()),
        _ => None,
    };
    schema.columns.iter().filter(|column| column.data_type == ColumnType::Bool).filter_map(key).collect()
}

fn incremental(
    resource: &Section<'_>,
    context: &Context<'_>,
    name: &str,
    request: &mut RequestPlan,
    rows: &mut Rows,
    findings: &mut Findings,
) -> Option<IncrementalPlan> {
    let incremental = Incremental {
        name,
        resource,
        columns: &Columns::new(&rows.schema),
        disposition: &disposition::resolve(resource, context.overrides)?,
        merge: &rows.merge,
        primary_key: &rows.primary_key,
        overrides: context.overrides,
    };
    incremental.resolve(request, &mut rows.warnings, findings)
}

fn name(resource: &Section<'_>, findings: &mut Findings) -> Option<Located<String>> {
    if !resource.is_written("name") {
        findings.error(resource.place(), "the resource has no `name`", Some("add `name: …`".into()));
        return None;
    }
    let name = resource.text("name")?;
    if name.value.is_empty() || name.value.chars().any(char::is_control) {
        findings.error(&name.place, "a resource's name is a line of text", None);
        return None;
    }
    Some(name)
}

/// As it is written, or from the resource's name.
pub fn table_name(resource: &Section<'_>, name: &Located<String>) -> Option<Located<String>> {
    match resource.is_written("table_name") {
        true => resource.text("table_name"),
        // A resource that is nothing but its path may have a path of several parts, and a table is one directory.
        false => Some(Located { value: name.value.trim_matches('/').replace('/', "_"), place: name.place.clone() }),
    }
}

/// The table's name, which is a directory of the destination and may be nothing else.
fn table(resource: &Section<'_>, name: &Located<String>, findings: &mut Findings) -> Option<String> {
    let table = table_name(resource, name)?;
    let wrong = match table.value.as_str() {
        "" => "a table's name cannot be empty",
        text if text.contains(['/', '\\']) => "a table's name cannot have a slash in it",
        text if text.starts_with(['_', '.']) => {
            "a table's name cannot begin with `_` or `.`: readers skip such directories"
        }
        text if text.contains('=') => "a table's name cannot have a `=` in it: readers take it for a partition",
        text if text.contains(['*', '?', '[', ']', '{', '}']) => {
            "a table's name cannot have `*`, `?` or brackets in it"
        }
        text if text.chars().any(char::is_control) => "a table's name cannot have control characters in it",
        text if text.len() > 255 => "a table's name cannot be longer than 255 bytes",
        _ => return Some(table.value),
    };
    findings.error(&table.place, wrong, Some("set `table_name`".into()));
    None
}

fn dedup_sort(
    hints: &[Located<(usize, bool)>],
    primary_key: &[usize],
    schema: &TableSchema,
    findings: &mut Findings,
) -> Option<DedupSort> {
    let first = hints.first()?;
    let (column, descending) = first.value;
    let data_type = schema.columns.get(column).map(|column| &column.data_type)?;
    let wrong = match data_type {
        _ if hints.len() > 1 => Some("only one column can have `dedup_sort`"),
        _ if primary_key.is_empty() => Some("`dedup_sort` needs a `primary_key`, whose rows it orders"),
        data_type if data_type.is_nested() => Some("nested values have no order"),
        ColumnType::Json => Some("json values have no order"),
        _ => None,
    };
    match wrong {
        Some(message) => {
            let place = hints.last().map_or(&first.place, |hint| &hint.place);
            findings.error(place, message, None);
            None
        }
        None => Some(DedupSort { column, descending }),
    }
}

fn max_rejects(resource: &Section<'_>) -> Option<MaxRejects> {
    let value = resource.get("max_rejects")?;
    match &value.kind {
        Kind::Number(number) => number.parse().ok().map(MaxRejects::Rows),
        _ => quantity::share(value.as_text()?).map(MaxRejects::Share),
    }
}

fn time_warnings(schema: &TableSchema) -> Option<String> {
    let times = schema.columns.iter().filter(|column| has_time(&column.data_type));
    let times: Vec<_> = times.map(|column| format!("`{}`", column.name)).collect();
    (!times.is_empty()).then(|| {
        format!("Spark 4 reads the time of day in {} only with spark.sql.timeType.enabled=true", times.join(", "))
    })
}

fn has_time(data_type: &ColumnType) -> bool {
    match data_type {
        ColumnType::Time => true,
        ColumnType::List(inner) | ColumnType::Map(inner) => has_time(inner),
        ColumnType::Struct(fields) => fields.iter().any(|field| has_time(&field.data_type)),
        _ => false,
    }
}
