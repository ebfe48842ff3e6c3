//! Column types: the grammar a user writes, dlt's names for them, and the Arrow type each is stored as.
//!
//! ```text
//! type   = scalar | "decimal" "(" p "," s ")" | "list" "<" type ">" | "map" "<" "string" "," type ">"
//!        | "struct" "<" field { "," field } ">"
//! field  = name ":" type        (other names than plain words are quoted in backticks)
//! ```

use std::{fmt, str::FromStr, sync::Arc};

use arrow::datatypes::{DataType, Field as ArrowField, Fields, TimeUnit};
use serde::{Deserialize, Serialize};

/// The zone of every `timestamp` column. An offset and not a name, which would need arrow's `chrono-tz`.
pub const UTC: &str = "+00:00";

/// The most digits a decimal may have: what 128 bits hold, and what Spark reads.
pub const MAX_DECIMAL_PRECISION: u8 = 38;

/// Types nested deeper than this are refused: no API needs them, and every recursion over a type is bounded by it.
pub const MAX_TYPE_DEPTH: usize = 32;

/// The type of a column or of a nested value. Serialises as its text form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ColumnType {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    Float32,
    Float64,
    Decimal {
        precision: u8,
        scale: u8,
    },
    String,
    Binary,
    Date,
    /// Time of day, microseconds.
    Time,
    /// A moment, microseconds since the epoch, UTC.
    Timestamp,
    /// A wall-clock reading without a zone, microseconds.
    TimestampNaive,
    /// Any JSON value, kept as its text.
    Json,
    /// A UUID, kept as lower-case hyphenated text.
    Uuid,
    List(Box<ColumnType>),
    Struct(Vec<Field>),
    /// String keys.
    Map(Box<ColumnType>),
}

/// A field of a struct; always nullable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    pub name: String,
    pub data_type: ColumnType,
}

/// An error in the text of a type, with its position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TypeError {
    pub message: String,
    /// Byte offset into the type's text.
    pub offset: usize,
}

/// Names of scalar types: ours first, then dlt's.
const SCALARS: [(&str, ColumnType); 24] = [
    ("bool", ColumnType::Bool),
    ("int8", ColumnType::Int8),
    ("int16", ColumnType::Int16),
    ("int32", ColumnType::Int32),
    ("int64", ColumnType::Int64),
    ("uint8", ColumnType::UInt8),
    ("uint16", ColumnType::UInt16),
    ("uint32", ColumnType::UInt32),
    ("uint64", ColumnType::UInt64),
    ("float32", ColumnType::Float32),
    ("float64", ColumnType::Float64),
    ("string", ColumnType::String),
    ("binary", ColumnType::Binary),
    ("date", ColumnType::Date),
    ("time", ColumnType::Time),
    ("timestamp", ColumnType::Timestamp),
    ("timestamp_naive", ColumnType::TimestampNaive),
    ("json", ColumnType::Json),
    ("uuid", ColumnType::Uuid),
    ("text", ColumnType::String),
    ("bigint", ColumnType::Int64),
    ("double", ColumnType::Float64),
    // dlt's defaults: a bare `decimal` is (38, 9), `wei` an integer of up to 38 digits.
    ("decimal", ColumnType::Decimal { precision: 38, scale: 9 }),
    ("wei", ColumnType::Decimal { precision: 38, scale: 0 }),
];

impl ColumnType {
    /// Columns that Parquet stores it in.
    pub fn leaves(&self) -> u64 {
        match self {
            Self::List(item) => item.leaves(),
            Self::Map(value) => 1 + value.leaves(),
            Self::Struct(fields) => fields.iter().map(|field| field.data_type.leaves()).sum(),
            _ => 1,
        }
    }

    /// The names a type may begin with, for "did you mean".
    pub fn names() -> impl Iterator<Item = &'static str> {
        SCALARS.iter().map(|(name, _)| *name).chain(["list", "struct", "map"])
    }

    pub fn to_arrow(&self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int8 => DataType::Int8,
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::UInt8 => DataType::UInt8,
            Self::UInt16 => DataType::UInt16,
            Self::UInt32 => DataType::UInt32,
            Self::UInt64 => DataType::UInt64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Decimal { precision, scale } => DataType::Decimal128(*precision, scale.cast_signed()),
            Self::String | Self::Json | Self::Uuid => DataType::Utf8,
            Self::Binary => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
            Self::TimestampNaive => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::List(item) => DataType::List(Arc::new(ArrowField::new("element", item.to_arrow(), true))),
            Self::Struct(fields) => DataType::Struct(fields.iter().map(Field::to_arrow).collect::<Fields>()),
            Self::Map(value) => DataType::Map(Arc::new(map_entries(value)), false),
        }
    }

    /// The type of the values at the end of lists and maps; the type itself elsewhere.
    pub fn leaf(&self) -> &Self {
        match self {
            Self::List(inner) | Self::Map(inner) => inner.leaf(),
            other => other,
        }
    }

    pub fn is_nested(&self) -> bool {
        matches!(self, Self::List(_) | Self::Struct(_) | Self::Map(_))
    }
}

