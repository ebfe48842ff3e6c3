//! `restlake files`: the data files of one version of a table.

use clap::Args;
use serde_json::{Value, json};

use super::{
    args::Global,
    console::Console,
    exit::Exit,
    failure::{self, Refusal},
    output::Answer,
    tables::{self, TableArgs},
};
use crate::{
    environment::Environment,
    maintain::{self, Lake, TableFiles},
};

const EXAMPLES: &str = "\
Examples:
  restlake files export.yaml --resource test_cases
  restlake files export.yaml --resource test_cases --version 3 --output json

What a reader passes to read_parquet([...]) sees one version, whatever runs do meanwhile. Plain Parquet tables keep the \
files of their newest version only.";

/// Lists the data files of a version, one path or URL a line
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct FilesArgs {
    #[command(flatten)]
    pub tables: TableArgs,
    /// The version; the newest if none is given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub version: Option<u64>,
}

pub async fn execute(args: &FilesArgs, global: &Global, console: &Console) -> Answer {
    match list(args).await {
        Err(refusal) => failure::answer(&refusal, global, console),
        Ok(files) => tables::answer(global, Exit::Done, || text(&files), || document(&files)),
    }
}

async fn list(args: &FilesArgs) -> Result<Vec<TableFiles>, Refusal> {
    let lake = args.tables.open(Environment::real())?;
    let mut listed = Vec::new();
    for resource in &lake.plan().resources {
        listed.push(of(&lake, resource, args.version).await.map_err(Refusal::Other)?);
    }
    Ok(listed)
}

async fn of(
    lake: &Lake,
    resource: &crate::plan::ResourcePlan,
    version: Option<u64>,
) -> crate::error::Result<TableFiles> {
    let table = lake.look(resource)?;
    maintain::files(table.as_ref(), &lake.identity(resource), resource, version).await
}

fn text(listed: &[TableFiles]) -> String {
    listed.iter().flat_map(|table| &table.files).map(|file| format!("{}\n", file.url)).collect()
}

/// One table's document is the table itself.
fn document(listed: &[TableFiles]) -> Value {
    match listed {
        [table] => json!(table),
        tables => json!({"tables": tables}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str) -> TableFiles {
        let entry = maintain::FileEntry {
            path: "part-1.parquet".into(),
            url: format!("/lake/{name}/part-1.parquet"),
            rows: 1,
            bytes: 2,
            partition: [("a".to_owned(), None)].into(),
        };
        TableFiles { table: name.into(), version: 3, files: vec![entry] }
    }

    #[test]
    fn files_are_told_one_a_line_as_a_reader_opens_them() {
        assert_eq!(text(&[table("a"), table("b")]), "/lake/a/part-1.parquet\n/lake/b/part-1.parquet\n");
    }

    #[test]
    fn one_table_is_the_document_and_several_are_a_list_in_it() {
        let one = document(&[table("a")]);
        assert_eq!((&one["table"], &one["version"]), (&json!("a"), &json!(3)));
        assert_eq!(one["files"][0]["partition"], json!({"a": null}));
        assert_eq!(document(&[table("a"), table("b")])["tables"][1]["table"], "b");
    }
}
