//! `endpoint.incremental`, or the parameter of `type: incremental`: loading only what is new.

use chrono::NaiveDate;

use super::{
    Overrides,
    columns::Columns,
    disposition::{self, Disposition},
    format, is_exported, merge, schema,
};
use crate::{
    config::{
        Findings, Located, Problem, Section,
        fields::{INCREMENTAL_PARAM, TYPE},
        quantity,
        tree::{Kind, Value},
    },
    json::Selector,
    plan::{
        Convert, ConvertError, CursorValue, Identity, IncrementalPlan, IncrementalValue, LastValueFunc, MergePlan,
        MergeStrategy, OnMissing, RangeEdge, Reference, RequestPlan, RowOrder, Step, Template, Window,
        WriteDisposition,
    },
    schema::{Column, Format, Naming, Source},
};

/// What of a resource has to do with its cursor.
pub struct Incremental<'a> {
    pub name: &'a str,
    pub resource: &'a Section<'a>,
    pub columns: &'a Columns<'a>,
    pub disposition: &'a Disposition<'a>,
    pub merge: &'a MergePlan,
    pub primary_key: &'a [usize],
    pub overrides: &'a Overrides,
}

/// The object of a config, and the parameter in whose place it stands.
struct Written<'a> {
    section: Section<'a>,
    param: Option<String>,
}

