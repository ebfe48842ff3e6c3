//! The type of a column that nobody declared, from the values that were seen of it. Pure: it depends on the values alone, and
//! on their order only for the order of a struct's fields.
//!
//! ```text
//! values ─► Inferred::of each ─► and, and, and … ─► column_type
//! ```
//!
//! A type is chosen so that every value seen fits it exactly:
//!
//! | seen                                   | type                                       |
//! |----------------------------------------|--------------------------------------------|
//! | bools                                  | `bool`                                     |
//! | whole numbers                          | `int64`; beyond 64 bits `decimal(38,0)`    |
//! | numbers, some with a point or exponent | `float64`                                  |
//! | ISO 8601 dates                         | `date`                                     |
//! | ISO 8601 timestamps, with or without dates | `timestamp`                            |
//! | other texts, alone or with those       | `string`                                   |
//! | arrays, objects                        | `list<…>`, `struct<…>` of what is in them  |
//! | anything else, or kinds that do not mix| `json`                                     |
//!
//! Whole numbers beyond 2^53 that are no doubles make `json` of numbers with a point: neither type holds both.
//! Cells of CSV are texts: those that all are numbers, or bools, have these types, and `string` replaces `json`. What can be in
//! no column of any type (a bare `NaN`, a text that is not UTF-8) is left out of account.

use crate::json::{Kind, Node};

use super::types::{ColumnType, Field, MAX_TYPE_DEPTH};

/// Objects with more keys than this are no structs: their keys are data.
const MAX_FIELDS: usize = 100;

/// A double has so many bits for whole numbers.
const EXACT_BITS: u32 = 53;

/// The observed values of a column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inferred {
    seen: Seen,
    /// Values were cells of CSV: kinds that do not mix become text.
    of_cells: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Seen {
    /// Nothing but nulls.
    #[default]
    Nothing,
    Bool,
    /// Whole numbers of 64 bits, and whether every one is a double too.
    Int {
        exact: bool,
    },
    /// Whole numbers of up to 38 digits.
    Wide,
    Float,
    Date,
    Timestamp,
    String,
    List(Box<Seen>),
    Struct(Vec<(String, Seen)>),
    Json,
}

impl Inferred {
    /// Observes one value.
    pub fn of(value: Node<'_>) -> Self {
        Self { seen: Seen::of(value, 0), of_cells: value.is_cell() }
    }

    /// Combines two observations.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let of_cells = self.of_cells || other.of_cells;
        match self.seen.and(other.seen) {
            Seen::Json if of_cells => Self { seen: Seen::String, of_cells },
            seen => Self { seen, of_cells },
        }
    }

    /// Returns the type that holds every observed value, or `None` if all are nulls, empty lists or empty objects.
    pub fn column_type(&self) -> Option<ColumnType> {
        self.seen.tells().then(|| self.seen.data_type())
    }
}

impl Inferred {
    /// Returns true if all values were null. An empty list is a value, though of no known type.
    pub fn is_nothing(&self) -> bool {
        self.seen == Seen::Nothing
    }
}

impl Seen {
    fn of(value: Node<'_>, depth: usize) -> Self {
        match value.kind() {
            Kind::Null | Kind::Word => Self::Nothing,
            Kind::Bool(_) => Self::Bool,
            Kind::Number => Self::of_number(value.raw()),
            Kind::String => value.string().map_or(Self::Nothing, |text| match value.is_cell() {
                true => Self::of_cell(&text),
                false => Self::of_text(text.as_bytes()),
            }),
            // A column's type holds one level of its own.
            Kind::Array | Kind::Object if depth + 2 > MAX_TYPE_DEPTH => Self::Json,
            Kind::Array => {
                let items = value.items().map(|item| Self::of(item, depth + 1));
                Self::List(Box::new(items.fold(Self::Nothing, Self::and)))
            }
            Kind::Object => Self::of_object(value, depth),
        }
    }

