//! Where the tables go, and how their files are written.

use super::{Overrides, columns::Columns};
use crate::{
    config::{Findings, Located, Place, Problem, Section, notation},
    error::Failure,
    plan::{Compression, ParquetPlan, PartitionField, ResourcePlan, TableFormatKind, Transform},
    schema::ColumnType,
    secret::{Secret, is_secret_name},
    store::{self, Destination, StoreError},
    suggestion::suggestion,
};

pub fn resolve(
    destination: &Section<'_>,
    overrides: &Overrides,
    secrets: &mut Vec<Secret<String>>,
    findings: &mut Findings,
) -> Option<Destination> {
    let url = destination.text("url")?;
    if url.value.trim().is_empty() {
        findings.error(&url.place, "the destination is empty", Some("give a path or a URL".into()));
        return None;
    }
    let mut options = Vec::new();
    for entry in destination.map("options") {
        let Some(value) = entry.value.scalar() else { continue };
        if is_secret_name(&entry.key) {
            secrets.push(Secret::new(value.clone()));
        }
        options.push((entry.key.clone(), Secret::new(value)));
    }
    let plan = Destination::new(overrides.destination.as_ref().unwrap_or(&url.value), options);
    if let Err(error) = store::check(&plan) {
        refuse(&error, destination, &url.place, overrides, findings);
        return None;
    }
    Some(plan)
}

/// `None` if it is wrong, or if this build does not know the format.
pub fn table_format(destination: &Section<'_>, findings: &mut Findings) -> Option<TableFormatKind> {
    let format = destination.text("table_format")?;
    match format.value.as_str() {
        "delta" if cfg!(feature = "delta") => Some(TableFormatKind::Delta),
        "delta" => {
            let help = "use `parquet`, or a restlake that was built with the cargo feature `delta`".to_owned();
            findings.error(&format.place, "this restlake was built without Delta tables", Some(help));
            None
        }
        _ => Some(TableFormatKind::Parquet),
    }
}

/// A problem of the option's, the URL's or the command line's, whichever said it.
fn refuse(error: &StoreError, destination: &Section<'_>, url: &Place, overrides: &Overrides, findings: &mut Findings) {
    let options = destination.map("options");
    let option = match error {
        StoreError::UnknownOption { name, .. } => options.iter().find(|entry| entry.key == *name),
        _ => None,
    };
    match option {
        Some(option) => findings.error(&option.value.place, error.to_string(), error.hint()),
        None if overrides.destination.is_some() => {
            findings.problems.push(Problem::usage("--destination", error.to_string(), error.hint()));
        }
        None => {
            // What may be credentials is in front of an `@` or behind a `?` or `#`; a mere typo stays readable.
            let written =
                destination.get("url").filter(|url| url.as_text().is_some_and(|url| url.contains(['@', '?', '#'])));
            written.into_iter().for_each(|written| findings.hide(written));
            findings.error(url, error.to_string(), error.hint());
        }
    }
}

/// Options that the store has no use for, which the user should know of.
pub fn idle_options(destination: &Destination) -> Option<String> {
    let idle = !destination.options.is_empty() && !store::has_options(&destination.url);
    idle.then(|| format!("`destination.options` has no effect on `{}`: options are for object stores", destination.url))
}

/// How a resource's files are written: `parquet` of the destination, as far as this table has the columns.
pub fn parquet(
    parquet: &Section<'_>,
    columns: &Columns<'_>,
    partition_by: &[PartitionField],
    warnings: &mut Vec<String>,
    findings: &mut Findings,
) -> Option<ParquetPlan> {
    let mut in_files = |key: &str, what: &str| {
        let mut found = Vec::new();
        for name in parquet.texts(key) {
            let Some(index) = columns.find_if_there(&name, findings) else { continue };
            let column = Located { value: index, place: name.place };
            if !columns.scalar(&column, what, findings) || found.contains(&index) {
                continue;
            }
            if partition_by.iter().any(|field| field.column == index && field.transform == Transform::Identity) {
                warnings.push(format!(
                    "`{key}` leaves out `{}`: a partition column's values are in the directories, not in the files",
                    name.value
                ));
                continue;
            }
            found.push(index);
        }
        found
    };
    let bloom_filter = in_files("bloom_filter", "looked up in a Bloom filter");
    let sort_by = in_files("sort_by", "sorted by");
    no_bloom_filter_of_bools(parquet, columns, findings);
    Some(ParquetPlan {
        compression: compression(&parquet.text("compression")?.value)?,
        target_file_size: parquet.size("target_file_size")?,
        row_group_rows: parquet.count("row_group_rows").and_then(|rows| usize::try_from(rows).ok())?,
        bloom_filter,
        sort_by,
    })
}

/// The Parquet format has none for them.
fn no_bloom_filter_of_bools(parquet: &Section<'_>, columns: &Columns<'_>, findings: &mut Findings) {
    for name in parquet.texts("bloom_filter") {
        let column = columns.find_if_there(&name, findings).and_then(|index| columns.get(index));
        if column.is_some_and(|column| column.data_type == ColumnType::Bool) {
            findings.error(&name.place, "a bool column cannot have a Bloom filter", Some("leave it out".into()));
        }
    }
}

fn compression(text: &str) -> Option<Compression> {
    Some(match notation::compression(text)? {
        ("none", _) => Compression::Uncompressed,
        ("snappy", _) => Compression::Snappy,
        ("lz4", _) => Compression::Lz4,
        ("gzip", level) => Compression::Gzip(level),
        ("zstd", level) => Compression::Zstd(i32::try_from(level).ok()?),
        _ => return None,
    })
}

/// The destination's `bloom_filter` and `sort_by` are for all tables, so each name has to mean a column of at least one. Told
/// only where every table's columns are known: it may be one of a table whose schema is wrong, or not inferred yet.
pub fn columns_exist_somewhere(parquet: &Section<'_>, resources: &[Option<ResourcePlan>], findings: &mut Findings) {
    let known = |plan: &Option<ResourcePlan>| plan.as_ref().is_some_and(|plan| plan.inference.is_none());
    if !resources.iter().all(known) {
        return;
    }
    let plans: Vec<_> = resources.iter().flatten().collect();
    for name in ["bloom_filter", "sort_by"].into_iter().flat_map(|key| parquet.texts(key)) {
        let mut unheard = Findings::default();
        let known = plans.iter().any(|plan| Columns::new(&plan.schema).find_if_there(&name, &mut unheard).is_some());
        if !known && !unheard.has_errors() && !plans.is_empty() {
            let columns = plans.iter().flat_map(|plan| &plan.schema.columns).map(|column| column.name.as_str());
            let help = suggestion(&name.value, columns, "columns");
            findings.error(&name.place, format!("no table has a column `{}`", name.value), Some(help));
        }
    }
}
