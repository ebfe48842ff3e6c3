//! `--write-schema FILE`: the schema of each table as a file that a config can declare.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{
    console::Console,
    diagnostics::{self, CYAN, YELLOW, labelled},
    failure::{CliError, Refusal},
};
use crate::{
    config::{Problem, Problems},
    error::{Error, chain},
    plan::{Plan, ResourcePlan},
    schema::{Contract, TableSchema, file},
};

/// What stands for the resource's name in the name of a file.
const PLACE: &str = "{resource}";

/// Which file each resource's schema goes to.
#[derive(Debug)]
pub struct SchemaFiles {
    files: Vec<SchemaFile>,
}

#[derive(Debug)]
struct SchemaFile {
    resource: String,
    path: PathBuf,
    contract: Contract,
}

impl SchemaFiles {
    /// Fails, before anything is requested, for names that could not be written to.
    pub fn new(name: &str, plan: &Plan) -> Result<Self, Refusal> {
        if plan.resources.len() > 1 && !name.contains(PLACE) {
            let help = format!("name one with --resource, or put `{PLACE}` into the file's name");
            return Err(refusal(
                format!("one file cannot hold the schemas of {} resources", plan.resources.len()),
                &help,
            ));
        }
        let files: Vec<_> = plan.resources.iter().map(|resource| SchemaFile::of(resource, name)).collect();
        files.iter().try_for_each(SchemaFile::check)?;
        Ok(Self { files })
    }

    /// Writes the schemas that there are, and says so; whether all of them were written.
    pub fn write(&self, schemas: &[(String, TableSchema)], console: &Console, quiet: bool) -> bool {
        let mut is_written = true;
        for file in &self.files {
            let shown = file.path.display().to_string();
            let Some((_, schema)) = schemas.iter().find(|(resource, _)| *resource == file.resource) else {
                if !quiet {
                    let said = format!("{}: no columns came to be known, and {shown} was not written", file.resource);
                    console.write(&labelled(YELLOW, "note", &said));
                }
                continue;
            };
            match file.write(schema) {
                Ok(()) if quiet => {}
                Ok(()) => {
                    let said = format!("the schema of {} is in {shown}", file.resource);
                    console.write(&labelled(CYAN, "note", &said));
                }
                Err(source) => {
                    let error = Error::from(CliError::Schema { file: shown, source });
                    console.write(&diagnostics::error(&[chain(&error)], error.hint().as_deref()));
                    is_written = false;
                }
            }
        }
        is_written
    }
}

impl SchemaFile {
    fn of(resource: &ResourcePlan, name: &str) -> Self {
        let in_name = resource.name.replace(['/', '\\'], "_");
        let path = PathBuf::from(name.replace(PLACE, &in_name));
        Self { resource: resource.name.clone(), path, contract: resource.contract }
    }

    fn check(&self) -> Result<(), Refusal> {
        let shown = self.path.display();
        if self.is_json().is_none() {
            let help = "name it .yaml, .yml or .json";
            return Err(refusal(format!("the extension of `{shown}` does not tell its format"), help));
        }
        if self.path.exists() {
            return Err(refusal(format!("`{shown}` is there already"), "remove it, or name another file"));
        }
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match directory.is_dir() {
            true => Ok(()),
            false => Err(refusal(format!("there is no directory `{}`", directory.display()), "make it first")),
        }
    }

    /// `None` for a format that no config can name.
    fn is_json(&self) -> Option<bool> {
        match self.path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "json" => Some(true),
            "yaml" | "yml" => Some(false),
            _ => None,
        }
    }

    /// Never over a file that came up meanwhile.
    fn write(&self, schema: &TableSchema) -> io::Result<()> {
        let text = match self.is_json() {
            Some(true) => format!("{:#}\n", file::to_json(schema, self.contract)),
            _ => file::to_yaml(schema, self.contract),
        };
        OpenOptions::new().write(true).create_new(true).open(&self.path)?.write_all(text.as_bytes())
    }
}

fn refusal(message: String, help: &str) -> Refusal {
    let problem = Problem::usage("--write-schema", message, Some(help.to_owned()));
    Problems { problems: vec![problem], sources: Vec::new() }.into()
}
