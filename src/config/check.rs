//! Holds a tree against the tables of [`super::fields`]: unknown keys, wrong types, keys of a later version, keys without effect.
//!
//! What is wrong is reported and becomes [`Kind::Broken`]; keys that are unknown or without effect leave the tree. So the tree
//! that remains holds only what the tables allow. Where a number or bool is wanted, a filled-in text becomes one.

use super::{
    advice::{self, list_of},
    fields::{Field, Grammar, NAME, Shape, Status, TYPE, Table, Union, Variant, Word},
    problem::{Findings, Severity},
    slips,
    tree::{Entry, Kind, Place, Value, join},
};
use crate::{secret::is_secret_name, suggestion::nearest};

/// Letters by which a misspelt type may differ from the one that was meant.
const MOST_SLIPS: usize = 4;

/// Checks an object against its table.
pub fn check(value: &mut Value, table: &'static Table, findings: &mut Findings) {
    if expect_object(value, findings) {
        Check { findings }.object(value, table, &[]);
    }
}

struct Check<'a> {
    findings: &'a mut Findings,
}

impl Check<'_> {
    fn object(&mut self, value: &mut Value, table: &'static Table, beside: &[&str]) {
        let place = value.place.clone();
        let Kind::Object(entries) = &mut value.kind else { return };
        self.require(entries, table, &place);
        entries.retain_mut(|entry| beside.contains(&entry.key.as_str()) || self.entry(entry, table, beside));
    }

    /// A required key that is missing is reported, and stands in the tree as broken.
    fn require(&mut self, entries: &mut Vec<Entry>, table: &Table, place: &Place) {
        for field in table.fields.iter().filter(|field| field.required) {
            let written = entries.iter_mut().find(|entry| entry.key == field.key);
            match written {
                Some(entry) if entry.value.is_null() => {
                    let help = Some(advice::missing(field, &[]));
                    self.findings.error(&entry.value.place, format!("`{}` cannot be null", field.key), help);
                    entry.value.kind = Kind::Broken;
                }
                Some(_) => {}
                None => {
                    let help = Some(advice::missing(field, entries));
                    self.findings.error(place, format!("`{}` is missing", field.key), help);
                    let broken = Value::at(Kind::Broken, place.clone());
                    entries.push(Entry { key: field.key.into(), key_span: place.span, value: broken });
                }
            }
        }
    }

    /// Whether the entry stays in the tree.
    fn entry(&mut self, entry: &mut Entry, table: &'static Table, beside: &[&str]) -> bool {
        let Some(field) = table.field(&entry.key) else {
            self.unknown(entry, table, beside);
            return false;
        };
        match field.status {
            Status::Supported => {
                self.field(&mut entry.value, field);
                true
            }
            // Null is dlt's way to leave a key out.
            Status::NotYet if entry.value.is_null() => false,
            Status::NotYet => {
                if is_secret_name(field.key) {
                    self.findings.hide(&entry.value);
                }
                self.hide_by_name(&entry.value);
                let message = format!("`{}` is not supported yet", field.key);
                let help = format!("leave it out for now; it is for {}", field.doc);
                self.at_key(Severity::Error, entry, message, Some(help));
                entry.value.kind = Kind::Broken;
                true
            }
            Status::Ignored(note) => {
                let message = format!("`{}` has no effect: {note}", field.key);
                self.at_key(Severity::Note, entry, message, None);
                false
            }
        }
    }

    fn unknown(&mut self, entry: &Entry, table: &'static Table, beside: &[&str]) {
        // Both checks compare the key with all known keys. A problem that is not listed needs neither, and its value is hidden anyway.
        let is_listed = self.findings.has_room(Severity::Error);
        if !is_listed || may_be_secret(&entry.key, table) {
            self.findings.hide(&entry.value);
        }
        self.hide_by_name(&entry.value);
        if table.ignored_prefix.is_some_and(|prefix| entry.key.starts_with(prefix)) {
            return self.at_key(Severity::Note, entry, format!("`{}` has no effect", entry.key), None);
        }
        let help = is_listed.then(|| advice::unknown_key(&entry.key, &entry.value, table, beside));
        self.at_key(Severity::Error, entry, format!("unknown key `{}`", entry.key), help);
    }

    /// Hides what lies under telling names in a value that no table describes.
    fn hide_by_name(&mut self, value: &Value) {
        for entry in value.entries() {
            if is_secret_name(&entry.key) {
                self.findings.hide(&entry.value);
            }
            self.hide_by_name(&entry.value);
        }
        value.items().iter().for_each(|item| self.hide_by_name(item));
    }

    fn at_key(&mut self, severity: Severity, entry: &Entry, message: String, help: Option<String>) {
        self.findings.add(severity, entry.key_span, &entry.value.place.path, message, help);
    }

    fn field(&mut self, value: &mut Value, field: &'static Field) {
        if !value.is_null() {
            self.value(value, &field.shape);
        }
    }

    fn value(&mut self, value: &mut Value, shape: &'static Shape) {
        if value.is_broken() {
            return;
        }
        coerce(value, shape);
        if matches!(shape, Shape::Secret) {
            self.findings.hide(value);
            let odd = value.as_text().and_then(|text| slips::of_credential(text, &value.place.path, value.filled));
            if let Some(odd) = odd {
                self.findings.add(Severity::Note, value.place.span, &value.place.path, odd.to_owned(), None);
            }
        }
        match shape {
            Shape::Either(shapes) => match shapes.iter().find(|shape| accepts(shape, &value.kind)) {
                Some(shape) => self.value(value, shape),
                None => self.wrong(value, shape),
            },
            Shape::OneOrMany(item) if !matches!(value.kind, Kind::List(_)) => self.value(value, item),
            _ if !accepts(shape, &value.kind) => self.wrong(value, shape),
            Shape::Count { min, max } => self.count(value, *min, *max),
            Shape::Parsed(grammar) => self.parsed(value, grammar),
            Shape::Choice(words) => self.choice(value, words),
            Shape::Object(table) => self.object(value, table, &[]),
            Shape::Tagged(union) => self.tagged(value, union),
            Shape::OneOrMany(item @ Shape::Scalar) => {
                without_nulls(value);
                self.items(value, item);
            }
            Shape::List(item) | Shape::OneOrMany(item) => self.items(value, item),
            Shape::Map(item) => self.map(value, item),
            Shape::Keyed(item) => {
                self.key_by_name(value);
                self.map(value, item);
            }
            Shape::Any => self.hide_by_name(value),
            Shape::Text | Shape::Secret | Shape::File | Shape::Bool | Shape::Scalar => {}
        }
    }

    fn items(&mut self, value: &mut Value, item: &'static Shape) {
        if let Kind::List(items) = &mut value.kind {
            items.iter_mut().for_each(|value| self.value(value, item));
        }
    }

    /// Null leaves a key of the user's own out.
    fn map(&mut self, value: &mut Value, item: &'static Shape) {
        let Kind::Object(entries) = &mut value.kind else { return };
        for entry in entries.iter_mut().filter(|entry| !entry.value.is_null()) {
            if is_secret_name(&entry.key) {
                self.findings.hide(&entry.value);
            }
            self.value(&mut entry.value, item);
        }
    }

    /// Makes a list of objects that name themselves the map that it stands for. Every value keeps its place.
    fn key_by_name(&mut self, value: &mut Value) {
        let Kind::List(items) = &mut value.kind else { return };
        let mut entries: Vec<Entry> = Vec::new();
        for item in items.drain(..) {
            let Some(entry) = self.named(item) else { continue };
            match entries.iter().any(|known| known.key == entry.key) {
                false => entries.push(entry),
                true => {
                    let path = join(&entry.value.place.path, NAME);
                    let message = format!("the column `{}` is there already", entry.key);
                    let help = Some("put all of its hints into one item".to_owned());
                    self.findings.add(Severity::Error, entry.key_span, &path, message, help);
                }
            }
        }
        value.kind = Kind::Object(entries);
    }

    /// The item under its own name, which leaves it; one without a name is reported.
    fn named(&mut self, mut item: Value) -> Option<Entry> {
        let Kind::Object(entries) = &mut item.kind else {
            if !item.is_broken() {
                let message = format!("expected an object with a `name`, found {}", shown(&item));
                self.findings.error(&item.place, message, None);
            }
            return None;
        };
        let Some(at) = entries.iter().position(|entry| entry.key == NAME) else {
            let help = "the name of the column that the hints are for".to_owned();
            self.findings.error(&item.place, "`name` is missing", Some(help));
            return None;
        };
        let name = entries.remove(at).value;
        match name.as_text() {
            Some(text) => Some(Entry { key: text.to_owned(), key_span: name.place.span, value: item }),
            None => {
                if !name.is_broken() {
                    self.findings.error(&name.place, format!("expected text, found {}", shown(&name)), None);
                }
                None
            }
        }
    }

    fn count(&mut self, value: &mut Value, min: u64, max: u64) {
        let Kind::Number(number) = &value.kind else { return };
        let count = number.parse::<u64>();
        let is_beyond = count
            .as_ref()
            .map_or(!number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()), |count| *count > max);
        let bounds = match max >= u64::from(u32::MAX) {
            true if is_beyond => format!("of at most {max}"),
            true => format!("of at least {min}"),
            false => format!("from {min} to {max}"),
        };
        match count {
            Ok(count) if (min..=max).contains(&count) => {}
            _ => self.broken(value, format!("expected a whole number {bounds}, found {}", shown(value)), None),
        }
    }

    fn parsed(&mut self, value: &mut Value, grammar: &'static Grammar) {
        let Some(text) = value.as_text() else { return };
        if let Err((reason, offset)) = (grammar.check)(text) {
            let message = match reason.as_str() {
                "" => format!("expected {}, found {}", grammar.what, shown(value)),
                _ => format!("{}: {reason}", shown(value)),
            };
            // A path whose brackets are not closed is no more than that.
            let is_cut = text.contains(['(', '<']) && !text.contains([')', '>', '[']);
            let help = match is_cut {
                // `{type: decimal(10,2)}` is YAML for two keys.
                true => Some("between braces, a text with a comma in it needs quotes".to_owned()),
                false => (!reason.is_empty()).then(|| format!("expected {}", grammar.what)),
            };
            self.findings.error_inside(&value.place, text, offset, message, help);
            value.kind = Kind::Broken;
        }
    }

    fn choice(&mut self, value: &mut Value, words: &[Word]) {
        let Some(text) = value.as_text() else { return };
        let supported = words.iter().filter(|word| word.status == Status::Supported).map(|word| word.word);
        match words.iter().find(|word| word.word == text).map(|word| word.status) {
            Some(Status::Supported) => {}
            Some(Status::Ignored(note)) => {
                let message = format!("`{text}` has no effect: {note}");
                self.findings.add(Severity::Note, value.place.span, &value.place.path, message, None);
            }
            Some(Status::NotYet) => {
                let help = list_of("supported", supported);
                self.broken(value, format!("`{text}` is not supported yet"), Some(help));
            }
            None => {
                let help = advice::nearest_word(text, supported).map(|near| format!("did you mean `{near}`?"));
                self.broken(value, format!("expected {}, found {}", one_of(words), shown(value)), help);
            }
        }
    }

    /// A bare word becomes the object that it stands for.
    fn tagged(&mut self, value: &mut Value, union: &'static Union) {
        let is_bare = matches!(value.kind, Kind::Text(_));
        if is_bare {
            let word = value.clone();
            let entry = Entry { key: TYPE.into(), key_span: value.place.span, value: word };
            value.kind = Kind::Object(vec![entry]);
        }
        let Some(word) = self.tag(value, union) else { return };
        match union.variant(&word) {
            Some(variant) if is_bare && needs_keys(variant) => self.bare_word(value, union, variant),
            Some(variant) if variant.status == Status::Supported => self.object(value, variant.table, &[TYPE]),
            Some(_) => self.wrong_tag(value, union, format!("the {} `{word}` is not supported yet", noun(union)), None),
            None => self.unknown_tag(value, union, &word),
        }
    }

    /// Reports a bare word for a type that has required keys.
    fn bare_word(&mut self, value: &mut Value, union: &Union, variant: &Variant) {
        let keys = variant.table.supported().filter(|field| field.required).map(|field| format!("`{}`", field.key));
        let keys = keys.collect::<Vec<_>>().join(" and ");
        let help = advice::bare_word(&value.place.path, variant);
        self.broken(value, format!("the {} `{}` needs {keys}", noun(union), variant.word), Some(help));
    }

    fn unknown_tag(&mut self, value: &mut Value, union: &Union, word: &str) {
        let near = advice::nearest_word(word, union.variants.iter().map(|variant| variant.word));
        // A credential in place of the whole auth or of its type is a word that means no type, as in `Bearer abc`.
        let is_slip = near
            .is_some_and(|near| near.contains(word) || strsim::osa_distance(&word.to_lowercase(), near) <= MOST_SLIPS);
        let message = match value.get(TYPE).filter(|tag| union.holds_secret() && (!is_slip || tag.filled)) {
            Some(tag) => {
                self.findings.hide(tag);
                format!("there is no such {}", noun(union))
            }
            None => format!("there is no {} `{word}`", noun(union)),
        };
        let supported = union.variants.iter().filter(|variant| variant.status == Status::Supported);
        let known = list_of("supported", supported.map(|variant| variant.word));
        self.wrong_tag(value, union, message, near.map(|near| format!("did you mean `{near}`? {known}")));
    }

    /// The word under `type`, or the one that counts where there is none. Anything else is reported.
    fn tag(&mut self, value: &mut Value, union: &'static Union) -> Option<String> {
        let written = value.get(TYPE).filter(|tag| !tag.is_null());
        match (written, union.default) {
            (Some(tag), _) if tag.as_text().is_some() => tag.as_text().map(str::to_owned),
            (Some(tag), _) if tag.is_broken() => {
                value.kind = Kind::Broken;
                None
            }
            (None, Some(default)) => match advice::type_by_keys(value, union) {
                Some(meant) => {
                    let message = format!("{} with these keys needs a `{TYPE}`", union.what);
                    self.wrong_tag(value, union, message, Some(format!("add `{TYPE}: {meant}`")));
                    None
                }
                None => Some(default.to_owned()),
            },
            (written, _) => {
                let message = match written {
                    Some(tag) => format!("expected {}'s type, found {}", union.what, tag.kind.name()),
                    None => format!("{} needs a `type`", union.what),
                };
                let help = advice::nested_param(value, union);
                self.wrong_tag(value, union, message, help);
                None
            }
        }
    }

    fn wrong_tag(&mut self, value: &mut Value, union: &Union, message: String, help: Option<String>) {
        let supported = union.variants.iter().filter(|variant| variant.status == Status::Supported);
        let help = help.unwrap_or_else(|| list_of("supported", supported.map(|variant| variant.word)));
        if union.holds_secret() {
            // Which of its keys are secrets, only the type would tell.
            let others = value.entries().iter().filter(|entry| entry.key != TYPE);
            others.for_each(|entry| self.findings.hide(&entry.value));
        }
        let place = value.get(TYPE).map_or(&value.place, |tag| &tag.place);
        self.findings.error(place, message, Some(help));
        value.kind = Kind::Broken;
    }

    fn wrong(&mut self, value: &mut Value, shape: &'static Shape) {
        let hides = may_be_credential(value, shape);
        if hides || shape.holds_secret() {
            self.findings.hide(value);
        }
        let help = match (&value.kind, shape) {
            (Kind::Text(_), Shape::Bool) => Some("bools are `true` and `false`, without quotes".to_owned()),
            (Kind::Number(_) | Kind::Bool(_), Shape::Text | Shape::Secret | Shape::File) => {
                Some("put it in quotes".to_owned())
            }
            // The line to write would repeat it.
            (Kind::Text(text), _) if hides && text.contains('=') => None,
            _ => advice::shape(value, shape),
        };
        let found = if hides { value.kind.name().to_owned() } else { shown(value) };
        self.broken(value, format!("expected {}, found {found}", expected(shape)), help);
    }

    fn broken(&mut self, value: &mut Value, message: String, help: Option<String>) {
        self.findings.error(&value.place, message, help);
        value.kind = Kind::Broken;
    }
}

