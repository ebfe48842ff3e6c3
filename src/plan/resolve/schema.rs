//! A resource's columns: the declared schema, with dlt's column hints over it.

use super::{columns::Columns, format, inferred};
use crate::{
    config::{Findings, Located, Place, Section, tree::Value},
    json::Selector,
    schema::{
        Column, ColumnType, ColumnsContract, Contract, DataTypeContract, Format, Source, TableSchema,
        types::MAX_DECIMAL_PRECISION,
    },
};

/// What dlt's hints say of columns besides their types; the indexes are columns.
#[derive(Default)]
pub struct Hints {
    pub primary_key: Vec<Located<usize>>,
    pub merge_key: Vec<Located<usize>>,
    pub hard_delete: Vec<Located<usize>>,
    pub partition: Vec<Located<usize>>,
    /// The column, and whether the highest value stays.
    pub dedup_sort: Vec<Located<(usize, bool)>>,
    /// Columns whose type a hint gives.
    pub data_type: Vec<Located<usize>>,
    /// Hints that mean nothing for their column's type.
    pub warnings: Vec<String>,
}

/// A table's columns as far as they are declared.
pub struct Declared {
    pub schema: TableSchema,
    /// Where each column's type stands; of a column of the run's own, its name.
    pub places: Vec<Place>,
    pub hints: Hints,
    /// How many columns of the schema were not declared but recorded or inferred.
    pub recorded: usize,
}

pub fn resolve(resource: &Section<'_>, findings: &mut Findings) -> Option<Declared> {
    resource.get("schema")?;
    let section = resource.section("schema");
    let sections = section.sections("columns");
    let columns: Vec<_> = sections.iter().map(|column| self::column(column, findings)).collect();
    distinct(&sections, findings);
    if columns.is_empty() {
        if section.get("columns").is_some() {
            findings.error(section.place_of("columns"), "a table needs at least one column", None);
        }
        return None;
    }
    // With a column missing, every reference to it would be reported as wrong too.
    let whole = section.get("columns").is_some_and(|list| list.items().len() == columns.len());
    let columns: Option<Vec<_>> = columns.into_iter().collect();
    let mut schema = TableSchema { columns: columns.filter(|_| whole)? };
    let hints = hints(resource, &mut schema, findings);
    // A format that a hint gives was looked at with the hint.
    for (column, section) in schema.columns.iter().zip(&sections).filter(|(_, section)| has_format(section)) {
        check_format(column, section, findings);
    }
    let places = sections.iter().map(|section| section.place_of("type").clone()).collect();
    Some(Declared { schema, places: hinted_places(places, &hints), hints, recorded: 0 })
}

/// A type that a hint gives stands where the hint does.
pub fn hinted_places(mut places: Vec<Place>, hints: &Hints) -> Vec<Place> {
    for hint in &hints.data_type {
        if let Some(place) = places.get_mut(hint.value) {
            *place = hint.place.clone();
        }
    }
    places
}

fn column(section: &Section<'_>, findings: &mut Findings) -> Option<Column> {
    let name = section.text("name")?;
    if name.value.is_empty() || name.value.chars().any(char::is_control) {
        findings.error(&name.place, "a column's name is a line of text", None);
        return None;
    }
    let source = match section.is_written("source") {
        true => source(&section.text("source")?, findings)?,
        false => Source::Path(vec![name.value.clone()]),
    };
    let data_type: ColumnType = section.text("type")?.value.parse().ok()?;
    let format = match section.is_written("format") {
        true => Some(format_of(section.text("format")?.value)),
        false => None,
    };
    let format = if truncates(section) { Some(Format::truncated(format)) } else { format };
    Some(Column { name: name.value, source, data_type, nullable: section.flag("nullable")?, format })
}

fn source(text: &Located<String>, findings: &mut Findings) -> Option<Source> {
    let (message, offset) = match text.value.parse::<Selector>() {
        Ok(selector) if selector.is_root() && !selector.takes_elements() => return Some(Source::Record),
        Ok(selector) => match selector.keys().filter(|_| !selector.takes_elements()) {
            Some(keys) => return Some(Source::Path(keys)),
            None => ("a source is keys alone, such as `owner.email`: no `[0]`, no `[*]`".to_owned(), 0),
        },
        Err(error) => (error.message, error.offset),
    };
    findings.error_inside(&text.place, &text.value, offset, message, None);
    None
}

/// Returns true if digits beyond microseconds are cut off.
fn truncates(section: &Section<'_>) -> bool {
    section.is_written("precision") && section.get("precision").and_then(Value::as_text) == Some("truncate")
}

/// Returns true if anything is said of the form of a column's values.
pub fn has_format(section: &Section<'_>) -> bool {
    section.is_written("format") || truncates(section)
}