impl Incremental<'_> {
    /// The plan, and the request with the parameters that it adds; `None` if nothing is written, or what is written is wrong.
    pub fn resolve(
        &self,
        request: &mut RequestPlan,
        warnings: &mut Vec<String>,
        findings: &mut Findings,
    ) -> Option<IncrementalPlan> {
        let endpoint = self.resource.section("endpoint");
        let Written { section, param } = written(&endpoint, findings)?;
        add_params(&section, param, request, findings);
        let mut plan = self.read(&section, findings)?;
        check_values(&section, &plan, findings);
        self.check_disposition(&section, &plan, findings);
        check_window(&section, &plan, self.disposition, self.splits_merge_key(&plan), request, findings);
        self.take_interval(&mut plan, findings);
        check_places(&section, &plan, request, findings);
        if self.disposition.written == WriteDisposition::Replace {
            warnings.push(
                "`replace` writes the table anew: each run reads from `initial_value` on, whatever the one before has \
                 loaded; `append` and `merge` load only what is new"
                    .to_owned(),
            );
        }
        Some(plan)
    }

    fn read(&self, section: &Section<'_>, findings: &mut Findings) -> Option<IncrementalPlan> {
        let path = section.text("cursor_path");
        let epoch = path.as_ref().and_then(|path| per_second(&self.format(&path.value)?));
        let cursor_path = path.and_then(|path| self.cursor_path(&path, findings));
        let initial_value = value(section, "initial_value", findings);
        let end_value = value(section, "end_value", findings);
        let convert = convert(section, findings);
        let word = |key: &str| section.text(key).map(|word| word.value);
        let edge = |key: &str, default: RangeEdge| match word(key).as_deref() {
            Some("open") => RangeEdge::Open,
            Some("closed") => RangeEdge::Closed,
            _ => default,
        };
        let lag = step(section, "lag", findings);
        Some(IncrementalPlan {
            cursor_path: cursor_path?,
            last_value_func: if word("last_value_func")? == "min" { LastValueFunc::Min } else { LastValueFunc::Max },
            row_order: match word("row_order").as_deref() {
                Some("asc") => Some(RowOrder::Asc),
                Some("desc") => Some(RowOrder::Desc),
                _ => None,
            },
            on_missing: match word("on_cursor_value_missing")?.as_str() {
                "include" => OnMissing::Include,
                "exclude" => OnMissing::Exclude,
                _ => OnMissing::Raise,
            },
            range_start: edge("range_start", RangeEdge::Closed),
            range_end: edge("range_end", RangeEdge::Open),
            identity: self.identity(section, lag.is_some(), findings)?,
            window: self.window(section, findings),
            initial_value,
            end_value,
            lag,
            convert,
            then: self.disposition.written,
            is_interval: false,
            range: None,
            lists: None,
            epoch,
            now: None,
        })
    }

    /// A column's own place in the record, or a path.
    fn cursor_path(&self, path: &Located<String>, findings: &mut Findings) -> Option<Selector> {
        let form = self.format(&path.value).and_then(|format| format.form().cloned());
        if let Some(Format::Strftime(format)) = form.filter(|format| !sorts(format)) {
            let message = format!("`{}` is written as `{format}`, whose order is not that of time", path.value);
            let help = "a cursor is a number, an ISO 8601 date or timestamp, or a text that sorts as it is: name another field, \
                        or make such a text with `processing_steps`";
            findings.error(&path.place, message, Some(help.to_owned()));
        }
        let Some(index) = self.columns.find_if_there(path, findings) else { return path.value.parse().ok() };
        let column = self.columns.get(index)?;
        let selector = selector(column);
        if selector.is_none() {
            findings.error(&path.place, format!("`{}` is no field of the record", column.name), None);
        }
        selector
    }

    /// The `format` of the cursor's column, from the schema or from dlt's column hints.
    fn format(&self, path: &str) -> Option<Format> {
        let keys = path.parse().ok().and_then(|path: Selector| path.keys());
        let is_column = |column: &&Column| {
            column.name == path
                || matches!((&column.source, &keys), (Source::Path(source), Some(keys)) if source == keys)
        };
        let column = self.columns.schema.columns.iter().find(is_column);
        let hints = self.resource.mapped("columns");
        let field = match keys.as_deref() {
            Some([field]) => field,
            _ => path,
        };
        // The hint of a column that is named after its field.
        let named = Naming::SnakeCase.column(field, |_| true);
        let hint = hints.iter().find(|(hint, _)| hint.key == field || hint.key == path);
        let hint = hint.or_else(|| hints.iter().find(|(hint, _)| hint.key == named));
        let hinted = || hint.and_then(|(_, hint)| hint.text("format")).map(|format| schema::format_of(format.value));
        column.and_then(|column| column.format.clone()).or_else(hinted)
    }

    /// A changed record whose cursor has not moved is news to a merge; to an append it would be a second row of its key.
    fn identity(&self, section: &Section<'_>, has_lag: bool, findings: &mut Findings) -> Option<Identity> {
        if !section.is_written("primary_key") {
            let appends = self.disposition.written == WriteDisposition::Append && !has_lag;
            let names = self.resource.texts("primary_key");
            // Columns that are found out later are fields of the record by their names.
            let key: Vec<_> = match self.primary_key {
                [] => names.iter().filter_map(|name| name.value.parse().ok()).collect(),
                columns => columns.iter().filter_map(|index| selector(self.columns.get(*index)?)).collect(),
            };
            return Some(if appends && !key.is_empty() { Identity::Key(key) } else { Identity::Content });
        }
        section.get("primary_key")?;
        let names = section.texts("primary_key");
        if names.is_empty() {
            return Some(Identity::Off);
        }
        let place = |name: &Located<String>| match self.columns.find_if_there(name, findings) {
            Some(index) => selector(self.columns.get(index)?),
            None => name.value.parse().ok(),
        };
        names.iter().map(place).collect::<Option<_>>().map(Identity::Key)
    }

    fn window(&self, section: &Section<'_>, findings: &mut Findings) -> Option<Window> {
        if !section.is_written("window") {
            return None;
        }
        let window = section.section("window");
        let lookback = step(&window, "lookback", findings);
        Some(Window { step: step(&window, "step", findings)?, lookback })
    }

    /// What a run did not bring is not gone.
    fn check_disposition(&self, section: &Section<'_>, plan: &IncrementalPlan, findings: &mut Findings) {
        let appends = self.disposition.written == WriteDisposition::Append;
        if plan.window.as_ref().is_some_and(|window| window.lookback.is_some()) && appends {
            let help = "use `write_disposition: merge`".to_owned();
            let message = "`lookback` reads rows again that are in the table, and `append` would add them again";
            findings.error(section.section("window").place_of("lookback"), message, Some(help));
        }
        let gone = match &self.merge.strategy {
            _ if !self.disposition.merges() => return,
            _ if merge::deletes_missing(self.resource, self.disposition) => "`on_missing: delete`",
            MergeStrategy::Scd2(_) if !disposition::is_named(self.resource, "merge_key") => {
                "`scd2` without a `merge_key`"
            }
            _ => return,
        };
        let message =
            format!("{gone} takes rows that a run does not bring for gone, and an incremental one brings few");
        findings.error(section.place(), message, Some("leave one of them out".to_owned()));
    }

    /// Whether rows go for those that another slice has of their `merge_key`: not where the cursor is the key.
    fn splits_merge_key(&self, plan: &IncrementalPlan) -> bool {
        let by_key = matches!(self.disposition.strategy, MergeStrategy::DeleteInsert | MergeStrategy::Scd2(_));
        let names = self.resource.texts("merge_key");
        let at =
            |name: &Located<String>| match self.columns.find_if_there(name, &mut Findings::new(Vec::new(), Vec::new()))
            {
                Some(index) => selector(self.columns.get(index)?),
                None => name.value.parse().ok(),
            };
        let is_cursor = |name| at(name).is_some_and(|at: Selector| at.to_string() == plan.cursor_path.to_string());
        let is_by_cursor = !names.is_empty() && names.iter().all(is_cursor);
        self.disposition.merges() && by_key && disposition::is_named(self.resource, "merge_key") && !is_by_cursor
    }

    /// `--start` and `--end` in place of what the config has.
    fn take_interval(&self, plan: &mut IncrementalPlan, findings: &mut Findings) {
        // What is read for its children alone has no interval: all of its records are wanted.
        let is_exported = is_exported(self.resource, self.name, self.overrides).unwrap_or(true);
        let Some((start, end)) = self.overrides.interval.as_ref().filter(|_| is_exported) else { return };
        let read = |text: &str| match &plan.initial_value {
            Some(initial) if initial.is_number() => CursorValue::of_number(text),
            Some(_) => Some(CursorValue::of_text(text)),
            None => Some(CursorValue::of_number(text).unwrap_or_else(|| CursorValue::of_text(text))),
        };
        let Some((Some(start), Some(end))) = Some((read(start), read(end))) else {
            let message =
                format!("`{}` has a number as its `initial_value`: its interval is one of numbers", self.name);
            return findings.problems.push(Problem::usage("--start", message, None));
        };
        let wrong = match plan.last_value_func.compare(&start, &end) {
            Some(order) if order.is_gt() => "the interval ends before it starts".to_owned(),
            None => format!("`{start}` is {}, and `{end}` is {}", start.kind(), end.kind()),
            Some(_) => match plan.initial_value.as_ref().filter(|initial| initial.compare(&start).is_none()) {
                Some(initial) => {
                    format!("`{}` begins with {}, and `{start}` is {}", self.name, initial.kind(), start.kind())
                }
                None => String::new(),
            },
        };
        if !wrong.is_empty() {
            findings.problems.push(Problem::usage("--end", wrong, None));
        }
        // Appended slices of a run that fails would come twice when it is run again.
        if self.disposition.effective == WriteDisposition::Append {
            plan.window = None;
        }
        if self.disposition.effective == WriteDisposition::Replace && self.overrides.destination.is_none() {
            let message = format!("`{}` replaces its table, and an interval is not all of it", self.name);
            let help = "try it out elsewhere: add `--destination DIR`".to_owned();
            findings.problems.push(Problem::usage("--start", message, Some(help)));
        }
        (plan.initial_value, plan.end_value, plan.is_interval) = (Some(start), Some(end), true);
    }
}

