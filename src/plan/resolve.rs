//! From what the user wrote to what will happen.
//!
//! ```text
//! Loaded (checked tree, problems so far) ─┬─ client, destination ──┐
//!                                         └─ each resource ────────┴──► Plan, or every problem there is
//! ```
//!
//! Each part is resolved whatever is wrong with the others; `None` from a part means that the reason has been reported. A plan
//! comes out only where nothing has.

mod answer;
mod auth;
mod body;
mod client;
mod columns;
mod confidential;
mod delta;
mod destination;
mod disposition;
mod family;
mod format;
mod incremental;
mod inferred;
mod load_columns;
mod merge;
mod paginator;
mod partition;
mod placeholders;
mod request;
mod resource;
mod schema;
#[cfg(test)]
mod tests;
mod trust;
mod upkeep;

use std::{cell::OnceCell, collections::HashMap, sync::Arc};

use self::confidential::Confidential;
use super::{MergeStrategy, Plan, ResourcePlan, WriteDisposition, inference::Deferred};
use crate::{
    config::{Findings, Loaded, Place, Problem, Problems, Section},
    schema::TableSchema,
    secret::{Redactor, Secret},
    suggestion::suggestion,
};

pub use delta::is_letter as letter_of_delta;

/// What the command line says in place of the config.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Only these resources, in the order of the config; empty: all that are selected.
    pub resources: Vec<String>,
    pub destination: Option<String>,
    /// Replaces the tables, whatever the write disposition.
    pub full_refresh: bool,
    /// Stops each resource after so many pages.
    pub max_pages: Option<u64>,
    /// Reads from the first of these to the second, and leaves the cursors alone.
    pub interval: Option<(String, String)>,
    /// Waits for a living run of the same table.
    pub wait: bool,
    /// Starts over where a run that died could be gone on with.
    pub no_resume: bool,
}

/// The plan of a config.
///
/// Fails with every problem of the config and of the overrides. Where only the overrides are wrong, the error's code is
/// `usage`.
pub fn resolve(loaded: &Loaded, overrides: &Overrides) -> Result<Plan, Problems> {
    let mut findings = Findings::new(loaded.sources.clone(), [&loaded.errors[..], &loaded.notes[..]].concat());
    match plan(loaded, overrides, &mut findings) {
        Some(plan) if !findings.has_errors() => Ok(plan),
        _ => Err(findings.into_problems().redacted(&redactor(loaded))),
    }
}

fn plan(loaded: &Loaded, overrides: &Overrides, findings: &mut Findings) -> Option<Plan> {
    let root = loaded.config.root();
    let mut secrets = loaded.config.secrets.clone();
    let client = client::resolve(&root.section("client"), &loaded.config.directory, &mut secrets, findings);
    let destination = destination::resolve(&root.section("destination"), overrides, &mut secrets, findings);
    let table_format = destination::table_format(&root.section("destination"), findings);
    let sections = loaded.config.resources();
    let names: Vec<_> = sections.iter().filter_map(|section| section.text("name")).map(|name| name.value).collect();
    // Copied once, and only where a plan has to be completed later.
    let kept = OnceCell::new();
    let context = resource::Context {
        directory: &loaded.config.directory,
        names: &names,
        root: &root,
        keep: &|| Arc::clone(kept.get_or_init(|| Arc::new(loaded.clone()))),
        table_format: table_format.unwrap_or_default(),
        base_url: client.as_ref().map(|client| &client.base_url),
        client: &root.section("client"),
        destination: &root.section("destination"),
        parquet: &root.section("destination").section("parquet"),
        overrides,
    };
    let resolve = |section| resource::resolve(section, &context, &mut secrets, findings);
    let resources: Vec<_> = sections.iter().map(resolve).collect();
    distinct(&sections, findings);
    family::check_cycles(&sections, &resources, findings);
    family::check_windows(&sections, &resources, findings);
    destination::columns_exist_somewhere(context.parquet, &resources, findings);
    check_overrides(&sections, overrides, findings);
    let all = resources;
    let mut resources = select(&sections, &all, overrides)?;
    let parents = family::unexported(&resources, &all);
    whole_tables(&resources, overrides, findings);
    check_interval(&resources, overrides, findings);
    check_columns(&root, &resources, findings);
    family::warn_of_repeats(&mut resources, &all);
    if let Some(warning) = destination.as_ref().and_then(destination::idle_options) {
        resources.iter_mut().for_each(|resource| resource.warnings.push(warning.clone()));
    }
    if resources.is_empty() && !findings.has_errors() {
        let help = "add one, or remove a `selected: false`".to_owned();
        findings.error(root.place_of("resources"), "there is no resource to export", Some(help));
    }
    let Confidential { secrets, identities, private, confined } = confidential(&root, &sections, secrets);
    Some(Plan {
        pipeline: name(&root, loaded, findings)?,
        client: client?,
        resources,
        parents,
        destination: destination?,
        table_format: table_format?,
        wait: overrides.wait,
        resume: !overrides.no_resume,
        retain: root.section("destination").duration("retain")?,
        memory_limit: root.size("memory_limit")?,
        max_columns: root.count("max_columns")?,
        partial_replace_allowed: overrides.destination.is_some(),
        secrets,
        identities,
        private,
        confined,
    })
}