/// The entries of an Arrow map, named as the Parquet format names them.
fn map_entries(value: &ColumnType) -> ArrowField {
    let entries = vec![ArrowField::new("key", DataType::Utf8, false), ArrowField::new("value", value.to_arrow(), true)];
    ArrowField::new("key_value", DataType::Struct(entries.into()), false)
}

impl Field {
    pub fn to_arrow(&self) -> ArrowField {
        ArrowField::new(&self.name, self.data_type.to_arrow(), true)
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::List(item) => write!(f, "list<{item}>"),
            Self::Map(value) => write!(f, "map<string, {value}>"),
            Self::Struct(fields) => {
                f.write_str("struct<")?;
                for (index, field) in fields.iter().enumerate() {
                    let separator = if index == 0 { "" } else { ", " };
                    write!(f, "{separator}{}: {}", quoted(&field.name), field.data_type)?;
                }
                f.write_str(">")
            }
            scalar => f.write_str(SCALARS.iter().find(|(_, known)| known == scalar).map_or("?", |(name, _)| name)),
        }
    }
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

fn quoted(name: &str) -> String {
    if is_word(name) { name.to_owned() } else { format!("`{}`", name.replace('`', "``")) }
}

impl From<ColumnType> for String {
    fn from(data_type: ColumnType) -> Self {
        data_type.to_string()
    }
}

impl TryFrom<String> for ColumnType {
    type Error = TypeError;

    fn try_from(text: String) -> Result<Self, TypeError> {
        text.parse()
    }
}

impl FromStr for ColumnType {
    type Err = TypeError;