/// Returns true if a value of the wrong kind may be a credential: in place of headers or options, or as a text with several words
/// or an assignment in place of an object, e.g. `auth: Bearer abc`.
fn may_be_credential(value: &Value, shape: &Shape) -> bool {
    let is_phrase = matches!(&value.kind, Kind::Text(text) if text.contains([' ', '=']));
    match shape {
        Shape::Secret | Shape::Map(_) => true,
        Shape::Object(_) | Shape::List(_) | Shape::Keyed(_) => is_phrase,
        Shape::OneOrMany(item) => may_be_credential(value, item),
        Shape::Either(shapes) => shapes.iter().any(|shape| may_be_credential(value, shape)),
        _ => false,
    }
}

fn needs_keys(variant: &Variant) -> bool {
    variant.status == Status::Supported && variant.table.fields.iter().any(|field| field.required)
}

/// What is null in a list of parameters is left out, as what is null beside them.
fn without_nulls(value: &mut Value) {
    if let Kind::List(items) = &mut value.kind {
        items.retain(|item| !item.is_null());
    }
}

/// Whether the value under an unknown key may be a secret: one under a misspelt key is a secret all the same.
pub(super) fn may_be_secret(key: &str, table: &'static Table) -> bool {
    let near = || nearest(key, table.supported().map(|field| field.key)).and_then(|near| table.field(near));
    is_secret_name(key)
        || table.fields.iter().any(|field| matches!(field.shape, Shape::Secret))
        || near().is_some_and(|field| is_secret_name(field.key) || field.shape.holds_secret())
}

