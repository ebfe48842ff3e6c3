//! A resource without a schema: what can be said of it before its columns are known, and its columns once they are.

use serde_json::{Map, Value as Json};

use super::{
    Overrides,
    columns::{Columns, expression},
    disposition, load_columns, merge, partition,
    resource::{Context, Rows},
    schema::{self, Declared, hinted_places},
};
use crate::{
    config::{
        Findings, Located, Section,
        tree::{Kind, Value},
    },
    json::Selector,
    plan::{
        MergePlan, ParquetPlan,
        inference::{Deferred, Inference, limits},
    },
    schema::{Column, ColumnType, ColumnsContract, Contract, Naming, Source, TableSchema},
    suggestion::suggestion,
};

/// Keys of a resource that name columns, or say what becomes of their values.
const ABOUT_COLUMNS: [&str; 9] = [
    "primary_key",
    "merge_key",
    "write_disposition",
    "on_missing",
    "dedup",
    "partition_by",
    "columns",
    "metadata_columns",
    "schema_contract",
];

/// And of `destination.parquet`.
const ABOUT_FILES: [&str; 2] = ["bloom_filter", "sort_by"];

/// How the resource's columns will be found.
pub fn inference(resource: &Section<'_>, context: &Context<'_>) -> Option<Inference> {
    let written = |section: &Section<'_>, keys: &[&str]| {
        let value = |key: &&str| Some(((*key).to_owned(), json(section.get(key)?)));
        keys.iter().filter_map(value).collect::<Map<_, _>>()
    };
    let mut about = written(resource, &ABOUT_COLUMNS);
    about.extend(written(context.parquet, &ABOUT_FILES));
    Some(Inference {
        rows: resource.count("infer_rows")?,
        anew: context.overrides.full_refresh,
        key: key(resource)?,
        written: Json::Object(about),
        deferred: Deferred {
            loaded: (context.keep)(),
            overrides: context.overrides.clone(),
            table_format: context.table_format,
        },
    })
}

fn key(resource: &Section<'_>) -> Option<Vec<Vec<String>>> {
    let is_key = |hint: &Section<'_>| hint.flag("primary_key") == Some(true);
    let hinted = resource.mapped("columns").into_iter().filter(|(_, hint)| is_key(hint)).map(|(entry, _)| &entry.key);
    let named = resource.texts("primary_key").into_iter().map(|name| name.value);
    // A merge has one row of each key in any case.
    let keeps_one = resource.flag("dedup")?;
    let path = |name: String| nested_path(&name).unwrap_or_else(|| vec![name]);
    Some(named.chain(hinted.cloned()).filter(|_| keeps_one).map(path).collect())
}

/// What would have counted without a schema. In `resource_defaults` it is for the resources that have none.
pub fn idle(resource: &Section<'_>) -> Option<String> {
    let key = "infer_rows";
    let is_own = resource.is_written(key) && resource.place_of(key).path.starts_with("resources[");
    let is_idle = is_own && resource.is_written("schema");
    is_idle.then(|| format!("`{key}` has no effect: the resource has a schema"))
}

/// The nearest `naming`.
pub fn naming(resource: &Section<'_>, context: &Context<'_>) -> Option<Naming> {
    let Some(section) = [resource, context.root].into_iter().find(|section| section.is_written("naming")) else {
        return Some(Naming::Direct);
    };
    match section.text("naming")?.value.as_str() {
        "snake_case" => Some(Naming::SnakeCase),
        _ => Some(Naming::Direct),
    }
}

/// Of a table that nobody declared, nothing is to be lost: what appears later becomes a column. Versions of rows are told apart
/// by all columns there are, so under `scd2` it ends the run instead.
pub fn contract(resource: &Section<'_>) -> Contract {
    let disposition = disposition::resolve(resource, &Overrides::default());
    let is_scd2 = disposition.is_some_and(|disposition| disposition.is_scd2());
    let columns = if is_scd2 { ColumnsContract::Freeze } else { ColumnsContract::Evolve };
    Contract { columns, ..Contract::default() }
}