fn incremental_params<'a>(endpoint: &Section<'a>) -> Vec<Written<'a>> {
    let is_one = |value: &Value| value.get(TYPE).and_then(Value::as_text) == Some("incremental");
    let params = endpoint.map("params").into_iter().filter(|entry| is_one(&entry.value));
    params
        .map(|entry| Written {
            section: Section::new(&INCREMENTAL_PARAM, &entry.value),
            param: Some(entry.key.clone()),
        })
        .collect()
}

/// dlt has one cursor for each endpoint.
fn written<'a>(endpoint: &Section<'a>, findings: &mut Findings) -> Option<Written<'a>> {
    let mut params = incremental_params(endpoint).into_iter();
    let object = endpoint.section("incremental");
    let own = endpoint.is_written("incremental").then_some(Written { section: object, param: None });
    let first = match own {
        Some(own) => own,
        None => params.next()?,
    };
    for other in params {
        let help = format!("the first is {}", first.section.place().path);
        findings.error(other.section.place(), "an endpoint has one cursor", Some(help));
    }
    (!first.section.is_broken()).then_some(first)
}

/// A parameter that is nothing but a value of the cursor; left out where there is none.
fn place(value: IncrementalValue) -> Template {
    Template::parse("{}", &[], |_| Ok(Reference::Incremental(value))).unwrap_or_default()
}