/// Reports a root that is no object; whether it is one.
fn expect_object(value: &mut Value, findings: &mut Findings) -> bool {
    let is_object = matches!(value.kind, Kind::Object(_));
    if !is_object {
        let message = match value.kind {
            Kind::Null => "there is nothing in it".to_owned(),
            _ => format!("expected an object, found {}", value.kind.name()),
        };
        let other = value.as_text().and_then(slips::other_format);
        let help = other.unwrap_or("write `key: value` lines, as the example in the README has them");
        findings.error(&value.place, message, Some(help.to_owned()));
        value.kind = Kind::Broken;
    }
    is_object
}

/// A text that came out of `${…}` is read as the number or bool that is wanted; what is none stays text, and is reported as such.
fn coerce(value: &mut Value, shape: &Shape) {
    let Kind::Text(text) = &value.kind else { return };
    if !value.filled {
        return;
    }
    match shape {
        Shape::Count { .. } if text.parse::<u64>().is_ok() => value.kind = Kind::Number(text.clone()),
        Shape::Bool => {
            if let Ok(truth) = text.parse() {
                value.kind = Kind::Bool(truth);
            }
        }
        Shape::Either(shapes) => shapes.iter().for_each(|shape| coerce(value, shape)),
        _ => {}
    }
}

/// Whether a value of this kind may have this shape; what it says is looked at later.
pub(super) fn accepts(shape: &Shape, kind: &Kind) -> bool {
    match shape {
        Shape::Text | Shape::Secret | Shape::File | Shape::Parsed(_) | Shape::Choice(_) => {
            matches!(kind, Kind::Text(_))
        }
        Shape::Bool => matches!(kind, Kind::Bool(_)),
        Shape::Count { .. } => matches!(kind, Kind::Number(_)),
        Shape::Scalar => matches!(kind, Kind::Text(_) | Kind::Number(_) | Kind::Bool(_)),
        Shape::Object(_) | Shape::Map(_) => matches!(kind, Kind::Object(_)),
        Shape::Tagged(_) => matches!(kind, Kind::Object(_) | Kind::Text(_)),
        Shape::List(_) => matches!(kind, Kind::List(_)),
        Shape::Keyed(_) => matches!(kind, Kind::Object(_) | Kind::List(_)),
        Shape::OneOrMany(item) => matches!(kind, Kind::List(_)) || accepts(item, kind),
        Shape::Any => true,
        Shape::Either(shapes) => shapes.iter().any(|shape| accepts(shape, kind)),
    }
}