    /// Observes an object. The last of duplicate keys counts.
    fn of_object(object: Node<'_>, depth: usize) -> Self {
        let mut fields: Vec<(String, Self)> = Vec::new();
        for (key, value) in object.fields() {
            let Ok(name) = key.text() else { return Self::Json };
            let seen = Self::of(value, depth + 1);
            match fields.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = seen,
                None => fields.push((name.into_owned(), seen)),
            }
            if fields.len() > MAX_FIELDS {
                return Self::Json;
            }
        }
        Self::of_fields(fields)
    }

    /// Returns a struct, unless its fields are ambiguous to readers.
    fn of_fields(fields: Vec<(String, Self)>) -> Self {
        let odd = |name: &str| name.is_empty() || name.chars().any(char::is_control);
        let mut folded: Vec<_> = fields.iter().map(|(name, _)| name.to_lowercase()).collect();
        folded.sort_unstable();
        folded.dedup();
        let is_struct = fields.len() <= MAX_FIELDS && folded.len() == fields.len();
        if is_struct && !fields.iter().any(|(name, _)| odd(name)) { Self::Struct(fields) } else { Self::Json }
    }

    fn of_number(digits: &[u8]) -> Self {
        let Some(text) = std::str::from_utf8(digits).ok().filter(|text| is_number(text)) else { return Self::Nothing };
        if text.contains(['.', 'e', 'E']) {
            return if text.parse().is_ok_and(f64::is_finite) { Self::Float } else { Self::Json };
        }
        match text.parse::<i64>() {
            Ok(number) => Self::Int { exact: is_double(number) },
            Err(_) if text.trim_start_matches('-').len() <= 38 => Self::Wide,
            Err(_) => Self::Json,
        }
    }

    /// A cell is a number or a bool if its text can be nothing else: `007`, `+5` and `12e4` may be names of something.
    fn of_cell(text: &str) -> Self {
        let is_exponential = text.contains(['e', 'E']) && !text.contains('.');
        if is_number(text) && !is_exponential && text != "-0" {
            return match Self::of_number(text.as_bytes()) {
                Self::Json => Self::String,
                number => number,
            };
        }
        let is_bool = text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false");
        if is_bool { Self::Bool } else { Self::of_text(text.as_bytes()) }
    }

    fn of_text(text: &[u8]) -> Self {
        match calendar(text) {
            Some((_, [])) => Self::Date,
            Some((year, [b'T' | b't' | b' ', time @ ..])) if is_time(time, year) => Self::Timestamp,
            _ => Self::String,
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, seen) | (seen, Self::Nothing) => seen,
            (Self::Int { exact: a }, Self::Int { exact: b }) => Self::Int { exact: a && b },
            (Self::Int { .. }, Self::Wide) | (Self::Wide, Self::Int { .. }) => Self::Wide,
            (Self::Int { exact: true }, Self::Float) | (Self::Float, Self::Int { exact: true }) => Self::Float,
            (Self::List(a), Self::List(b)) => Self::List(Box::new(a.and(*b))),
            (Self::Struct(a), Self::Struct(b)) => Self::joined(a, b),
            (a, b) if a == b => a,
            (a, b) if a.is_text() && b.is_text() => match (&a, &b) {
                (Self::String, _) | (_, Self::String) => Self::String,
                _ => Self::Timestamp,
            },
            _ => Self::Json,
        }
    }

    fn joined(mut fields: Vec<(String, Self)>, others: Vec<(String, Self)>) -> Self {
        for (name, other) in others {
            match fields.iter_mut().find(|(known, _)| *known == name) {
                Some((_, seen)) => *seen = std::mem::take(seen).and(other),
                None => fields.push((name, other)),
            }
        }
        Self::of_fields(fields)
    }

    fn is_text(&self) -> bool {
        matches!(self, Self::Date | Self::Timestamp | Self::String)
    }

    /// Returns true if the type is known.
    fn tells(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::List(item) => item.tells(),
            Self::Struct(fields) => fields.iter().any(|(_, seen)| seen.tells()),
            _ => true,
        }
    }

    /// Returns the type. Unknown types within a list or struct are `json`.
    fn data_type(&self) -> ColumnType {
        match self {
            Self::Bool => ColumnType::Bool,
            Self::Int { .. } => ColumnType::Int64,
            Self::Wide => ColumnType::Decimal { precision: 38, scale: 0 },
            Self::Float => ColumnType::Float64,
            Self::Date => ColumnType::Date,
            Self::Timestamp => ColumnType::Timestamp,
            Self::String => ColumnType::String,
            Self::List(item) if item.tells() => ColumnType::List(Box::new(item.data_type())),
            Self::Struct(fields) if self.tells() => {
                let field = |(name, seen): &(String, Self)| Field { name: name.clone(), data_type: seen.data_type() };
                ColumnType::Struct(fields.iter().map(field).collect())
            }
            Self::Nothing | Self::List(_) | Self::Struct(_) | Self::Json => ColumnType::Json,
        }
    }
}