fn add_params(section: &Section<'_>, param: Option<String>, request: &mut RequestPlan, findings: &mut Findings) {
    if let Some(param) = param {
        request.params.push((Template::literal(param), place(IncrementalValue::StartValue)));
        return;
    }
    for (key, value) in [("start_param", IncrementalValue::StartValue), ("end_param", IncrementalValue::EndValue)] {
        let Some(name) = section.text(key) else { continue };
        if name.value.is_empty() {
            let help = "name the parameter that the API reads, or leave it out".to_owned();
            findings.error(&name.place, format!("`{key}` is empty"), Some(help));
            continue;
        }
        if request.params.iter().any(|(other, _)| other.as_literal().as_ref() == Some(&name.value)) {
            let message = format!("`{key}` is the parameter `{}`, which is sent already", name.value);
            findings.error(&name.place, message, Some("remove it from `params`, or name another one".to_owned()));
        }
        request.params.push((Template::literal(name.value), place(value)));
    }
}

/// A scalar of the config as a value of the cursor.
fn value(section: &Section<'_>, key: &str, findings: &mut Findings) -> Option<CursorValue> {
    let value = section.get(key)?;
    let read = match &value.kind {
        Kind::Number(number) => CursorValue::of_number(number),
        // What was filled in is a text, whatever it stands for.
        Kind::Text(text) if value.filled => CursorValue::of_number(text).or_else(|| Some(CursorValue::of_text(text))),
        Kind::Text(text) => Some(CursorValue::of_text(text)),
        _ => None,
    };
    if let Some(text) = value.as_text().filter(|text| is_no_date(text)) {
        let help = "a date is written as `2026-01-31`, a timestamp as `2026-01-31T10:00:00Z`".to_owned();
        findings.error(&value.place, format!("`{text}` looks like a date, and is none"), Some(help));
        return None;
    }
    if let Some(unsorted) = read.as_ref().filter(|value| value.is_unsorted_date()) {
        let message = format!("`{key}` is `{unsorted}`, a date whose text does not sort by time");
        let help = "write it as `2026-01-31`, name a field that holds such dates as `cursor_path`, and say with `convert` how the \
                    API is asked for them";
        findings.error(&value.place, message, Some(help.to_owned()));
        return None;
    }
    if read.is_none() {
        findings.error(&value.place, format!("`{key}` is a number or a text, which have an order"), None);
    }
    read
}

/// Whether texts in this format are in the order of time.
fn sorts(format: &Format) -> bool {
    match format {
        Format::Strftime(pattern) => format::sorts_by_time(pattern),
        _ => true,
    }
}

