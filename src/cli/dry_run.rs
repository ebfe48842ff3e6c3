//! `restlake run --dry-run`: a plan in words, or as its JSON. Secrets appear in neither.

mod identity;
mod reading;

use std::time::Duration;

use indicatif::{DecimalBytes, HumanCount};

use super::{
    args::{Global, OutputForm},
    exit::Exit,
    output::{self, Answer},
};
use crate::{
    json::Selector,
    plan::{
        BodyPlan, ClientPlan, Compression, JsonTemplate, MergePlan, MergeStrategy, OffsetPlan, OnDrift, PageNumberPlan,
        PaginatorPlan, ParentPlan, PartitionField, Plan, RequestPlan, ResourcePlan, Scd2Plan, TableFormatKind,
        Template, Transform, WriteDisposition,
    },
    schema::{Column, ColumnsContract, Source},
    secret::{REDACTED, Redactor, is_secret_name},
};

pub fn answer(plan: &Plan, global: &Global) -> Answer {
    let redactor = plan.redactor();
    let plan = without_secrets(plan, &redactor);
    let result = match global.output {
        OutputForm::Text => redactor.text(&text(&plan)),
        OutputForm::Json => output::masked_json(&plan, &redactor),
    };
    Answer::new(Exit::Done, result)
}

/// The plan with nothing to hide in its requests; whatever is a `Secret` hides itself.
fn without_secrets(plan: &Plan, redactor: &Redactor) -> Plan {
    let mut plan = plan.clone();
    plan.client.base_url = redacted_url(&plan.client.base_url, redactor);
    for resource in plan.resources.iter_mut().chain(&mut plan.parents) {
        hide(&mut resource.request, redactor);
    }
    plan.destination.url = redactor.text(&plan.destination.url);
    plan
}

fn redacted_url(url: &url::Url, redactor: &Redactor) -> url::Url {
    redactor.url(url).parse().unwrap_or_else(|_| url.clone())
}

fn hide(request: &mut RequestPlan, redactor: &Redactor) {
    request.base_url = redacted_url(&request.base_url, redactor);
    request.path = request.path.map_text(|text| redactor.text(text));
    for (name, value) in &mut request.params {
        *value = hidden(&name.to_string(), value, redactor);
    }
    match &mut request.body {
        BodyPlan::None => {}
        BodyPlan::Json(json) => hide_in_json(json, redactor),
        BodyPlan::Form(fields) => {
            for (name, value) in fields {
                *value = hidden(&name.to_string(), value, redactor);
            }
        }
        BodyPlan::Raw(text) => *text = text.map_text(|text| redactor.text(text)),
    }
}

fn hidden(name: &str, value: &Template, redactor: &Redactor) -> Template {
    if is_secret_name(name) { Template::literal(REDACTED) } else { value.map_text(|text| redactor.text(text)) }
}

fn hide_in_json(json: &mut JsonTemplate, redactor: &Redactor) {
    match json {
        JsonTemplate::Value(_) => {}
        JsonTemplate::Text(text) => *text = text.map_text(|text| redactor.text(text)),
        JsonTemplate::List(items) => items.iter_mut().for_each(|item| hide_in_json(item, redactor)),
        JsonTemplate::Object(entries) => {
            for (key, value) in entries {
                match is_secret_name(&key.to_string()) {
                    true => *value = JsonTemplate::Text(Template::literal(REDACTED)),
                    false => hide_in_json(value, redactor),
                }
            }
        }
    }
}

fn text(plan: &Plan) -> String {
    let mut text = lines("", &client_lines(plan));
    for resource in &plan.resources {
        text += &format!("\n{} -> {}/{}\n", resource.name, plan.destination.url.trim_end_matches('/'), resource.table);
        text += &lines("  ", &resource_lines(resource, plan.resume));
        text += &columns(resource);
        for warning in &resource.warnings {
            text += &format!("  warning: {warning}\n");
        }
    }
    text + "\nnothing was requested, nothing was created\n"
}