fn expected(shape: &Shape) -> String {
    match shape {
        Shape::Text | Shape::Secret => "text".to_owned(),
        Shape::File => "the path of a file".to_owned(),
        Shape::Bool => "`true` or `false`".to_owned(),
        Shape::Count { .. } => "a whole number".to_owned(),
        Shape::Scalar => "text, a number or a bool".to_owned(),
        Shape::Any => "anything".to_owned(),
        Shape::Parsed(grammar) => grammar.what.to_owned(),
        Shape::Choice(words) => one_of(words),
        Shape::Object(_) | Shape::Map(_) => "an object".to_owned(),
        Shape::Tagged(union) => format!("{} (an object or its type)", union.what),
        Shape::List(_) => "a list".to_owned(),
        Shape::Keyed(_) => "an object, or a list of objects with a `name`".to_owned(),
        Shape::OneOrMany(item) => format!("{}, or a list of such", expected(item)),
        Shape::Either(shapes) => alternatives(&shapes.iter().map(expected).collect::<Vec<_>>()),
    }
}

/// `a, b or c`.
fn alternatives(words: &[String]) -> String {
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}

fn one_of(words: &[Word]) -> String {
    let words = words.iter().filter(|word| word.status == Status::Supported).map(|word| format!("`{}`", word.word));
    alternatives(&words.collect::<Vec<_>>())
}

/// A value in a message, unless it may be a secret.
fn shown(value: &Value) -> String {
    match &value.kind {
        Kind::Text(text) if !value.is_confidential() && text.chars().count() <= 60 => format!("`{text}`"),
        Kind::Number(text) if !value.is_confidential() => format!("the number {text}"),
        Kind::Bool(truth) => format!("the bool {truth}"),
        kind => kind.name().to_owned(),
    }
}

fn noun(union: &Union) -> &'static str {
    union.what.split_once(' ').map_or(union.what, |(_, noun)| noun)
}
