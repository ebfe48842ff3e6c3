//! Dates and times that are written out: `pendulum.datetime(2024, 1, 1)`, and the texts that are made of them.

use chrono::{FixedOffset, NaiveDate, NaiveDateTime, Offset, TimeZone, Timelike};
use serde_json::Value;
use tree_sitter::Node;

use super::{
    call,
    expression::{Found, Reader},
    reference,
};

const PARTS: [&str; 7] = ["year", "month", "day", "hour", "minute", "second", "microsecond"];

/// Python's directives that mean the same to chrono.
const DIRECTIVES: &str = "YmdHMSyjBbAapI%";

/// Pendulum's tokens, and chrono's directives.
const TOKENS: [(&str, &str); 6] =
    [("YYYY", "%Y"), ("MM", "%m"), ("DD", "%d"), ("HH", "%H"), ("mm", "%M"), ("ss", "%S")];

struct Moment {
    at: NaiveDateTime,
    is_date: bool,
    zone: Option<Zone>,
}

struct Zone {
    offset: FixedOffset,
    is_utc: bool,
}

/// A call that is a date, a time or its text, as text: ISO's, or Python's own where Python makes one of it. `None` if it is
/// none, or not all of it is known.
pub(super) fn read<'t>(reader: &mut Reader<'t>, node: Node<'t>, path: &str) -> Option<String> {
    if let Some(moment) = moment(reader, node) {
        return Some(if reader.is_text() || is_param(path) { moment.text() } else { moment.iso() });
    }
    let function = node.child_by_field_name("function").filter(|function| function.kind() == "attribute")?;
    let object = reader.resolve(function.child_by_field_name("object")?).filter(|object| object.kind() == "call")?;
    let moment = moment(reader, object)?;
    let (positional, named) = call::arguments(reader.source(), node);
    match (call::name(reader, node), positional.as_slice(), named.len()) {
        ("isoformat", [], 0) => Some(moment.iso()),
        ("to_iso8601_string", [], 0) => Some(moment.iso_of_pendulum()),
        ("to_date_string", [], 0) => Some(moment.at.format("%Y-%m-%d").to_string()),
        ("to_datetime_string", [], 0) => Some(moment.at.format("%Y-%m-%d %H:%M:%S").to_string()),
        ("date", [], 0) => Some(moment.at.format("%Y-%m-%d").to_string()),
        ("strftime", [format], 0) => moment.formatted(&text(reader, *format)?),
        ("format", [format], 0) => moment.formatted_by_pendulum(&text(reader, *format)?),
        _ => None,
    }
}

/// Whether a request sends what stands there, and no cursor begins or ends with it.
fn is_param(path: &str) -> bool {
    let mut steps = path.rsplit('.');
    let is_of_cursor = steps.next().is_some_and(|last| matches!(last, "initial_value" | "end_value"));
    !is_of_cursor && steps.any(|step| step == "params")
}

fn moment<'t>(reader: &mut Reader<'t>, node: Node<'t>) -> Option<Moment> {
    let function = reader.text(node.child_by_field_name("function")?);
    let is_date = match call::name(reader, node) {
        "date" => true,
        "datetime" | "DateTime" => false,
        _ => return None,
    };
    let (positional, named) = call::arguments(reader.source(), node);
    let names = PARTS.into_iter().chain(["tz"]);
    let by_place: Vec<_> = names.zip(positional.iter().copied()).collect();
    if by_place.len() < positional.len() {
        return None;
    }
    let mut parts = [None; PARTS.len()];
    let mut zone = None;
    for (name, value) in by_place.into_iter().chain(named) {
        match (PARTS.iter().position(|part| *part == name), name) {
            (Some(place), _) => *parts.get_mut(place)? = Some(number(reader, value)?),
            (None, "tz" | "tzinfo") => zone = Some(value),
            _ => return None,
        }
    }
    let [year, month, day, hour, minute, second, micro] = parts;
    let date = NaiveDate::from_ymd_opt(i32::try_from(year?).ok()?, month?, day?)?;
    let part = |part: Option<u32>| part.unwrap_or(0);
    let at = date.and_hms_micro_opt(part(hour), part(minute), part(second), part(micro))?;
    let is_utc_else = function.ends_with("datetime") && is_of_pendulum(reader.source(), function);
    let zone = match zone {
        Some(zone) => self::zone(reader, zone, at)?,
        None => is_utc_else.then(Zone::utc),
    };
    Some(Moment { at, is_date, zone })
}