fn columns(resource: &ResourcePlan) -> String {
    let Some(inference) = &resource.inference else {
        let lines = resource.schema.columns.iter().map(|column| format!("    {}\n", column_line(column)));
        return "  columns\n".to_owned() + &lines.collect::<String>();
    };
    let from = format!("the first pages, until {} records were seen", HumanCount(inference.rows));
    let recorded = if inference.anew { "anew" } else { "unless the table has recorded its columns" };
    let mut text = format!("  columns      inferred from {from}, {recorded}\n");
    // What names columns stands as it is written: it is resolved once they are known.
    for (key, value) in
        inference.written.as_object().into_iter().flatten().filter(|(key, _)| *key != "write_disposition")
    {
        text += &format!("    {key:<22} {value}\n");
    }
    text
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
    let timeouts = format!(
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
        ("auth", identity::auth(&plan.client.auth)),
        ("limits", limits),
        ("timeouts", timeouts),
        ("destination", plan.destination.url.clone()),
        ("tables", tables(plan)),
    ];
    if !headers.is_empty() {
        lines.insert(3, ("headers", headers.join(", ")));
    }
    lines.splice(3..3, identity::trust(&plan.client));
    lines
}

fn tables(plan: &Plan) -> String {
    let format = match plan.table_format {
        TableFormatKind::Parquet => "parquet",
        TableFormatKind::Delta => "delta",
    };
    let busy = if plan.wait { "waited for" } else { "left alone" };
    let kept = match plan.table_format {
        TableFormatKind::Parquet => "files that leave a table deleted at once, old commits",
        TableFormatKind::Delta => "files of earlier versions",
    };
    let retain = duration(plan.retain);
    format!("{format}, {busy} while another run writes them; {kept} kept for {retain} (`restlake vacuum`)")
}

fn resource_lines(resource: &ResourcePlan, resumes: bool) -> Vec<Line> {
    let names =
        |columns: &[usize]| columns.iter().map(|index| column_name(resource, *index)).collect::<Vec<_>>().join(", ");
    let mut lines = vec![
        ("request", request(&resource.request)),
        ("pages", pages(&resource.paginator, resource.on_drift, resource.max_pages)),
        ("records", records(resource)),
        ("writes", disposition(resource)),
        ("files", files(resource)),
        ("checkpoints", checkpoints(resource, resumes)),
        ("schema", schema_changes(resource)),
    ];
    let optional = [
        ("headers", header_names(&resource.request)),
        ("body", body(&resource.request.body)),
        ("auth", resource.auth.as_ref().map_or_else(String::new, identity::auth)),
        ("parent", resource.parent.as_ref().map_or_else(String::new, parent)),
        ("primary key", names(&resource.primary_key)),
        ("merge key", names(&resource.merge.merge_key)),
        ("partitions", partitions(resource)),
        ("sorted by", names(&resource.parquet.sort_by)),
        ("bloom", names(&resource.parquet.bloom_filter)),
        ("compacts", resource.compact_above.map_or_else(String::new, compaction)),
    ];
    lines.extend(reading::lines(resource).into_iter().chain(optional).filter(|(_, value)| !value.is_empty()));
    lines
}

fn request(request: &RequestPlan) -> String {
    let params: Vec<_> = request.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let separator = if params.is_empty() { "" } else { "?" };
    format!("{} {}{separator}{}", request.method.word(), request.address(), params.join("&"))
}

fn header_names(request: &RequestPlan) -> String {
    let own = request.headers.iter().map(|(name, _)| name.to_string());
    let without = request.without_headers.iter().map(|name| format!("no {name}"));
    own.chain(without).collect::<Vec<_>>().join(", ")
}

fn body(body: &BodyPlan) -> String {
    match body {
        BodyPlan::None => String::new(),
        BodyPlan::Json(json) => serde_json::to_string(json).unwrap_or_default(),
        BodyPlan::Form(fields) => {
            let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("form {}", fields.join("&"))
        }
        BodyPlan::Raw(text) => format!("text {text}"),
    }
}

