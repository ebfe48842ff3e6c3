//! `restlake demo`: the main job on a built-in API, from an embedded config, through the same pipeline as `run`.
//!
//! [`records`] makes the test cases, [`api`] serves them on loopback; `export.yaml` is the config.

use std::net::SocketAddr;

use clap::Args;

use super::{
    args::{Global, OutputForm},
    console::Console,
    exit::Exit,
    failure::{self, CliError, Refusal},
    output::Answer,
    run,
};
use crate::{
    config::{self, Source, Syntax},
    plan::{self, Overrides, Plan},
    report::Summary,
};

mod api;
mod records;

use api::Api;

const CONFIG: &str = include_str!("export.yaml");
const SCHEMA: &str = include_str!("../../../schemas/test_cases.yaml");

/// Starts a built-in test-management API on loopback and exports it with the real pipeline
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// How many test cases the API holds
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub rows: u64,
    /// Where the lake is written
    #[arg(long, value_name = "DIR", default_value = "./lake")]
    pub destination: String,
}

pub async fn execute(args: DemoArgs, global: &Global, console: &Console) -> Answer {
    let api = match Api::start(args.rows).await {
        Ok(api) => api,
        Err(source) => return failure::answer(&CliError::DemoApi { source }.into(), global, console),
    };
    match prepare(api.address(), &args.destination) {
        Err(refusal) => failure::answer(&refusal, global, console),
        Ok(plan) => {
            let held = run::export(plan, global, console).await;
            let mut answer = run::answer(&held.outcome, &args.destination, global);
            if global.output == OutputForm::Text && answer.exit == Exit::Done {
                answer.result += &what_next(&held.outcome.summary);
            }
            Answer { held: Some(held), ..answer }
        }
    }
}

/// The embedded config, resolved as any other; the API's address and key come in as variables do.
fn prepare(address: SocketAddr, destination: &str) -> Result<Plan, Refusal> {
    let variables = |name: &str| match name {
        "DEMO_API" => Some(format!("http://{address}")),
        "DEMO_API_KEY" => Some(api::KEY.to_owned()),
        _ => None,
    };
    let source = Source::Embedded { name: "demo/export.yaml".into(), text: config(), syntax: Syntax::Yaml };
    let loaded = config::load(source, &variables)?;
    let overrides = Overrides { destination: Some(destination.to_owned()), ..Overrides::default() };
    Ok(plan::resolve(&loaded, &overrides)?)
}

/// The embedded config with the declared schema in it, below the resource's `schema:`.
fn config() -> String {
    let lines = SCHEMA.lines().filter(|line| !line.starts_with('#')).map(|line| format!("      {line}\n"));
    CONFIG.trim_end().to_owned() + "\n" + &lines.collect::<String>()
}

fn what_next(summary: &Summary) -> String {
    let Some(resource) = summary.resources.first() else { return String::new() };
    let config: String = config().lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "\nQuery it, with DuckDB:\n\n    duckdb -c \"WITH {table} AS ({query}) SELECT status, count(*) FROM {table} GROUP BY \
         status\"\n\n\
         The config of this run. Save it as export.yaml, set base_url and api_key to your API's, adapt the columns, then\n\
         `restlake check export.yaml` and `restlake run export.yaml`:\n\n{config}",
        table = resource.table,
        query = resource.duckdb,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::summary::tests::resource_summary, plan::WriteDisposition, report::Status};

    #[test]
    fn the_embedded_config_holds_the_declared_schema_at_the_right_depth() {
        let text = config();
        assert!(
            text.contains("    schema:\n      columns:\n        - {name: test_case_id, source: id, type: int64"),
            "{text}"
        );
        assert!(text.ends_with("\n") && !text.contains('#'));
    }

    #[test]
    fn what_next_holds_the_query_and_the_config_that_ran() {
        let summary = Summary {
            pipeline: "p".into(),
            run_id: "r".into(),
            status: Status::Ok,
            elapsed_seconds: 0.0,
            resources: vec![resource_summary("test_cases")],
        };
        let text = what_next(&summary);
        assert!(
            text.contains("AS (SELECT * FROM read_parquet('lake/test_cases/**/*.parquet')) SELECT status"),
            "{text}"
        );
        assert!(
            text.contains("    name: test_management\n") && text.contains("- {name: tags, type: \"list<string>\"}")
        );
    }

    #[test]
    fn the_embedded_config_is_a_plan_for_the_address_it_is_given() {
        let plan = prepare(SocketAddr::from(([127, 0, 0, 1], 8123)), "somewhere").unwrap();
        assert_eq!(plan.client.base_url.port(), Some(8123));
        assert_eq!(plan.destination.url, "somewhere");
        assert_eq!(plan.pipeline, "test_management");
        let resource = &plan.resources[0];
        assert_eq!(
            (resource.primary_key.as_slice(), resource.write_disposition),
            (&[0][..], WriteDisposition::Replace)
        );
        assert_eq!(
            resource.partition_by.iter().map(|field| field.key.as_str()).collect::<Vec<_>>(),
            ["status", "created_at_month"]
        );
        assert_eq!(resource.schema.columns.len(), 18);
        assert!(plan.secrets.iter().any(|secret| secret.expose() == api::KEY));
    }
}