/// A table of the columns that the config names, each of a type that suits what it is named for where none is given: what is
/// wrong with these is wrong with any columns that may come.
pub fn named(resource: &Section<'_>, context: &Context<'_>) -> TableSchema {
    let limits = limits(naming(resource, context).unwrap_or_default(), context.table_format);
    let of_the_run = load_columns::names(resource, context.overrides);
    let mut columns: Vec<Column> = Vec::new();
    let mut add = |name: &str, data_type: ColumnType| {
        if of_the_run.iter().any(|of_the_run| of_the_run == name) {
            return;
        }
        let name_of = limits.naming.column(name, limits.is_allowed);
        let is_it = |column: &&mut Column| column.source == Source::Evolved(name.to_owned()) || column.name == name_of;
        match columns.iter_mut().find(is_it) {
            Some(known) if known.data_type == ColumnType::String => known.data_type = data_type,
            Some(_) => {}
            None => columns.push(Column {
                name: name_of,
                source: Source::Evolved(name.to_owned()),
                data_type,
                nullable: true,
                format: None,
            }),
        }
    };
    // There are others as a rule, and a table is not all partition columns.
    add("and_others", ColumnType::Json);
    let keys = ["primary_key", "merge_key"].into_iter().flat_map(|key| resource.texts(key));
    keys.for_each(|name| add(&name.value, ColumnType::String));
    partition::named(resource).iter().for_each(|(name, data_type)| add(name, data_type.clone()));
    resource.mapped("columns").iter().for_each(|(entry, hint)| add(&entry.key, schema::hinted_type(hint)));
    TableSchema { columns }
}

/// Warnings about names that look like something else. A field of the API may be called so, all the same.
fn expressions(resource: &Section<'_>) -> Vec<String> {
    let keys = ["primary_key", "merge_key"].into_iter().flat_map(|key| resource.texts(key)).map(|name| name.value);
    let names = keys.chain(partition::named(resource).into_iter().map(|(name, _)| name));
    let hint = |name: String| Some(format!("`{name}` is looked for as the name of one column; {}", expression(&name)?));
    names.filter_map(hint).collect()
}

/// What does not depend on the columns.
pub fn open_rows(resource: &Section<'_>, rows: Rows, context: &Context<'_>) -> Option<Rows> {
    let disposition = disposition::resolve(resource, context.overrides)?;
    Some(Rows {
        merge: MergePlan {
            delete_missing: disposition.merges() && merge::deletes_missing(resource, &disposition),
            strategy: rows.merge.strategy,
            ..MergePlan::default()
        },
        primary_key: Vec::new(),
        dedup: false,
        dedup_sort: None,
        partition_by: Vec::new(),
        parquet: ParquetPlan { bloom_filter: Vec::new(), sort_by: Vec::new(), ..rows.parquet },
        bools: rows.bools,
        // The others are about columns, and come again with them.
        warnings: merge::idle(resource, &disposition).into_iter().chain(expressions(resource)).collect(),
        schema: TableSchema { columns: Vec::new() },
        write_disposition: rows.write_disposition,
    })
}

/// The columns that were found, with the hints over them.
pub fn declared(
    resource: &Section<'_>,
    columns: &TableSchema,
    context: &Context<'_>,
    findings: &mut Findings,
) -> Declared {
    let mut schema = columns.clone();
    add_nested_keys(resource, &mut schema, context);
    add_hinted(resource, &mut schema, context, findings);
    imply_types(resource, &mut schema);
    let hints = schema::hints(resource, &mut schema, findings);
    // A column whose type is given is as good as declared: it keeps to it.
    for hint in &hints.data_type {
        if let Some(column) = schema.columns.get_mut(hint.value)
            && let Some(key) = column.source.inferred()
        {
            column.source = Source::Path(vec![key.clone()]);
        }
    }
    let places = vec![resource.place_of("name").clone(); schema.columns.len()];
    Declared { places: hinted_places(places, &hints), recorded: schema.columns.len(), schema, hints }
}

/// A format tells what is read by it, where no type is given.
fn imply_types(resource: &Section<'_>, schema: &mut TableSchema) {
    let hints = resource.mapped("columns");
    for (entry, hint) in hints.iter().filter(|(_, hint)| schema::has_format(hint) && !hint.is_written("data_type")) {
        let name = Located { value: entry.key.clone(), place: hint.place().clone() };
        let index = Columns::new(schema).find_if_there(&name, &mut Findings::new(Vec::new(), Vec::new()));
        if let Some(column) = index.and_then(|index| schema.columns.get_mut(index)) {
            column.data_type = schema::hinted_type(hint);
            if let Some(key) = column.source.inferred() {
                column.source = Source::Path(vec![key.clone()]);
            }
        }
    }
}