fn parent(parent: &ParentPlan) -> String {
    let fields: Vec<_> = parent.fields.iter().map(|field| format!("`{field}`")).collect();
    let mut text = format!("one list for each record of {}, by its {}", parent.resource, fields.join(", "));
    if !parent.include.is_empty() {
        let names: Vec<_> = parent.include.iter().map(|field| format!("`{}`", field.name)).collect();
        text += &format!("; its records get {}", names.join(", "));
    }
    text
}

fn pages(paginator: &PaginatorPlan, on_drift: OnDrift, max_pages: Option<u64>) -> String {
    let mut text = match paginator {
        PaginatorPlan::Auto => "found out from the first one".to_owned(),
        PaginatorPlan::SingleEntity { .. } => "one, unless the first answer is a list".to_owned(),
        PaginatorPlan::SinglePage => "one".to_owned(),
        PaginatorPlan::Offset(plan) => offset(plan),
        PaginatorPlan::PageNumber(plan) => page_number(plan),
        PaginatorPlan::Cursor(plan) => format!("cursor at `{}`, sent as `{}`", plan.cursor_path, plan.cursor_param),
        PaginatorPlan::HeaderCursor { cursor_key, cursor_param } => {
            format!("header_cursor in `{cursor_key}`, sent as `{cursor_param}`")
        }
        PaginatorPlan::JsonLink(plan) => format!("json_link at `{}`", plan.next_url_path),
        PaginatorPlan::HeaderLink { links_next_key, header, .. } => {
            format!("header_link `{links_next_key}` in `{header}`")
        }
    };
    text += match on_drift {
        OnDrift::Warn => "",
        OnDrift::Refetch => ", read again if the list moves",
        OnDrift::Fail => ", an end if the list moves",
    };
    if let Some(max_pages) = max_pages {
        text += &format!(", at most {} pages", HumanCount(max_pages));
    }
    text
}

fn offset(plan: &OffsetPlan) -> String {
    let mut text = format!("offset `{}` from {}", plan.offset_param, plan.offset);
    text += &format!(", {} records a page", HumanCount(plan.limit));
    if plan.overlap > 0 {
        text += &format!(", {} of them again", HumanCount(plan.overlap));
    }
    text
}

fn page_number(plan: &PageNumberPlan) -> String {
    let mut text = format!("page_number `{}` from {}", plan.page_param, plan.page);
    if plan.overlap > 0 {
        text += &format!(", with the last {} of the page before again", HumanCount(plan.overlap));
    }
    text
}

/// Where the records of a page are.
fn records(resource: &ResourcePlan) -> String {
    let mut text =
        resource.data_selector.as_ref().map_or_else(|| "found out from the first page".into(), Selector::to_string);
    if resource.allow_missing_data {
        text += ", or nowhere";
    }
    text
}

fn disposition(resource: &ResourcePlan) -> String {
    match resource.write_disposition {
        WriteDisposition::Append => "append".to_owned(),
        WriteDisposition::Replace => "replace".to_owned(),
        WriteDisposition::Merge => merge(resource),
        WriteDisposition::Skip => "skip: nothing is requested, nothing is written".to_owned(),
    }
}

fn merge(resource: &ResourcePlan) -> String {
    let MergePlan { strategy, hard_delete, delete_missing, .. } = &resource.merge;
    let mut text = format!("merge by {}", strategy.word());
    if let MergeStrategy::Scd2(Scd2Plan { active, boundary, .. }) = strategy {
        let moment = |moment: Option<i64>, otherwise: &str| moment.map_or_else(|| otherwise.to_owned(), moment_text);
        text += &format!(", until {} as long as a version holds", moment(*active, "null"));
        text += &format!(", versions change at {}", moment(*boundary, "the start of the run"));
    }
    if let Some(column) = hard_delete {
        text += &format!(", `{}` deletes", column_name(resource, *column));
    }
    if *delete_missing {
        text += ", rows that are missing go";
    }
    text
}

