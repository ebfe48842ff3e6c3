//! A table's columns and the contract for what does not fit them.

use std::sync::Arc;

use arrow::datatypes::{Field as ArrowField, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use super::types::ColumnType;
use crate::digest::sha256;

/// The columns of a table, in the order in which they are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSchema {
    pub columns: Vec<Column>,
}

/// One column: its name in the table, the field it is filled from, its type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    pub source: Source,
    #[serde(rename = "type")]
    pub data_type: ColumnType,
    pub nullable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
}

/// The source of a column's value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The field at these keys, the outermost first.
    Path(Vec<String>),
    /// The whole record (`$`).
    Record,
    /// A field of the record that nobody declared: the column came by `schema_contract.columns: evolve`.
    Evolved(String),
    /// A field as above that has been null in every record so far: the column takes the type of its first values.
    Unseen(String),
    /// Not of the record: filled in by the run.
    Load(LoadColumn),
}

/// A column that the run fills in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadColumn {
    /// `string`: the run that wrote the row.
    RunId,
    /// `timestamp`: when the row's page was delivered.
    ExtractedAt,
    /// `int64`: the row's page, 1 for the first.
    Page,
    /// `timestamp`, under `scd2`: from when on the version of the row holds.
    ValidFrom,
    /// `timestamp`, under `scd2`: until when; null (or `active_record_timestamp`) as long as it holds.
    ValidTo,
}

/// The format of a column's texts or numbers, where the type leaves it open.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Dates, times and timestamps: a pattern of [`Strftime`](super::Strftime).
    Strftime(String),
    EpochSeconds,
    EpochMillis,
    EpochMicros,
    /// Binary: hexadecimal digits in place of base64.
    Hex,
    /// Binary: base64 in the alphabet for URLs, with or without padding.
    Base64Url,
    /// Floats: the texts `NaN`, `Infinity` and `-Infinity` are values too.
    NonFinite,
    /// Times and timestamps: digits beyond microseconds are cut off, of values in the form within or in the usual ones.
    Truncated(Option<Box<Format>>),
}

impl Format {
    /// The form of the values, whatever becomes of their last digits.
    pub fn form(&self) -> Option<&Self> {
        match self {
            Self::Truncated(form) => form.as_deref(),
            form => Some(form),
        }
    }

    /// The form with digits beyond microseconds cut off.
    pub fn truncated(form: Option<Self>) -> Self {
        match form {
            Some(form @ Self::Truncated(_)) => form,
            form => Self::Truncated(form.map(Box::new)),
        }
    }
}

/// The handling of unexpected data, in the terms of dlt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    pub columns: ColumnsContract,
    pub data_type: DataTypeContract,
}

/// A field that the schema does not declare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnsContract {
    /// The field is ignored.
    #[default]
    DiscardValue,
    /// The row becomes a reject.
    DiscardRow,
    /// The run fails.
    Freeze,
    /// The field becomes a column of an inferred type.
    Evolve,
}

/// A value that does not fit its column's type, or a null where none may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataTypeContract {
    /// The run fails and names the value.
    #[default]
    Freeze,
    /// The row becomes a reject.
    DiscardRow,
    /// The value becomes null, and a reject is recorded.
    DiscardValue,
}

impl TableSchema {
    /// Columns as Parquet counts them: the fields of structs and the parts of maps each.
    pub fn leaves(&self) -> u64 {
        self.columns.iter().map(|column| column.data_type.leaves()).sum()
    }

    /// The Arrow schema of all columns.
    pub fn to_arrow(&self) -> SchemaRef {
        Arc::new(Schema::new(self.columns.iter().map(Column::to_arrow).collect::<Vec<_>>()))
    }

    /// Returns the fingerprint of a schema: SHA-256 of its JSON, in lower-case hex.
    ///
    /// # Errors
    /// Only if the schema cannot be serialised, which no schema that was read is known to do.
    pub fn fingerprint(&self) -> serde_json::Result<String> {
        Ok(sha256(&serde_json::to_vec(self)?))
    }

    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

impl Column {
    pub fn to_arrow(&self) -> ArrowField {
        ArrowField::new(&self.name, self.data_type.to_arrow(), self.nullable)
    }
}

impl LoadColumn {
    /// As the config calls it, and its column unless the config names that otherwise.
    pub fn name(self) -> &'static str {
        match self {
            Self::RunId => "run_id",
            Self::ExtractedAt => "extracted_at",
            Self::Page => "page",
            Self::ValidFrom => "_dlt_valid_from",
            Self::ValidTo => "_dlt_valid_to",
        }
    }
}

impl Source {
    /// The field of a column whose type was inferred, or will be.
    pub fn inferred(&self) -> Option<&String> {
        match self {
            Self::Evolved(key) | Self::Unseen(key) => Some(key),
            Self::Path(_) | Self::Record | Self::Load(_) => None,
        }
    }

    /// The path as a user writes it: keys joined by dots, `$` for the whole record.
    pub fn to_path(&self) -> String {
        match self {
            Self::Path(keys) => keys.join("."),
            Self::Evolved(key) | Self::Unseen(key) => key.clone(),
            Self::Record => "$".to_owned(),
            Self::Load(column) => column.name().to_owned(),
        }
    }
}