pub fn format_of(text: String) -> Format {
    match text.as_str() {
        "epoch_s" => Format::EpochSeconds,
        "epoch_ms" => Format::EpochMillis,
        "epoch_us" => Format::EpochMicros,
        "hex" => Format::Hex,
        "base64url" => Format::Base64Url,
        "non_finite" => Format::NonFinite,
        _ => Format::Strftime(text),
    }
}

/// A type that suits what a hint says of a column, as long as nothing else tells.
pub fn hinted_type(hint: &Section<'_>) -> ColumnType {
    let format = hint.text("format").map(|text| format_of(text.value));
    match format {
        // One that is never null can delete by its value alone.
        _ if hint.flag("hard_delete") == Some(true) && hint.flag("nullable") == Some(false) => ColumnType::Bool,
        Some(Format::Hex | Format::Base64Url) => ColumnType::Binary,
        Some(Format::NonFinite) => ColumnType::Float64,
        Some(Format::Strftime(pattern)) => {
            let reads = |leaf: &ColumnType| format::problem(&pattern, leaf).is_none();
            match (reads(&ColumnType::Date), format::has_clock(&pattern)) {
                (true, false) => ColumnType::Date,
                (false, true) if reads(&ColumnType::Time) => ColumnType::Time,
                _ => ColumnType::Timestamp,
            }
        }
        Some(_) => ColumnType::Timestamp,
        None if truncates(hint) => ColumnType::Timestamp,
        None => ColumnType::String,
    }
}

/// Whether the format can read values of the column's type.
fn check_format(column: &Column, section: &Section<'_>, findings: &mut Findings) {
    let Some(format) = &column.format else { return };
    let leaf = column.data_type.leaf();
    let is_moment = matches!(leaf, ColumnType::Time | ColumnType::Timestamp | ColumnType::TimestampNaive);
    if matches!(format, Format::Truncated(_)) && !is_moment {
        let message = format!(
            "`precision: truncate` cuts digits of times and timestamps, and the column is {}",
            column.data_type
        );
        findings.error(section.place_of("precision"), message, None);
        return;
    }
    let Some(format) = format.form() else { return };
    let (message, help) = match (format, leaf) {
        (Format::Hex | Format::Base64Url, ColumnType::Binary)
        | (Format::NonFinite, ColumnType::Float32 | ColumnType::Float64)
        | (
            Format::EpochSeconds | Format::EpochMillis | Format::EpochMicros,
            ColumnType::Timestamp | ColumnType::TimestampNaive,
        ) => return,
        (
            Format::Strftime(pattern),
            ColumnType::Date | ColumnType::Time | ColumnType::Timestamp | ColumnType::TimestampNaive,
        ) => match format::problem(pattern, leaf) {
            None => return,
            Some(message) => (message, format::hint(pattern)),
        },
        _ => {
            let help = "strftime suits dates, times and timestamps; `epoch_s`, `epoch_ms`, `epoch_us` timestamps; `hex` and `base64url` binary; `non_finite` floats";
            (format!("this format does not suit the type {}", column.data_type), help.to_owned())
        }
    };
    findings.error(section.place_of("format"), message, Some(help));
}