/// Microseconds since 1970 as ISO 8601.
fn moment_text(micros: i64) -> String {
    chrono::DateTime::from_timestamp_micros(micros)
        .map_or_else(|| micros.to_string(), |moment| moment.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
}

fn checkpoints(resource: &ResourcePlan, resumes: bool) -> String {
    let used = match resumes {
        true => format!("gone on with for {}", duration(resource.checkpoint.resume_within)),
        false => "those that are there are not used".to_owned(),
    };
    format!("every {}, {used}", duration(resource.checkpoint.interval))
}

fn schema_changes(resource: &ResourcePlan) -> String {
    let undeclared = match resource.contract.columns {
        ColumnsContract::DiscardValue => "ignored",
        ColumnsContract::DiscardRow => "reject their row",
        ColumnsContract::Freeze => "end the run",
        ColumnsContract::Evolve => "become columns",
    };
    format!("undeclared fields {undeclared}; a change rewrites at most {}", DecimalBytes(resource.rewrite_limit))
}

fn compaction(small_files: u64) -> String {
    format!("a partition with more than {} small files", HumanCount(small_files))
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
    let field = |field: &PartitionField| {
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
    match &column.source {
        Source::Load(load) => text += &format!(" <- the run's {}", load.name()),
        source if source.to_path() != column.name => text += &format!(" <- {}", source.to_path()),
        _ => {}
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        plan::{
            AnswerPlan, ApiKeyLocation, AuthPlan, CheckpointPlan, ForeignHosts, MergePlan, OnIncomplete, ParquetPlan,
            RateLimit, RetryPlan, TableFormatKind, TlsPlan, TotalsPlan,
        },
        schema::{ColumnType, Contract, Naming, Source, TableSchema},
        secret::Secret,
        store::Destination,
    };

    fn column(name: &str, source: &str, data_type: ColumnType, nullable: bool) -> Column {
        let source = Source::Path(vec![source.to_owned()]);
        Column { name: name.into(), source, data_type, nullable, format: None }
    }

    fn client() -> ClientPlan {
        ClientPlan {
            base_url: "https://user:pw@api.example.com".parse().unwrap(),
            headers: vec![("X-Team".into(), Secret::new("quality".into()))],
            auth: AuthPlan::ApiKey {
                name: "api_key".into(),
                api_key: Secret::new("hunter2".into()),
                location: ApiKeyLocation::Query,
            },
            allowed_hosts: Vec::new(),
            foreign_hosts: ForeignHosts::Warn,
            tls: TlsPlan::default(),
            max_concurrency: 16,
            rate_limit: Some(RateLimit { requests: 10, per: Duration::from_secs(1) }),
            timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_millis(1500),
            retry: RetryPlan {
                max_attempts: 5,
                initial_backoff: Duration::from_secs(1),
                max_backoff: Duration::from_secs(300),
                max_elapsed: Duration::from_secs(1800),
            },
            max_body: 1 << 28,
        }
    }

    fn resource() -> ResourcePlan {
        let params = vec![
            (Template::literal("archived"), Template::literal("false")),
            (Template::literal("token"), Template::literal("s3cret")),
        ];
        let field = |column, transform, key: &str| PartitionField { column, transform, key: key.into() };
        ResourcePlan {
            name: "test_cases".into(),
            table: "test_cases".into(),
            request: RequestPlan {
                params,
                ..RequestPlan::get("https://api.example.com/v1".parse().unwrap(), "test_cases")
            },
            auth: None,
            parent: None,
            paginator: PaginatorPlan::Offset(OffsetPlan::new(1000)),
            data_selector: Some("data".parse().unwrap()),
            answers: AnswerPlan::default(),
            processing_steps: Vec::new(),
            allow_missing_data: false,
            on_drift: OnDrift::Warn,
            totals: TotalsPlan::default(),
            on_incomplete: OnIncomplete::default(),
            learned: None,
            detects_anew: false,
            max_pages: Some(3),
            incremental: None,
            schema: TableSchema {
                columns: vec![
                    column("test_case_id", "id", ColumnType::Int64, false),
                    column("created_at", "created_at", ColumnType::Timestamp, true),
                ],
            },
            inference: None,
            naming: Naming::Direct,
            contract: Contract::default(),
            max_rejects: None,
            write_disposition: WriteDisposition::Merge,
            primary_key: vec![0],
            dedup: true,
            dedup_sort: None,
            partition_by: vec![
                field(1, Transform::Month, "created_at_month"),
                field(0, Transform::Bucket(4), "test_case_id_bucket"),
            ],
            parquet: ParquetPlan {
                compression: Compression::Zstd(3),
                target_file_size: 256_000_000,
                row_group_rows: 250_000,
                bloom_filter: vec![0],
                sort_by: vec![1],
            },
            merge: MergePlan::default(),
            checkpoint: CheckpointPlan::default(),
            rewrite_limit: 10_000_000_000,
            compact_above: None,
            warnings: vec!["readers take test_case_id_bucket for a number".into()],
        }
    }

    fn plan() -> Plan {
        Plan {
            pipeline: "test_management".into(),
            client: client(),
            resources: vec![resource()],
            parents: Vec::new(),
            destination: Destination {
                url: "./lake".into(),
                options: vec![("secret_access_key".into(), Secret::new("very-secret".into()))],
            },
            table_format: TableFormatKind::Parquet,
            wait: false,
            resume: true,
            partial_replace_allowed: false,
            memory_limit: 1 << 28,
            max_columns: 10_000,
            retain: Duration::from_secs(7 * 86_400),
            secrets: vec![Secret::new("hunter2".into()), Secret::new("very-secret".into())],
            identities: Vec::new(),
            private: Vec::new(),
            confined: Vec::new(),
        }
    }

    #[test]
    fn a_plan_in_words_says_what_is_asked_for_and_what_is_written() {
        let mut plan = plan();
        plan.resources[0].request.params.push((Template::literal("q"), Template::literal("hunter2")));
        insta::assert_snapshot!(answer(&plan, &Global::default()).result, @r"
        pipeline     test_management
        api          https://api.example.com/
        auth         api_key `api_key` in the query
        headers      X-Team
        limits       at most 16 requests at once, 10 per 1s
        timeouts     1m an attempt (1500ms to connect), 5 attempts within 30m
        destination  ./lake
        tables       parquet, left alone while another run writes them; files that leave a table deleted at once, old commits kept for 7d (`restlake vacuum`)

        test_cases -> ./lake/test_cases
          request      GET https://api.example.com/v1/test_cases?archived=false&token=***&q=***
          pages        offset `offset` from 0, 1,000 records a page, at most 3 pages
          records      data
          writes       merge by upsert
          files        parquet, zstd(3), about 256.00 MB, row groups of 250,000 rows
          checkpoints  every 30s, gone on with for 1h
          schema       undeclared fields ignored; a change rewrites at most 10.00 GB
          primary key  test_case_id
          partitions   month(created_at), bucket[4](test_case_id)
          sorted by    created_at
          bloom        test_case_id
          columns
            test_case_id             int64 not null <- id
            created_at               timestamp
          warning: readers take test_case_id_bucket for a number

        nothing was requested, nothing was created
        ");
    }

    #[test]
    fn a_merge_in_words_tells_its_strategy_its_keys_and_what_goes() {
        let mut plan = plan();
        let resource = &mut plan.resources[0];
        let load = Column {
            source: Source::Load(crate::schema::LoadColumn::Page),
            ..column("p", "", ColumnType::Int64, true)
        };
        resource.schema.columns.push(load);
        resource.merge = MergePlan {
            strategy: MergeStrategy::DeleteInsert,
            merge_key: vec![1],
            hard_delete: Some(1),
            delete_missing: true,
        };
        resource.compact_above = Some(20);
        (plan.resume, plan.wait, plan.table_format) = (false, true, TableFormatKind::Delta);
        let text = text(&plan);
        for line in [
            "tables       delta, waited for while another run writes them; files of earlier versions kept for 7d (`restlake vacuum`)",
            "writes       merge by delete-insert, `created_at` deletes, rows that are missing go",
            "merge key    created_at",
            "checkpoints  every 30s, those that are there are not used",
            "compacts     a partition with more than 20 small files",
            "int64 <- the run's page",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn scd2_in_words_tells_when_versions_hold() {
        let mut plan = plan();
        let scd2 = Scd2Plan { valid_from: 0, valid_to: 1, active: None, boundary: Some(1_795_330_800_000_000) };
        plan.resources[0].merge.strategy = MergeStrategy::Scd2(scd2);
        let line = "merge by scd2, until null as long as a version holds, versions change at 2026-11-22T07:00:00Z";
        assert!(text(&plan).contains(line), "{}", text(&plan));
    }

    #[test]
    fn neither_form_of_a_plan_holds_a_secret() {
        let mut plan = plan();
        plan.resources.push(child());
        for output in [OutputForm::Text, OutputForm::Json] {
            let text = answer(&plan, &Global { output, ..Global::default() }).result;
            for secret in ["hunter2", "very-secret", "s3cret", "user:pw"] {
                assert!(!text.contains(secret), "{secret} in {text}");
            }
        }
    }

    /// A child whose request carries all that a request can.
    fn child() -> ResourcePlan {
        let template = |text: &str| {
            Template::parse(text, &[], |name| Ok(crate::plan::Reference::Parent(name.to_owned()))).unwrap()
        };
        let text = |text: &str| JsonTemplate::Text(template(text));
        let mut resource = resource();
        resource.request.method = crate::plan::Method::Post;
        resource.request.path = template("posts/{id}/hunter2");
        resource.request.params = vec![(template("of"), template("{id}"))];
        resource.request.headers = vec![(template("X-A"), Secret::new(template("s3cret")))];
        resource.request.body = BodyPlan::Json(JsonTemplate::Object(vec![
            (template("id"), text("{id}")),
            (template("list"), JsonTemplate::List(vec![text("a hunter2"), JsonTemplate::Value(1.into())])),
            (template("password"), text("s3cret")),
        ]));
        resource.auth = Some(AuthPlan::None);
        let include = vec![crate::plan::IncludedField::of("posts", "id".into())];
        resource.parent = Some(ParentPlan { resource: "posts".into(), fields: vec!["id".parse().unwrap()], include });
        resource
    }

    #[test]
    fn a_request_in_words_tells_its_method_its_body_and_whose_child_it_is() {
        let mut plan = plan();
        plan.resources = vec![child()];
        let text = answer(&plan, &Global::default()).result;
        for line in [
            "request      POST https://api.example.com/v1/posts/{id}/***?of={id}",
            "headers      X-A",
            r#"body         {"id":"{id}","list":["a ***",1],"password":"***"}"#,
            "auth         none",
            "parent       one list for each record of posts, by its `id`; its records get `_posts_id`",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        let form = vec![
            (Template::literal("q"), Template::literal("hunter2")),
            (Template::literal("token"), Template::literal("s3cret")),
        ];
        plan.resources[0].request.body = BodyPlan::Form(form);
        assert!(answer(&plan, &Global::default()).result.contains("body         form q=***&token=***"));
        plan.resources[0].request.body = BodyPlan::Raw(Template::literal("<x>hunter2</x>"));
        assert!(answer(&plan, &Global::default()).result.contains("body         text <x>***</x>"));
    }

    #[test]
    fn the_json_of_a_plan_is_one_document_with_its_resources() {
        let text = answer(&plan(), &Global { output: OutputForm::Json, ..Global::default() }).result;
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["resources"][0]["max_pages"], 3);
        assert_eq!(document["resources"][0]["request"]["params"][1][1], "***");
    }

    #[test]
    fn durations_are_written_as_in_a_config() {
        let cases = [(0, "0ms"), (50, "50ms"), (1500, "1500ms"), (10_000, "10s"), (300_000, "5m"), (7_200_000, "2h")];
        for (millis, text) in cases {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
        assert_eq!(duration(Duration::from_secs(7 * 86_400)), "7d");
    }
}
