//! `restlake infer`: the columns that a run would infer, without a table.

use clap::Args;
use serde_json::{Value, json};

use super::{
    args::{Chosen, Global, OutputForm},
    console::Console,
    diagnostics::{self, CYAN, labelled},
    exit::Exit,
    failure::{self, Refusal},
    faults, load,
    output::{self, Answer},
    progress,
    schema_files::SchemaFiles,
    signals,
};
use crate::{
    config::{Problem, Problems},
    error::{Error, ErrorKind, chain},
    plan::{self, Overrides, Plan},
    report::counted,
    run::{self, Inferred},
    schema::{Contract, TableSchema, file},
};

const EXAMPLES: &str = "\
Examples:
  restlake infer export.yaml --resource test_cases > schemas/test_cases.yaml
  restlake infer export.yaml --write-schema 'schemas/{resource}.yaml'

Only the first pages are requested, as many as it takes to see `infer_rows` records; nothing is written to the destination.";

/// Prints the schema that a run would infer for a resource that declares none
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct InferArgs {
    #[command(flatten)]
    pub chosen: Chosen,
    /// Write the schema into this new .yaml or .json file too; `{resource}` in it stands for the resource's name
    #[arg(long, value_name = "FILE")]
    pub write_schema: Option<String>,
}

pub async fn execute(args: &InferArgs, global: &Global, console: &Console) -> Answer {
    match prepare(args) {
        Err(refusal) => failure::answer(&refusal, global, console),
        Ok((plan, files)) => {
            let contracts: Vec<_> = plan.resources.iter().map(|resource| resource.contract).collect();
            let environment = faults::environment();
            signals::watch(environment.shutdown.clone(), console.clone());
            let reporter = progress::reporter(global, console, &environment.clock);
            let inferred = run::infer(plan, environment, reporter).await;
            let _ = console.bars().clear();
            match inferred {
                Ok(inferred) => answer(&inferred, &contracts, files.as_ref(), global, console),
                Err(error) => failure::answer(&Refusal::Other(error), global, console),
            }
        }
    }
}

/// The plan of the resources that declare no schema.
fn prepare(args: &InferArgs) -> Result<(Plan, Option<SchemaFiles>), Refusal> {
    let loaded = load::load(&args.chosen.config.config)?;
    let overrides = Overrides { resources: args.chosen.resources.clone(), ..Overrides::default() };
    let mut plan = plan::resolve(&loaded, &overrides)?;
    plan.resources.retain(|resource| resource.inference.is_some());
    if plan.resources.is_empty() {
        let help = Some("`restlake check` validates schemas".to_owned());
        let problem = Problem::usage("CONFIG", "every resource declares its schema: there is nothing to infer", help);
        return Err(Problems { problems: vec![problem], sources: Vec::new() }.into());
    }
    let files = args.write_schema.as_ref().map(|name| SchemaFiles::new(name, &plan)).transpose()?;
    Ok((plan, files))
}

fn answer(
    inferred: &[Inferred],
    contracts: &[Contract],
    files: Option<&SchemaFiles>,
    global: &Global,
    console: &Console,
) -> Answer {
    let kinds: Vec<ErrorKind> = inferred.iter().filter_map(|one| one.result.as_ref().err().map(Error::kind)).collect();
    let schemas: Vec<(String, TableSchema)> = inferred.iter().filter_map(schema).collect();
    let is_written = files.is_none_or(|files| files.write(&schemas, console, global.quiet));
    let all = inferred.iter().zip(contracts);
    let result = match global.output {
        OutputForm::Text => {
            inferred.iter().for_each(|one| tell(one, console, global.quiet));
            all.map(|(one, contract)| text(one, *contract, inferred.len() > 1)).collect()
        }
        OutputForm::Json => {
            output::json(&json!({"resources": all.map(|(one, contract)| document(one, *contract)).collect::<Vec<_>>()}))
        }
    };
    let exit = Exit::of(&kinds);
    Answer::new(if exit == Exit::Done && !is_written { Exit::Failed } else { exit }, result)
}

fn schema(one: &Inferred) -> Option<(String, TableSchema)> {
    one.result.as_ref().ok().map(|(schema, _)| (one.resource.clone(), schema.clone()))
}

fn tell(one: &Inferred, console: &Console, quiet: bool) {
    match &one.result {
        Err(error) => console.write(&diagnostics::error(&[chain(error)], error.hint().as_deref())),
        Ok(_) if quiet => {}
        Ok((schema, records)) => {
            let columns = counted(schema.columns.len() as u64, "column");
            let said = format!("{}: {columns}, from {}", one.resource, counted(*records, "record"));
            console.write(&labelled(CYAN, "note", &said));
        }
    }
}

/// The schema file; several are documents of one text, each of which begins with whose it is.
fn text(one: &Inferred, contract: Contract, are_many: bool) -> String {
    let Ok((schema, _)) = &one.result else { return String::new() };
    let title = if are_many { format!("---\n# {}\n", one.resource) } else { String::new() };
    title + &file::to_yaml(schema, contract)
}

fn document(one: &Inferred, contract: Contract) -> Value {
    let (schema, records, error) = match &one.result {
        Ok((schema, records)) => (file::to_json(schema, contract), json!(records), Value::Null),
        Err(error) => {
            let error = json!({"code": error.code(), "message": chain(error), "hint": error.hint()});
            (Value::Null, Value::Null, error)
        }
    };
    json!({"name": one.resource, "records": records, "schema": schema, "error": error})
}