    fn from_str(text: &str) -> Result<Self, TypeError> {
        let mut parser = Parser { text, at: 0 };
        let data_type = parser.data_type(0)?;
        parser.skip_space();
        if parser.at < text.len() {
            return Err(parser.error("nothing more was expected here"));
        }
        Ok(data_type)
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn data_type(&mut self, depth: usize) -> Result<ColumnType, TypeError> {
        if depth >= MAX_TYPE_DEPTH {
            return Err(self.error(format!("types nest at most {MAX_TYPE_DEPTH} deep")));
        }
        self.skip_space();
        let start = self.at;
        let name = self.word();
        match name.as_str() {
            "list" => self.between('<', '>', |parser| Ok(ColumnType::List(Box::new(parser.data_type(depth + 1)?)))),
            "map" => self.between('<', '>', |parser| parser.map_value(depth)),
            "struct" => self.between('<', '>', |parser| parser.fields(depth)),
            "decimal" if self.peek() == Some('(') => self.decimal(start),
            _ => scalar(&name).ok_or_else(|| unknown_type(&name, start)),
        }
    }

    fn map_value(&mut self, depth: usize) -> Result<ColumnType, TypeError> {
        self.skip_space();
        let start = self.at;
        if self.data_type(depth + 1)? != ColumnType::String {
            return Err(TypeError { message: "the keys of a map are string".into(), offset: start });
        }
        self.expect(',')?;
        Ok(ColumnType::Map(Box::new(self.data_type(depth + 1)?)))
    }

    fn fields(&mut self, depth: usize) -> Result<ColumnType, TypeError> {
        let mut fields: Vec<Field> = Vec::new();
        loop {
            self.skip_space();
            let start = self.at;
            let name = self.field_name()?;
            if let Some(first) = fields.iter().find(|field| field.name.to_lowercase() == name.to_lowercase()) {
                // Spark does not tell names apart by case, not even within a struct.
                let message = match first.name == name {
                    true => format!("the field `{name}` stands here twice"),
                    false => format!(
                        "the field `{name}` is there already, as `{}` (readers do not tell names apart by case)",
                        first.name
                    ),
                };
                return Err(TypeError { message, offset: start });
            }
            self.expect(':')?;
            fields.push(Field { name, data_type: self.data_type(depth + 1)? });
            self.skip_space();
            if self.peek() != Some(',') {
                return Ok(ColumnType::Struct(fields));
            }
            self.at += 1;
        }
    }

    fn field_name(&mut self) -> Result<String, TypeError> {
        if self.peek() == Some('`') {
            return self.backticked();
        }
        let name = self.word();
        if name.is_empty() { Err(self.error("a field's name was expected here")) } else { Ok(name) }
    }

    fn backticked(&mut self) -> Result<String, TypeError> {
        let start = self.at;
        self.at += 1;
        let mut name = String::new();
        while let Some(next) = self.peek() {
            self.at += next.len_utf8();
            match next {
                '`' if self.peek() == Some('`') => self.at += 1,
                '`' => return Ok(name),
                _ => {}
            }
            name.push(next);
        }
        Err(TypeError { message: "this backtick is never closed".into(), offset: start })
    }

    fn decimal(&mut self, start: usize) -> Result<ColumnType, TypeError> {
        let (precision, scale) = self.between('(', ')', |parser| {
            let precision = parser.number()?;
            parser.expect(',')?;
            Ok((precision, parser.number()?))
        })?;
        if precision == 0 || precision > MAX_DECIMAL_PRECISION || scale > precision {
            let message =
                format!("a decimal has 1 to {MAX_DECIMAL_PRECISION} digits, and no more of them after the point");
            return Err(TypeError { message, offset: start });
        }
        Ok(ColumnType::Decimal { precision, scale })
    }

    fn number(&mut self) -> Result<u8, TypeError> {
        self.skip_space();
        let start = self.at;
        let length = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        self.at += length;
        self.text[start..self.at]
            .parse()
            .map_err(|_| TypeError { message: "a small whole number was expected here".into(), offset: start })
    }

    fn between<T>(
        &mut self,
        open: char,
        close: char,
        inside: impl FnOnce(&mut Self) -> Result<T, TypeError>,
    ) -> Result<T, TypeError> {
        self.expect(open)?;
        let value = inside(self)?;
        self.expect(close)?;
        Ok(value)
    }

    fn expect(&mut self, wanted: char) -> Result<(), TypeError> {
        self.skip_space();
        if self.peek() != Some(wanted) {
            return Err(self.error(format!("`{wanted}` was expected here")));
        }
        self.at += wanted.len_utf8();
        Ok(())
    }

    fn word(&mut self) -> String {
        let word: String = self.rest().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        self.at += word.len();
        word
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn error(&self, message: impl Into<String>) -> TypeError {
        TypeError { message: message.into(), offset: self.at }
    }
}

fn scalar(name: &str) -> Option<ColumnType> {
    SCALARS.iter().find(|(known, _)| *known == name).map(|(_, data_type)| data_type.clone())
}

fn unknown_type(name: &str, offset: usize) -> TypeError {
    let message = if name.is_empty() { "a type was expected here".into() } else { format!("unknown type `{name}`") };
    TypeError { message, offset }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(text: &str) -> String {
        text.parse::<ColumnType>().unwrap().to_string()
    }

    #[test]
    fn fields_of_a_struct_differ_in_more_than_case() {
        let error = "struct<id: int64, ID: int64>".parse::<ColumnType>().unwrap_err();
        assert!(error.message.contains("`ID`") && error.message.contains("`id`"), "{error}");
        assert_eq!(error.offset, 18);
        assert!("struct<a: struct<id: int64>, b: struct<ID: int64>>".parse::<ColumnType>().is_ok());
    }

    #[test]
    fn every_type_prints_as_it_is_written() {
        for text in [
            "bool",
            "uint64",
            "decimal(10,2)",
            "timestamp_naive",
            "list<list<string>>",
            "map<string, list<int32>>",
            "struct<id: int64, `odd name`: struct<``: uuid, `a``b`: json>>",
        ] {
            assert_eq!(round_trip(text), text);
        }
    }

    #[test]
    fn dlt_names_are_read_as_ours() {
        let ours = ["text", "bigint", "double", "decimal", "wei"].map(round_trip);
        assert_eq!(ours, ["string", "int64", "float64", "decimal(38,9)", "decimal(38,0)"]);
    }

    #[test]
    fn a_mistake_is_told_with_its_offset() {
        let error = |text: &str| {
            let error = text.parse::<ColumnType>().unwrap_err();
            (error.message, error.offset)
        };
        assert_eq!(error("list<strin>"), ("unknown type `strin`".into(), 5));
        assert_eq!(error("list<string"), ("`>` was expected here".into(), 11));
        assert_eq!(error("struct<a: int64, a: int64>"), ("the field `a` stands here twice".into(), 17));
        assert_eq!(error("map<int64, string>"), ("the keys of a map are string".into(), 4));
        assert_eq!(error("decimal(39,0)").1, 0);
        assert_eq!(error("decimal(4,5)").1, 0);
        assert_eq!(error("int64 x"), ("nothing more was expected here".into(), 6));
        assert_eq!(error(""), ("a type was expected here".into(), 0));
    }

    #[test]
    fn a_type_nested_too_deep_is_refused_and_not_a_stack_overflow() {
        let text = format!("{}int8{}", "list<".repeat(100_000), ">".repeat(100_000));
        assert!(text.parse::<ColumnType>().is_err());
    }
}