/// Strips secrets that variables filled in from messages about the config.
fn redactor(loaded: &Loaded) -> Redactor {
    let confidential = confidential(&loaded.config.root(), &loaded.config.resources(), loaded.config.secrets.clone());
    let exposed = |values: Vec<Secret<String>>| values.into_iter().map(|value| value.expose().clone());
    let redactor = Redactor::new(exposed(confidential.secrets));
    redactor.learn_identities(exposed(confidential.identities));
    redactor
}

/// Values of the config that are not shown, besides the secrets of its parts.
fn confidential(root: &Section<'_>, resources: &[Section<'_>], secrets: Vec<Secret<String>>) -> Confidential {
    let mut confidential = Confidential { secrets, ..Confidential::default() };
    confidential.add(&root.section("client"));
    resources.iter().for_each(|resource| confidential.add(&resource.section("endpoint")));
    confidential.add_options(&root.section("destination"));
    confidential
}

fn name(root: &Section<'_>, loaded: &Loaded, findings: &mut Findings) -> Option<String> {
    if !root.is_written("name") {
        return Some(loaded.config.default_name.clone());
    }
    let name = root.text("name")?;
    if name.value.trim().is_empty() || name.value.chars().any(char::is_control) {
        findings.error(&name.place, "a pipeline's name is a line of text", None);
        return None;
    }
    Some(name.value)
}

/// An open plan with its columns, as far as they are known: the resource's rows are resolved as if they had been declared.
pub fn complete(open: &ResourcePlan, deferred: &Deferred, columns: &TableSchema) -> Result<ResourcePlan, Problems> {
    let Deferred { loaded, overrides, table_format } = deferred;
    let mut findings = Findings::new(loaded.sources.clone(), loaded.notes.clone());
    let root = loaded.config.root();
    let destination = root.section("destination");
    let context = resource::Context {
        root: &root,
        keep: &|| Arc::clone(loaded),
        table_format: *table_format,
        base_url: None,
        directory: &loaded.config.directory,
        names: &[],
        client: &root.section("client"),
        destination: &destination,
        parquet: &destination.section("parquet"),
        overrides,
    };
    let sections = loaded.config.resources();
    let is_it = |section: &&Section<'_>| section.text("name").is_some_and(|name| name.value == open.name);
    let section = sections.iter().find(is_it);
    let completed = section.and_then(|section| resource::complete(open, section, columns, &context, &mut findings));
    if let Some(plan) = &completed {
        whole_tables(std::slice::from_ref(plan), overrides, &mut findings);
    }
    match completed {
        Some(plan) if !findings.has_errors() => Ok(plan),
        _ => Err(findings.into_problems()),
    }
}