/// Returns true if a text is a number by RFC 8259, section 6.
fn is_number(text: &str) -> bool {
    let is_begun = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    is_begun
        && text.ends_with(|last: char| last.is_ascii_digit())
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

fn is_double(number: i64) -> bool {
    let magnitude = number.unsigned_abs();
    let bits = u64::BITS - magnitude.leading_zeros();
    bits - magnitude.trailing_zeros().min(bits) <= EXACT_BITS
}

/// The year of the `YYYY-MM-DD` that a text begins with, and the rest. Years are 1 to 9999, which every reader has.
fn calendar(text: &[u8]) -> Option<(i32, &[u8])> {
    let (date, rest) = text.split_at_checked(10)?;
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = *date else { return None };
    let year = number(&[y0, y1, y2, y3])?;
    let (month, day) = (number(&[m0, m1])?, number(&[d0, d1])?);
    chrono::NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day).filter(|_| year > 0)?;
    Some((i32::try_from(year).ok()?, rest))
}

/// Returns true for `HH:MM`, optionally with `:SS`, up to six fractional digits, and a zone.
fn is_time(text: &[u8], year: i32) -> bool {
    let clock = |high, low, below: u32| number(&[high, low]).is_some_and(|value| value < below);
    let [h0, h1, b':', m0, m1, rest @ ..] = text else { return false };
    if !clock(*h0, *h1, 24) || !clock(*m0, *m1, 60) {
        return false;
    }
    match rest {
        [b':', s0, s1, rest @ ..] if clock(*s0, *s1, 60) => match rest.split_first() {
            Some((b'.', rest)) => is_fraction_and_zone(rest, year),
            _ => is_zone(rest, year),
        },
        rest => is_zone(rest, year),
    }
}

fn is_fraction_and_zone(text: &[u8], year: i32) -> bool {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (fraction, zone) = text.split_at(digits);
    digits > 0 && fraction.iter().skip(6).all(|digit| *digit == b'0') && is_zone(zone, year)
}

/// Returns true for an empty zone, `Z`, `±HH`, `±HHMM` and `±HH:MM`, optionally after a blank.
fn is_zone(text: &[u8], year: i32) -> bool {
    let zone = match text {
        [] => return true,
        [b' ', zone @ ..] => zone,
        zone => zone,
    };
    let (hours, minutes) = match zone {
        [b'Z' | b'z'] => return true,
        [b'+' | b'-', h0, h1] => ([*h0, *h1], [b'0'; 2]),
        [b'+' | b'-', h0, h1, m0, m1] | [b'+' | b'-', h0, h1, b':', m0, m1] => ([*h0, *h1], [*m0, *m1]),
        _ => return false,
    };
    // On the way to UTC the first and the last year may be left.
    let stays = (2..=9998).contains(&year) || (hours, minutes) == ([b'0'; 2], [b'0'; 2]);
    stays && number(&hours).is_some_and(|hours| hours < 24) && number(&minutes).is_some_and(|minutes| minutes < 60)
}