/// Readers that fold case, DuckDB and Spark among them, take `Name` and `name` for one column.
fn distinct(sections: &[Section<'_>], findings: &mut Findings) {
    let names: Vec<_> = sections.iter().filter_map(|section| section.text("name")).collect();
    for (index, name) in names.iter().enumerate() {
        let first = names.iter().take(index).find(|first| first.value.to_lowercase() == name.value.to_lowercase());
        if let Some(first) = first {
            let message = format!("the column `{}` is there already, as `{}`", name.value, first.value);
            let help =
                "DuckDB and Spark do not tell names apart by case; give it another name, and its field as `source`";
            findings.error(&name.place, message, Some(help.to_owned()));
        }
    }
}

/// Applies the hints to the columns, and gathers the rest of what they say.
pub fn hints(resource: &Section<'_>, schema: &mut TableSchema, findings: &mut Findings) -> Hints {
    let mut hints = Hints::default();
    for (entry, hint) in resource.mapped("columns") {
        let name = Located { value: entry.key.clone(), place: hint.place().clone() };
        let Some(index) = Columns::new(schema).find(&name, findings) else { continue };
        if let Some(column) = schema.columns.get_mut(index) {
            override_type(column, &hint, &mut hints.warnings, findings);
            column.nullable = hint.flag("nullable").unwrap_or(column.nullable);
            if let Some(format) = hint.text("format") {
                column.format = Some(format_of(format.value));
            }
            if truncates(&hint) {
                column.format = Some(Format::truncated(column.format.take()));
            }
            if has_format(&hint) {
                check_format(column, &hint, findings);
            }
        }
        let at = |key: &str| Located { value: index, place: hint.place_of(key).clone() };
        let flags = [
            ("primary_key", &mut hints.primary_key),
            ("merge_key", &mut hints.merge_key),
            ("hard_delete", &mut hints.hard_delete),
            ("partition", &mut hints.partition),
        ];
        for (key, columns) in flags.into_iter().filter(|(key, _)| hint.flag(key) == Some(true)) {
            columns.push(at(key));
        }
        if hint.is_written("data_type") {
            hints.data_type.push(at("data_type"));
        }
        if let Some(order) = hint.text("dedup_sort") {
            hints.dedup_sort.push(Located { value: (index, order.value == "desc"), place: order.place });
        }
    }
    hints
}

/// `data_type` takes the place of the schema's type, `precision` and `scale` of a decimal's. Other types are stored in one
/// precision, whatever dlt's hints say; what they say without effect is a warning.
fn override_type(column: &mut Column, hint: &Section<'_>, warnings: &mut Vec<String>, findings: &mut Findings) {
    if let Some(data_type) = hint.text("data_type").and_then(|text| text.value.parse().ok()) {
        column.data_type = data_type;
    }
    if let ColumnType::Decimal { precision, scale } = column.data_type {
        column.data_type = decimal(hint, precision, scale, findings).unwrap_or_else(|| column.data_type.clone());
        return;
    }
    for key in ["precision", "scale"].into_iter().filter(|key| hint.get(key).is_some() && !truncates(hint)) {
        let is_stored = is_in_microseconds(&column.data_type) && key == "precision" && hint.count(key) == Some(6);
        if !is_stored {
            let text = format!("the hint `{key}` of `{}` has no effect on the type {}", column.name, column.data_type);
            warnings.push(text);
        }
    }
}

fn is_in_microseconds(data_type: &ColumnType) -> bool {
    matches!(data_type, ColumnType::Timestamp | ColumnType::TimestampNaive | ColumnType::Time)
}

/// A decimal with what the hint says of its digits.
fn decimal(hint: &Section<'_>, precision: u8, scale: u8, findings: &mut Findings) -> Option<ColumnType> {
    let digits = |key: &str, declared: u8| match hint.is_written(key) && !truncates(hint) {
        true => hint.count(key).map(|count| u8::try_from(count).unwrap_or(u8::MAX)),
        false => Some(declared),
    };
    let (precision, scale) = (digits("precision", precision)?, digits("scale", scale)?);
    let (key, message) = match precision {
        0 => ("precision", "a decimal has at least one digit".to_owned()),
        _ if precision > MAX_DECIMAL_PRECISION => {
            ("precision", format!("a decimal has at most {MAX_DECIMAL_PRECISION} digits"))
        }
        _ if scale > precision => {
            let key = if hint.is_written("scale") { "scale" } else { "precision" };
            (key, format!("a decimal of {precision} digits cannot have {scale} of them after the point"))
        }
        _ => return Some(ColumnType::Decimal { precision, scale }),
    };
    findings.error(hint.place_of(key), message, None);
    None
}

/// The schema's contract, with the resource's over it, key by key. One word stands for both keys;
/// `evolve` alone for columns, whose types it leaves as they are.
pub fn contract(resource: &Section<'_>) -> Option<Contract> {
    let mut contract = match resource.is_written("schema") {
        true => Contract::default(),
        false => inferred::contract(resource),
    };
    for holder in [&resource.section("schema"), resource] {
        if !holder.is_written("schema_contract") {
            continue;
        }
        let value = holder.get("schema_contract")?;
        let section = holder.section("schema_contract");
        let word = |key: &str| match value.as_text() {
            Some(word) => Some(word.to_owned()),
            None => section.is_written(key).then(|| section.text(key)).flatten().map(|word| word.value),
        };
        contract.columns = word("columns").and_then(|word| columns_contract(&word)).unwrap_or(contract.columns);
        // `evolve` for all of it says nothing of types.
        let of_types = word("data_type").filter(|word| word != "evolve" || value.as_text().is_none());
        contract.data_type = of_types.and_then(|word| data_type_contract(&word)).unwrap_or(contract.data_type);
    }
    Some(contract)
}

fn columns_contract(word: &str) -> Option<ColumnsContract> {
    match word {
        "discard_value" => Some(ColumnsContract::DiscardValue),
        "discard_row" => Some(ColumnsContract::DiscardRow),
        "freeze" => Some(ColumnsContract::Freeze),
        "evolve" => Some(ColumnsContract::Evolve),
        _ => None,
    }
}

fn data_type_contract(word: &str) -> Option<DataTypeContract> {
    match word {
        // What dlt does by `evolve`, a table without variants cannot.
        "freeze" | "evolve" => Some(DataTypeContract::Freeze),
        "discard_row" => Some(DataTypeContract::DiscardRow),
        "discard_value" => Some(DataTypeContract::DiscardValue),
        _ => None,
    }
}
