//! How answers are read, what some of them mean, and what is done with their records.

use encoding_rs::Encoding;

use crate::{
    config::{Findings, Section, notation::letter, tree::Value},
    plan::{Action, AnswerPlan, CsvPlan, ProcessingStep, ResponseAction, ResponseFormat, StepOperation},
};

pub fn resolve(endpoint: &Section<'_>, client: &Section<'_>, findings: &mut Findings) -> Option<AnswerPlan> {
    let format = format(endpoint);
    let accept = match format? {
        Some(format) if !names_accept(endpoint) && !names_accept(client) => accept(format),
        _ => None,
    };
    let csv = csv(endpoint, format?, findings);
    let actions = endpoint.sections("response_actions");
    let actions: Vec<_> = actions.iter().map(|action| response_action(action, findings)).collect();
    let actions = actions.into_iter().collect::<Option<Vec<_>>>();
    let encoding = match endpoint.is_written("encoding") {
        true => Some(Encoding::for_label(endpoint.text("encoding")?.value.as_bytes())?.name()),
        false => None,
    };
    let member = match endpoint.is_written("member") {
        true => Some(endpoint.text("member")?.value),
        false => None,
    };
    Some(AnswerPlan { format: format?, encoding, member, csv: csv?, actions: actions?, accept })
}

/// The format that is written; `None` if it is wrong.
fn format(endpoint: &Section<'_>) -> Option<Option<ResponseFormat>> {
    if !endpoint.is_written("format") {
        return Some(None);
    }
    match endpoint.text("format")?.value.as_str() {
        "json" => Some(Some(ResponseFormat::Json)),
        "ndjson" => Some(Some(ResponseFormat::Ndjson)),
        "csv" => Some(Some(ResponseFormat::Csv)),
        _ => None,
    }
}

/// Some servers choose the format by it, and refuse what it does not allow.
fn accept(format: ResponseFormat) -> Option<&'static str> {
    match format {
        ResponseFormat::Json => None,
        ResponseFormat::Ndjson => Some("application/x-ndjson, application/jsonl, application/json;q=0.5"),
        ResponseFormat::Csv => Some("text/csv, */*;q=0.5"),
    }
}

fn names_accept(section: &Section<'_>) -> bool {
    section.map("headers").iter().any(|entry| entry.key.eq_ignore_ascii_case("accept"))
}

fn csv(endpoint: &Section<'_>, format: Option<ResponseFormat>, findings: &mut Findings) -> Option<CsvPlan> {
    if !endpoint.is_written("csv") {
        return Some(CsvPlan::default());
    }
    let section = endpoint.section("csv");
    if section.is_broken() {
        return None;
    }
    if let Some(format @ (ResponseFormat::Json | ResponseFormat::Ndjson)) = format {
        let message = format!("`csv` says how CSV is read, and `format` is `{}`", word(format));
        findings.error(section.place(), message, None);
        return None;
    }
    let quote = section.text_or_off("quote").map(|quote| letter(&quote.value));
    let null_values = match section.is_written("null_values") {
        true => section.texts("null_values").into_iter().map(|text| text.value).collect(),
        false => CsvPlan::default().null_values,
    };
    let delimiter = match section.is_written("delimiter") {
        true => Some(letter(&section.text("delimiter")?.value)?),
        false => None,
    };
    let quote = quote.flatten();
    if delimiter.is_some() && quote == delimiter {
        let help = "choose another `quote`, or null where there are none".to_owned();
        findings.error(section.place_of("delimiter"), "one letter cannot both part cells and quote them", Some(help));
        return None;
    }
    Some(CsvPlan {
        delimiter,
        quote,
        header: section.flag("header")?,
        columns: csv_columns(&section, findings)?,
        null_values,
        ..CsvPlan::default()
    })
}

fn csv_columns(section: &Section<'_>, findings: &mut Findings) -> Option<Vec<String>> {
    let columns: Vec<_> = section.texts("columns").into_iter().map(|name| name.value).collect();
    if section.flag("header") == Some(false) && columns.is_empty() {
        let help = "name them: `columns: [id, name]`".to_owned();
        findings.error(section.place_of("header"), "without a header nothing tells the columns' names", Some(help));
        return None;
    }
    let is_repeated = |(index, name): &(usize, &String)| columns.iter().take(*index).any(|other| other == *name);
    if let Some((_, name)) = columns.iter().enumerate().find(is_repeated) {
        findings.error(section.place_of("columns"), format!("the column `{name}` stands here twice"), None);
        return None;
    }
    Some(columns)
}

fn word(format: ResponseFormat) -> &'static str {
    match format {
        ResponseFormat::Json => "json",
        ResponseFormat::Ndjson => "ndjson",
        ResponseFormat::Csv => "csv",
    }
}

fn response_action(section: &Section<'_>, findings: &mut Findings) -> Option<ResponseAction> {
    let action = match section.text("action")?.value.as_str() {
        "accept" => Action::Accept,
        "ignore" => Action::Ignore,
        "retry" => Action::Retry,
        "fail" => Action::Fail,
        "stop" => Action::Stop,
        "refresh_token" => Action::RefreshToken,
        _ => return None,
    };
    let status = match section.is_written("status_code") {
        true => Some(section.get("status_code").and_then(Value::scalar)?.parse().ok()?),
        false => None,
    };
    let content = match section.is_written("content") {
        true => Some(section.text("content")?.value).filter(|content| !content.is_empty()),
        false => None,
    };
    let empty = section.is_written("empty") && section.flag("empty")?;
    if status.is_none() && content.is_none() && !empty {
        let help = "set `status_code`, `content` (a part of the body), `empty: true` or several of them".to_owned();
        findings.error(section.place(), "nothing says which answers this is for", Some(help));
        return None;
    }
    let message = section.text("message").map(|message| message.value);
    if action == Action::Ignore && message.is_some() {
        let help = "the summary counts ignored pages; `fail` and `stop` tell a message".to_owned();
        findings.error(section.place_of("message"), "an answer that is ignored tells no message", Some(help));
        return None;
    }
    if action == Action::Accept && message.is_some() {
        let help = "remove it; `fail` and `stop` show a message".to_owned();
        findings.error(section.place_of("message"), "an accepted answer has no message", Some(help));
        return None;
    }
    Some(ResponseAction { status, content, empty, action, message })
}

/// What is done with records, step by step; of the keys of one step `filter` comes first, as in dlt.
pub fn steps(resource: &Section<'_>, findings: &mut Findings) -> Option<Vec<ProcessingStep>> {
    const KEYS: [(&str, StepOperation); 3] =
        [("filter", StepOperation::Filter), ("map", StepOperation::Map), ("yield_map", StepOperation::YieldMap)];
    let mut steps = Vec::new();
    for (index, section) in resource.sections("processing_steps").iter().enumerate() {
        let written: Vec<_> = KEYS.into_iter().filter(|(key, _)| section.is_written(key)).collect();
        if written.is_empty() {
            let help = "set `filter`, `map` or `yield_map` to a jq program".to_owned();
            findings.error(section.place(), "this step does nothing", Some(help));
            return None;
        }
        for (key, operation) in written {
            let program = section.text(key)?.value.parse().ok()?;
            steps.push(ProcessingStep { place: format!("processing_steps[{index}].{key}"), operation, program });
        }
    }
    Some(steps)
}