/// Digits and nothing else; few enough to fit.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u32::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::Document;

    /// The type of the elements of a JSON array, taken for the values of a column.
    fn inferred(values: &str) -> Option<String> {
        fold(values).column_type().map(|data_type| data_type.to_string())
    }

    fn fold(values: &str) -> Inferred {
        let document = Document::parse(values.into()).unwrap();
        document.root().items().map(Inferred::of).fold(Inferred::default(), Inferred::and)
    }

    #[test]
    fn one_kind_of_values_has_its_type() {
        for (values, data_type) in [
            ("[true, false]", "bool"),
            ("[1, -9223372036854775808, -0]", "int64"),
            ("[18446744073709551615]", "decimal(38,0)"),
            ("[1.0]", "float64"),
            ("[1e3, 0.1]", "float64"),
            (r#"["2026-11-22"]"#, "date"),
            (r#"["2026-11-22T07:00:00Z", "2026-11-22 07:00", "2026-11-22T07:00:00.123456000+01:00"]"#, "timestamp"),
            (r#"["x", ""]"#, "string"),
            ("[[1], [], [2]]", "list<int64>"),
            ("[[[null], [1.5]]]", "list<list<float64>>"),
            (r#"[{"a": 1, "b": "x"}, {"b": "y", "c": [true]}]"#, "struct<a: int64, b: string, c: list<bool>>"),
            (r#"[{"a b": 1}]"#, "struct<`a b`: int64>"),
        ] {
            assert_eq!(inferred(values).as_deref(), Some(data_type), "{values}");
        }
    }

    #[test]
    fn kinds_that_mix_widen_and_others_become_json_or_text() {
        for (values, data_type) in [
            ("[1, 2.5]", "float64"),
            ("[2.5, 9007199254740992]", "float64"),
            ("[1, 18446744073709551615]", "decimal(38,0)"),
            ("[2.5, 9007199254740993]", "json"),
            ("[2.5, 18446744073709551615]", "json"),
            (r#"["2026-11-22", "2026-11-22T07:00:00Z"]"#, "timestamp"),
            (r#"["2026-11-22", "soon"]"#, "string"),
            (r#"["2026-11-22T07:00:00Z", "soon", "2026-11-22"]"#, "string"),
            (r#"[1, "1"]"#, "json"),
            ("[true, 1]", "json"),
            ("[[1], {}]", "json"),
            (r#"[[1, "a"]]"#, "list<json>"),
            (r#"[{"a": 1}, {"a": "x"}]"#, "struct<a: json>"),
            (r#"[{"a": [1]}, {"a": [0.5], "b": null}]"#, "struct<a: list<float64>, b: json>"),
        ] {
            assert_eq!(inferred(values).as_deref(), Some(data_type), "{values}");
        }
    }

    #[test]
    fn what_was_never_seen_has_no_type_yet() {
        for values in ["[]", "[null]", "[[]]", "[{}]", "[[null, {}]]", r#"[{"a": null}, {"a": []}]"#, "[NaN]"] {
            assert_eq!(inferred(values), None, "{values}");
        }
    }

    #[test]
    fn texts_that_only_look_like_dates_are_texts() {
        for text in [
            "2026-13-01",
            "2026-02-29",
            "0000-01-01",
            "2026-1-1",
            "20261122",
            "2026-11-22T",
            "2026-11-22T24:00",
            "2026-11-22T07:00:60Z",
            "2026-11-22T07:00:00.0000001Z",
            "2026-11-22T07:00:00.Z",
            "2026-11-22T07:00+24:00",
            "9999-12-31T23:59:59-01:00",
            "07:00:00",
            "2026-11-22x",
            "2026-11-2é",
        ] {
            assert_eq!(inferred(&format!("[\"{text}\"]")).as_deref(), Some("string"), "{text}");
        }
    }

    #[test]
    fn objects_whose_keys_are_data_or_alike_are_json() {
        let many: Vec<_> = (0..=MAX_FIELDS).map(|key| format!("\"k{key}\": 1")).collect();
        let by_two: Vec<_> = (0..=MAX_FIELDS).map(|key| format!("{{\"k{key}\": 1}}")).collect();
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        for values in [
            format!("[{{{}}}]", many.join(",")),
            format!("[{}]", by_two.join(",")),
            r#"[{"id": 1, "ID": 2}]"#.to_owned(),
            r#"[{"id": 1}, {"ID": 2}]"#.to_owned(),
            r#"[{"": 1}]"#.to_owned(),
            r#"[{"\ud800": 1}]"#.to_owned(),
            "[1e400]".to_owned(),
            "[123456789012345678901234567890123456789]".to_owned(),
        ] {
            assert_eq!(inferred(&values).as_deref(), Some("json"), "{values}");
        }
        let data_type = inferred(&format!("[{deep}]")).unwrap();
        assert!(data_type.parse::<ColumnType>().is_ok(), "{data_type}");
    }

    #[test]
    fn of_duplicate_keys_the_last_counts() {
        assert_eq!(inferred(r#"[{"a": "x", "a": 1}]"#).as_deref(), Some("struct<a: int64>"));
    }

    fn value() -> impl Strategy<Value = String> {
        let scalar = prop_oneof![
            Just("null".to_owned()),
            any::<bool>().prop_map(|value| value.to_string()),
            any::<i64>().prop_map(|value| value.to_string()),
            Just("18446744073709551615".to_owned()),
            (-1e9..1e9).prop_map(|value: f64| format!("{value:.3}")),
            "[a-z]{0,3}".prop_map(|text| format!("{text:?}")),
            Just("\"2026-11-22\"".to_owned()),
            Just("\"2026-11-22T07:00:00Z\"".to_owned()),
        ];
        scalar.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(","))),
                prop::collection::vec(("[abA]", inner), 0..3).prop_map(|fields| {
                    let fields: Vec<_> = fields.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                    format!("{{{}}}", fields.join(","))
                }),
            ]
        })
    }

    /// With the fields of structs in one order.
    fn sorted(data_type: Option<ColumnType>) -> Option<ColumnType> {
        fn sort(data_type: ColumnType) -> ColumnType {
            match data_type {
                ColumnType::List(item) => ColumnType::List(Box::new(sort(*item))),
                ColumnType::Struct(mut fields) => {
                    fields.sort_by(|a, b| a.name.cmp(&b.name));
                    let field = |field: Field| Field { data_type: sort(field.data_type), ..field };
                    ColumnType::Struct(fields.into_iter().map(field).collect())
                }
                other => other,
            }
        }
        data_type.map(sort)
    }

    proptest! {
        #[test]
        fn the_order_of_values_tells_the_order_of_fields_and_nothing_else(values in prop::collection::vec(value(), 0..6)) {
            let forward = fold(&format!("[{}]", values.join(",")));
            let backward = fold(&format!("[{}]", values.iter().rev().cloned().collect::<Vec<_>>().join(",")));
            prop_assert_eq!(sorted(forward.column_type()), sorted(backward.column_type()));
        }

        #[test]
        fn values_tell_the_same_in_parts_and_as_a_whole(values in prop::collection::vec(value(), 0..6), cut in 0..6_usize) {
            let (first, second) = values.split_at(cut.min(values.len()));
            let parts = fold(&format!("[{}]", first.join(","))).and(fold(&format!("[{}]", second.join(","))));
            prop_assert_eq!(parts, fold(&format!("[{}]", values.join(","))));
        }

        #[test]
        fn every_type_is_one_that_can_be_declared(values in prop::collection::vec(value(), 0..6)) {
            if let Some(text) = inferred(&format!("[{}]", values.join(","))) {
                prop_assert_eq!(text.parse::<ColumnType>().unwrap().to_string(), text);
            }
        }
    }
}