impl Moment {
    /// As Python's `isoformat`.
    fn iso(&self) -> String {
        self.with_separator('T')
    }

    /// As Python's `str`.
    fn text(&self) -> String {
        self.with_separator(' ')
    }

    fn with_separator(&self, separator: char) -> String {
        if self.is_date {
            return self.at.format("%Y-%m-%d").to_string();
        }
        let time = if self.at.nanosecond() == 0 { "%H:%M:%S" } else { "%H:%M:%S%.6f" };
        let zone = self.zone.as_ref().map(|zone| zone.offset.to_string()).unwrap_or_default();
        format!("{}{separator}{}{zone}", self.at.format("%Y-%m-%d"), self.at.format(time))
    }

    /// As pendulum's `format`, where its tokens are those for numbers.
    fn formatted_by_pendulum(&self, format: &str) -> Option<String> {
        let mut known = String::new();
        let mut rest = format;
        while let Some(first) = rest.chars().next() {
            let length = rest.find(|letter| letter != first).unwrap_or(rest.len());
            let (token, after) = rest.split_at_checked(length)?;
            match TOKENS.iter().find(|(known, _)| *known == token) {
                Some((_, directive)) => known.push_str(directive),
                None if first == '%' => known.push_str(&"%%".repeat(length)),
                None if first == 'T' || !first.is_alphabetic() && !matches!(first, '[' | '\\') => known.push_str(token),
                None => return None,
            }
            rest = after;
        }
        Some(self.at.format(&known).to_string())
    }

    fn iso_of_pendulum(&self) -> String {
        let iso = self.iso();
        match iso.strip_suffix("+00:00").filter(|_| self.zone.as_ref().is_some_and(|zone| zone.is_utc)) {
            Some(iso) => format!("{iso}Z"),
            None => iso,
        }
    }

    fn formatted(&self, format: &str) -> Option<String> {
        let mut known = String::new();
        let mut letters = format.chars();
        while let Some(letter) = letters.next() {
            known.push(letter);
            if letter == '%' {
                match letters.next()? {
                    'f' => known.push_str("6f"),
                    'z' => {
                        known.pop();
                        let offset = self.zone.as_ref().map(|zone| zone.offset.to_string().replace(':', ""));
                        known.push_str(&offset.unwrap_or_default());
                    }
                    directive => known.push(DIRECTIVES.chars().find(|known| *known == directive)?),
                }
            }
        }
        Some(self.at.format(&known).to_string())
    }
}

impl Zone {
    fn utc() -> Self {
        Self { offset: chrono::Utc.fix(), is_utc: true }
    }
}

/// `timezone.utc`, `"Europe/Paris"`, `ZoneInfo("Europe/Paris")`; the inner `None` is that of Python.
fn zone<'t>(reader: &mut Reader<'t>, node: Node<'t>, at: NaiveDateTime) -> Option<Option<Zone>> {
    let written = reader.text(node);
    if node.kind() == "none" {
        return Some(None);
    }
    if written.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("utc")) {
        return Some(Some(Zone::utc()));
    }
    let name = match node.kind() {
        "call" if matches!(call::name(reader, node), "ZoneInfo" | "Timezone") || written.starts_with("pendulum.") => {
            let name = call::argument(reader, node, "key", 0)?;
            text(reader, name)?
        }
        "call" => return None,
        _ => text(reader, node)?,
    };
    if name == "UTC" {
        return Some(Some(Zone::utc()));
    }
    let zone: chrono_tz::Tz = name.parse().ok()?;
    let offset = zone.from_local_datetime(&at).single()?.offset().fix();
    Some(Some(Zone { offset, is_utc: false }))
}

/// Whether a name is one of pendulum's, whose times have a zone.
fn is_of_pendulum(source: &str, function: &str) -> bool {
    let (holder, name) = function.rsplit_once('.').unwrap_or(("", function));
    let has = |line: &str, word: &str| line.split([' ', ',', '(', ')']).any(|known| known == word);
    source.lines().map(str::trim).any(|line| match holder {
        "" => line.starts_with("from pendulum import ") && has(line, name),
        "pendulum" => true,
        holder => line.starts_with("import ") && line.contains(&format!("pendulum as {holder}")),
    })
}