/// A key that is a field within another one gets a column of its own, as keys are columns: `_id.$oid` becomes
/// `_id__$oid`, of the type that the field has in its struct. Of a field within `json` it is text.
fn add_nested_keys(resource: &Section<'_>, schema: &mut TableSchema, context: &Context<'_>) {
    let limits = limits(naming(resource, context).unwrap_or_default(), context.table_format);
    for name in ["primary_key", "merge_key"].into_iter().flat_map(|key| resource.texts(key)) {
        let path = nested_path(&name.value).filter(|_| !Columns::new(schema).is_known(&name.value));
        let Some((root, below)) = path.as_deref().and_then(<[String]>::split_first) else { continue };
        let is_root = |column: &&Column| column.source.inferred() == Some(root);
        let Some(data_type) = schema.columns.iter().find(is_root).map(|column| type_below(&column.data_type, below))
        else {
            continue;
        };
        let parts = path.iter().flatten().map(|key| limits.naming.column(key, limits.is_allowed));
        let name = parts.collect::<Vec<_>>().join("__");
        if let (Some(data_type), None) = (data_type, schema.index_of(&name)) {
            let source = Source::Path(path.clone().unwrap_or_default());
            schema.columns.push(Column { name, source, data_type, nullable: true, format: None });
        }
    }
}

/// The keys of a path of at least two.
pub fn nested_path(name: &str) -> Option<Vec<String>> {
    let keys = name.parse::<Selector>().ok().filter(|selector| !selector.takes_elements())?.keys()?;
    (keys.len() > 1).then_some(keys)
}

/// `None` if the type has no such field.
fn type_below(data_type: &ColumnType, path: &[String]) -> Option<ColumnType> {
    match (data_type, path.split_first()) {
        (data_type, None) => Some(data_type.clone()),
        (ColumnType::Struct(fields), Some((key, rest))) => {
            type_below(&fields.iter().find(|field| field.name == *key)?.data_type, rest)
        }
        (ColumnType::Json, Some(_)) => Some(ColumnType::String),
        _ => None,
    }
}

/// A column that only a hint tells of exists all the same, and is null until its field comes.
fn add_hinted(resource: &Section<'_>, schema: &mut TableSchema, context: &Context<'_>, findings: &mut Findings) {
    let limits = limits(naming(resource, context).unwrap_or_default(), context.table_format);
    for (entry, hint) in resource.mapped("columns") {
        let name = Located { value: entry.key.clone(), place: hint.place().clone() };
        if Columns::new(schema).is_known(&name.value) {
            continue;
        }
        if !hint.is_written("data_type") && has_role(&hint) {
            let known = schema.columns.iter().map(|column| column.name.as_str());
            let help = format!("give it a `data_type`; {}", suggestion(&name.value, known, "columns"));
            findings.error(&name.place, format!("no record has had a field `{}` yet", name.value), Some(help));
        }
        schema.columns.push(Column {
            name: limits.naming.column(&entry.key, limits.is_allowed),
            source: Source::Unseen(entry.key.clone()),
            data_type: ColumnType::Json,
            nullable: true,
            format: None,
        });
    }
}

/// Whether rows are told apart, ordered, deleted or laid out by the column.
fn has_role(hint: &Section<'_>) -> bool {
    let flags = ["primary_key", "merge_key", "hard_delete", "partition"];
    flags.iter().any(|key| hint.flag(key) == Some(true)) || hint.is_written("dedup_sort")
}

/// What stands in the config, without its places.
fn json(value: &Value) -> Json {
    match &value.kind {
        Kind::Null | Kind::Broken => Json::Null,
        Kind::Bool(value) => (*value).into(),
        Kind::Number(text) | Kind::Text(text) => text.as_str().into(),
        Kind::List(items) => items.iter().map(json).collect(),
        Kind::Object(entries) => entries.iter().map(|entry| (entry.key.clone(), json(&entry.value))).collect(),
    }
}