/// Two resources may read the same source, but not under one name nor into one table.
fn distinct(sections: &[Section<'_>], findings: &mut Findings) {
    let mut names: HashMap<String, Place> = HashMap::new();
    let mut tables: HashMap<String, Place> = HashMap::new();
    for section in sections {
        let Some(name) = section.text("name") else { continue };
        if let Some(first) = names.insert(name.value.clone(), name.place.clone()) {
            let message = format!("the resource `{}` stands here twice", name.value);
            findings.error(&name.place, message, Some(format!("the first is {}; give one another name", first.path)));
            continue;
        }
        let Some(table) = resource::table_name(section, &name) else { continue };
        // macOS and Windows do not tell names apart by case.
        if let Some(first) = tables.insert(table.value.to_lowercase(), table.place.clone()) {
            let message = format!("another resource writes the table `{}` already", table.value);
            let help = format!("see {}; a table belongs to one resource: set `table_name`", first.path);
            findings.error(&table.place, message, Some(help));
        }
    }
}

fn check_overrides(sections: &[Section<'_>], overrides: &Overrides, findings: &mut Findings) {
    let names: Vec<_> = sections.iter().filter_map(|section| section.text("name")).map(|name| name.value).collect();
    for wanted in overrides.resources.iter().filter(|wanted| !names.contains(wanted)) {
        let help = suggestion(wanted, names.iter().map(String::as_str), "resources");
        findings.problems.push(Problem::usage("--resource", format!("there is no resource `{wanted}`"), Some(help)));
    }
    if overrides.destination.as_ref().is_some_and(|url| url.trim().is_empty()) {
        findings.problems.push(Problem::usage("--destination", "the destination is empty", None));
    }
    if overrides.max_pages == Some(0) {
        findings.problems.push(Problem::usage("--max-pages", "at least one page is needed", None));
    }
}

/// An interval is one of a cursor; resources without one run as always beside those that have one.
fn check_interval(resources: &[ResourcePlan], overrides: &Overrides, findings: &mut Findings) {
    if overrides.interval.is_some() && resources.iter().all(|resource| resource.incremental.is_none()) {
        let message = "none of these resources has a cursor that an interval could be of";
        let help = "set `endpoint.incremental`".to_owned();
        findings.problems.push(Problem::usage("--start", message, Some(help)));
    }
}

/// Rejects a declared schema of more columns than `max_columns` allows.
fn check_columns(root: &Section<'_>, resources: &[ResourcePlan], findings: &mut Findings) {
    let Some(most) = root.count("max_columns") else { return };
    for resource in resources {
        let columns = resource.schema.leaves();
        if columns > most {
            let message =
                format!("the schema of `{}` has {columns} columns, and `max_columns` allows {most}", resource.name);
            let help = format!("raise it: `max_columns: {columns}`; or declare objects as columns of type json");
            findings.error(root.place_of("max_columns"), message, Some(help));
        }
    }
}

/// A merge that takes what a run did not bring for gone needs all that there is. With a destination of the command line's own, it
/// is a try-out.
fn whole_tables(resources: &[ResourcePlan], overrides: &Overrides, findings: &mut Findings) {
    if overrides.max_pages.is_none() {
        return;
    }
    for resource in resources.iter().filter(|resource| resource.write_disposition == WriteDisposition::Merge) {
        let merge = &resource.merge;
        let gone = match merge.strategy {
            _ if merge.delete_missing => "`on_missing: delete`",
            _ if overrides.destination.is_some() => continue,
            MergeStrategy::Scd2(_) => "`scd2`",
            MergeStrategy::DeleteInsert if !merge.merge_key.is_empty() => "`merge_key`",
            _ => continue,
        };
        let message = format!("`{}` has {gone}: rows on later pages would be taken for gone", resource.name);
        let help = "leave `--max-pages` out".to_owned();
        findings.problems.push(Problem::usage("--max-pages", message, Some(help)));
    }
}

/// The resources that run: those named on the command line, else those that are `selected`.
fn select(
    sections: &[Section<'_>],
    plans: &[Option<ResourcePlan>],
    overrides: &Overrides,
) -> Option<Vec<ResourcePlan>> {
    let mut selected = Vec::new();
    for (section, plan) in sections.iter().zip(plans) {
        let name = section.text("name").map(|name| name.value).unwrap_or_default();
        if is_exported(section, &name, overrides)? {
            selected.push(plan.clone()?);
        }
    }
    Some(selected)
}

fn is_exported(section: &Section<'_>, name: &str, overrides: &Overrides) -> Option<bool> {
    match overrides.resources.as_slice() {
        [] => section.flag("selected"),
        named => Some(named.iter().any(|named| named == name)),
    }
}