fn number<'t>(reader: &mut Reader<'t>, node: Node<'t>) -> Option<u32> {
    match reader.fixed(|reader| reader.read(node, "")) {
        Found::Value(Value::Number(number)) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        _ => None,
    }
}

fn text<'t>(reader: &mut Reader<'t>, node: Node<'t>) -> Option<String> {
    match reader.fixed(|reader| reader.read(node, "")) {
        Found::Value(Value::String(text)) if !reference::is_in(&text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::import::python::read;

    fn value(text: &str) -> Option<Value> {
        let text = format!(
            "import pendulum as pdl\nfrom pendulum import DateTime\nY = 2024\nSTART = pendulum.datetime(Y, 1, 2)\n\
             class Holder:\n    AT = pendulum.datetime(Y, 1, 2)\n\
             c = {{'client': {{'x': {text}}}, 'resources': []}}"
        );
        read("f.py", &text, None).unwrap().0["client"].get("x").cloned()
    }

    #[test]
    fn a_date_that_is_written_out_is_its_iso_text() {
        for (text, expected) in [
            ("pendulum.datetime(2024, 1, 2)", "2024-01-02T00:00:00+00:00"),
            ("pdl.datetime(2024, 1, 2)", "2024-01-02T00:00:00+00:00"),
            ("pendulum.datetime(2024, 7, 2, tz='Europe/Paris')", "2024-07-02T00:00:00+02:00"),
            ("datetime(2024, 1, 2, 12)", "2024-01-02T12:00:00"),
            ("datetime.datetime(2024, 1, 2, microsecond=5)", "2024-01-02T00:00:00.000005"),
            ("datetime(2024, 1, 2, tzinfo=timezone.utc).isoformat()", "2024-01-02T00:00:00+00:00"),
            ("datetime(2024, 7, 2, tzinfo=ZoneInfo('Europe/Paris')).isoformat()", "2024-07-02T00:00:00+02:00"),
            ("dt.date(Y, 1, 2)", "2024-01-02"),
            ("START.to_iso8601_string()", "2024-01-02T00:00:00Z"),
            ("START.to_date_string()", "2024-01-02"),
            ("datetime(2024, 1, 2, 3).strftime('%d.%m.%Y %H:%M:%S.%f%z')", "02.01.2024 03:00:00.000000"),
            ("START.strftime('%Y%z')", "2024+0000"),
        ] {
            assert_eq!(value(text), Some(json!(expected)), "{text}");
        }
    }

    #[test]
    fn a_time_that_python_makes_a_text_of_is_written_as_python_does() {
        for (text, expected) in [
            ("str(START)", "2024-01-02 00:00:00+00:00"),
            ("f'{START}'", "2024-01-02 00:00:00+00:00"),
            ("'{}'.format(START)", "2024-01-02 00:00:00+00:00"),
            ("'>%s' % START", ">2024-01-02 00:00:00+00:00"),
            ("'since ' + str(datetime(2024, 1, 2, 3))", "since 2024-01-02 03:00:00"),
            ("str(dt.date(Y, 1, 2))", "2024-01-02"),
            ("f'{START.isoformat()}'", "2024-01-02T00:00:00+00:00"),
            ("START.format('YYYY-MM-DDTHH:mm:ss')", "2024-01-02T00:00:00"),
            ("START.format('DD.MM.YYYY')", "02.01.2024"),
        ] {
            assert_eq!(value(text), Some(json!(expected)), "{text}");
        }
        let params = value("{'params': {'a': START, 'b': {'initial_value': START, 'end_value': START}}}").unwrap();
        let iso = "2024-01-02T00:00:00+00:00";
        let expected = json!({"a": "2024-01-02 00:00:00+00:00", "b": {"initial_value": iso, "end_value": iso}});
        assert_eq!(params["params"], expected);
    }

    #[test]
    fn a_date_that_is_not_wholly_known_is_none() {
        for text in [
            "pendulum.today()",
            "pendulum.datetime(2024, 13, 2)",
            "datetime(2024, 1, 2, tzinfo=mine)",
            "datetime(2024, 1, 2, hour())",
            "datetime(2024, 1, 2).strftime('%U')",
            "datetime(2024, 1, 2).isoformat(' ')",
            "row.date()",
            "START.format('MMMM')",
            "START.format('[YYYY]')",
            "START.format(WHAT)",
            "START.format('Do YYYY')",
            "Holder.AT.format('YYYY')",
        ] {
            assert_eq!(value(text), None, "{text}");
        }
    }
}