/// How many units an epoch format counts in a second.
fn per_second(format: &Format) -> Option<u32> {
    match format {
        Format::EpochSeconds => Some(1),
        Format::EpochMillis => Some(1_000),
        Format::EpochMicros => Some(1_000_000),
        Format::Truncated(form) => per_second(form.as_deref()?),
        Format::Strftime(_) | Format::Hex | Format::Base64Url | Format::NonFinite => None,
    }
}

/// It would be compared as a text, and with the API's dates not at all.
fn is_no_date(text: &str) -> bool {
    let Some((day, rest)) = text.split_at_checked(10) else { return false };
    let is_digit =
        |(place, byte): (usize, u8)| if matches!(place, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    let looks_like_one = (0..).zip(day.bytes()).all(is_digit) && (rest.is_empty() || rest.starts_with(['T', 't', ' ']));
    looks_like_one && day.parse::<NaiveDate>().is_err()
}

fn step(section: &Section<'_>, key: &str, findings: &mut Findings) -> Option<Step> {
    let value = section.get(key)?;
    let text = value.scalar()?;
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    let step = quantity::duration(&text).map(Step::Time).or_else(|| number.map(Step::Plain));
    if step.is_none() {
        findings.error(
            &value.place,
            format!("`{key}` is a number that is not below zero, or a duration such as `1d`"),
            None,
        );
    }
    step
}

fn convert(section: &Section<'_>, findings: &mut Findings) -> Option<Convert> {
    let value = section.get("convert")?;
    let inner = section.section("convert");
    let (format, timezone) = match value.as_text() {
        Some(text) => (Located { value: text.to_owned(), place: value.place.clone() }, None),
        None => (inner.text("format")?, inner.text("timezone")),
    };
    match Convert::new(&format.value, timezone.as_ref().map(|zone| zone.value.as_str())) {
        Ok(convert) => Some(convert),
        Err(ConvertError::Timezone) => {
            let help = "a name such as `Europe/Berlin`, or an offset such as `+02:00`".to_owned();
            findings.error(inner.place_of("timezone"), "there is no such time zone", Some(help));
            None
        }
        Err(ConvertError::Format) => {
            let help = "a strftime pattern such as `%Y-%m-%d`, `epoch_s`, `epoch_ms` or `epoch_us`".to_owned();
            findings.error(&format.place, "this is no form of a moment", Some(help));
            None
        }
    }
}

/// Where a column stands in the record; `None` if it is no field of it.
fn selector(column: &Column) -> Option<Selector> {
    match &column.source {
        Source::Path(keys) => Some(Selector::from_keys(keys)),
        Source::Evolved(key) | Source::Unseen(key) => Some(Selector::from_keys(std::slice::from_ref(key))),
        Source::Record | Source::Load(_) => None,
    }
}

/// Ends in their order, and steps that are steps of such values.
fn check_values(section: &Section<'_>, plan: &IncrementalPlan, findings: &mut Findings) {
    match (&plan.initial_value, &plan.end_value) {
        (None, Some(_)) => {
            let help = "dlt wants one as well".to_owned();
            findings.error(section.place_of("end_value"), "an `end_value` needs an `initial_value`", Some(help));
        }
        (Some(initial), Some(end)) => match plan.last_value_func.compare(initial, end) {
            None => {
                let message = format!("`initial_value` is {}, and `end_value` is {}", initial.kind(), end.kind());
                findings.error(section.place_of("end_value"), message, None);
            }
            Some(order) if order.is_gt() => {
                findings.error(section.place_of("end_value"), "`end_value` comes before `initial_value`", None);
            }
            Some(_) => {}
        },
        _ => {}
    }
    if let Some(lag) = &plan.lag {
        check_step(section, "lag", lag, plan, findings);
        if plan.window.is_some() {
            let help = "`window.lookback` is the word for it".to_owned();
            findings.error(section.place_of("lag"), "`lag` has no place beside a `window`", Some(help));
        }
    }
    if plan.convert.is_some()
        && let Some(initial) = plan.initial_value.as_ref().filter(|initial| !initial.is_moment())
    {
        let message = format!("`convert` is for dates and timestamps, and `initial_value` is {}", initial.kind());
        findings.error(section.place_of("convert"), message, None);
    }
}

fn check_step(section: &Section<'_>, key: &str, step: &Step, plan: &IncrementalPlan, findings: &mut Findings) {
    let Some(initial) = &plan.initial_value else { return };
    let fits = match step {
        Step::Plain(_) => initial.is_number() || initial.is_moment(),
        Step::Time(_) => initial.is_moment(),
    };
    if !fits {
        let message = format!("`{key}: {step}` cannot be taken from `initial_value`, which is {}", initial.kind());
        findings.error(section.place_of(key), message, None);
    }
}

/// Slices need two ends that the API is told.
fn check_window(
    section: &Section<'_>,
    plan: &IncrementalPlan,
    disposition: &Disposition<'_>,
    splits_merge_key: bool,
    request: &RequestPlan,
    findings: &mut Findings,
) {
    let Some(window) = &plan.window else { return };
    let inner = section.section("window");
    check_step(&inner, "step", &window.step, plan, findings);
    if let Some(lookback) = &window.lookback {
        check_step(&inner, "lookback", lookback, plan, findings);
    }
    let references = request.references();
    let sends =
        |values: &[IncrementalValue]| values.iter().any(|value| references.contains(&Reference::Incremental(*value)));
    let has_ends =
        sends(&[IncrementalValue::StartValue, IncrementalValue::LastValue]) && sends(&[IncrementalValue::EndValue]);
    let is_number = plan.initial_value.as_ref().is_some_and(CursorValue::is_number);
    let is_none = |step: &Step| match step {
        Step::Plain(number) => *number == 0.0,
        Step::Time(time) => time.is_zero(),
    };
    let wrong = [
        (plan.initial_value.is_none(), "it needs an `initial_value`"),
        (!has_ends, "the API has to be told both ends: set `start_param` and `end_param`, or the places of both"),
        (is_number && plan.end_value.is_none(), "numbers have no now to end at: set an `end_value`"),
        (plan.last_value_func == LastValueFunc::Min, "its slices go upwards: `last_value_func: min` has none"),
        (
            plan.range_start == RangeEdge::Open || plan.range_end == RangeEdge::Closed,
            "slices meet at one value, which belongs to the later one: leave `range_start` and `range_end` out",
        ),
        (is_none(&window.step), "its slices are not to be empty"),
        (
            disposition.written == WriteDisposition::Replace,
            "each slice would replace the one before: use `merge` or `append`",
        ),
        (
            splits_merge_key,
            "a slice would take the rows for gone that the one before has brought for the same `merge_key`",
        ),
    ];
    for (_, reason) in wrong.into_iter().filter(|(is_wrong, _)| *is_wrong) {
        findings.error(inner.place(), format!("this `window` cannot be: {reason}"), None);
    }
}

/// Places that a value has to fill, and for which there is none in the first run.
fn check_places(section: &Section<'_>, plan: &IncrementalPlan, request: &RequestPlan, findings: &mut Findings) {
    let has = |value: IncrementalValue| match value {
        IncrementalValue::EndValue => plan.end_value.is_some() || plan.window.is_some(),
        _ => plan.initial_value.is_some(),
    };
    for reference in request.required() {
        if let Reference::Incremental(value) = reference
            && !has(value)
        {
            let (word, key) =
                (value.word(), if value == IncrementalValue::EndValue { "end_value" } else { "initial_value" });
            let message = format!("the place `{{incremental.{word}}}` has nothing to fill it: there is no `{key}`");
            findings.error(section.place(), message, Some(format!("set `{key}`")));
        }
    }
}
