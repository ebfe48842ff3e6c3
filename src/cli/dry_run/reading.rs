//! What a run reads and how, in words: from where to where, in which form, and what becomes of answers and records on the way.

use super::{Line, duration};
use crate::plan::{
    AnswerPlan, IncrementalPlan, LastValueFunc, OnMissing, ProcessingStep, RangeEdge, ResourcePlan, ResponseAction,
    ResponseFormat, RowOrder, Step, StepOperation,
};

/// Lines of a resource; empty ones say nothing that is not so by itself.
pub fn lines(resource: &ResourcePlan) -> [Line; 5] {
    let incremental = resource.incremental.as_ref();
    [
        ("cursor", incremental.map_or_else(String::new, cursor)),
        ("range", incremental.map_or_else(String::new, range)),
        ("format", format(&resource.answers)),
        ("answers", resource.answers.actions.iter().map(action).collect::<Vec<_>>().join("; ")),
        ("steps", resource.processing_steps.iter().map(step).collect::<Vec<_>>().join("; ")),
    ]
}

fn cursor(plan: &IncrementalPlan) -> String {
    let func = match plan.last_value_func {
        LastValueFunc::Max => "largest",
        LastValueFunc::Min => "smallest",
    };
    let mut text = format!("`{}`, the {func} value is kept", plan.cursor_path);
    if !plan.moves_cursor() {
        text = format!("`{}`, which is neither looked at nor moved in the table's state", plan.cursor_path);
    }
    if let Some(order) = plan.row_order {
        text += match order {
            RowOrder::Asc => ", records come in its order",
            RowOrder::Desc => ", records come in its reverse order",
        };
    }
    text += match plan.on_missing {
        OnMissing::Raise => "",
        OnMissing::Include => ", records without it are taken",
        OnMissing::Exclude => ", records without it are left out",
    };
    plan.convert.as_ref().map_or(text.clone(), |convert| format!("{text}, sent as {convert}"))
}

fn range(plan: &IncrementalPlan) -> String {
    let edge = |edge: RangeEdge| if edge == RangeEdge::Open { ", without it" } else { ", with it" };
    let initial = plan.initial_value.as_ref().map_or_else(|| "the first record".to_owned(), ToString::to_string);
    let mut text = match plan.moves_cursor() {
        true => format!("from {initial}, later from where the run before ended{}", edge(plan.range_start)),
        false => format!("from {initial}{}", edge(plan.range_start)),
    };
    if let Some(lag) = &plan.lag {
        text += &format!(", less {}", step_text(lag));
    }
    if let Some(end) = &plan.end_value {
        text += &format!(", to {end}{}", edge(plan.range_end));
    }
    if let Some(window) = &plan.window {
        text += &format!(", in slices of {}", step_text(&window.step));
        if let Some(lookback) = &window.lookback {
            text += &format!(", beginning {} earlier", step_text(lookback));
        }
    }
    text
}

fn step_text(step: &Step) -> String {
    match step {
        Step::Plain(number) => number.to_string(),
        Step::Time(time) => duration(*time),
    }
}

fn format(answers: &AnswerPlan) -> String {
    let csv = &answers.csv;
    match answers.format {
        None => String::new(),
        Some(ResponseFormat::Json) => "json".to_owned(),
        Some(ResponseFormat::Ndjson) => "ndjson".to_owned(),
        Some(ResponseFormat::Csv) => {
            let names = match (csv.header, csv.columns.as_slice()) {
                (_, [_, ..]) => format!("columns {}", csv.columns.join(", ")),
                (true, []) => "names in the first row".to_owned(),
                (false, []) => "no names".to_owned(),
            };
            let delimiter = match csv.delimiter {
                Some(delimiter) => format!("`{}` between values", char::from(delimiter).escape_default()),
                None => "the delimiter of the first rows".to_owned(),
            };
            format!("csv, {delimiter}, {names}")
        }
    }
}

/// What a message says may be long, and is told when it is its turn.
fn action(rule: &ResponseAction) -> String {
    let status = rule.status.map(|status| status.to_string());
    let content = rule.content.as_ref().map(|content| format!("`{content}`"));
    let empty = rule.empty.then(|| "an empty body".to_owned());
    let which: Vec<_> = [status, content, empty].into_iter().flatten().collect();
    format!("{}: {}", which.join(" with "), rule.action.word())
}

fn step(step: &ProcessingStep) -> String {
    let word = match step.operation {
        StepOperation::Filter => "filter",
        StepOperation::Map => "map",
        StepOperation::YieldMap => "yield_map",
    };
    format!("{word} {}", step.program)
}

#[cfg(test)]
mod tests {
    use crate::{
        cli::{args::Global, dry_run::answer},
        config::{self, Source, Syntax},
        plan::{self, Overrides},
    };

    fn told(endpoint: &str) -> String {
        let text = format!(
            "client: {{base_url: 'https://a.example'}}\nresources:\n- name: a\n  primary_key: id\n  write_disposition: merge\n  processing_steps: [{{filter: .a}}, {{map: '{{b}}'}}]\n  endpoint: {{path: a, {endpoint}}}\n"
        );
        let source = Source::Embedded { name: "a.yaml".into(), text, syntax: Syntax::Yaml };
        let loaded = config::load(source, &|_| None).unwrap();
        answer(&plan::resolve(&loaded, &Overrides::default()).unwrap(), &Global::default()).result
    }

    #[test]
    fn what_is_read_and_what_becomes_of_it_is_told() {
        let text = told(
            "format: csv, csv: {delimiter: ';'}, response_actions: [{status_code: 404, action: ignore}, {content: busy, action: retry}], \
             params: {since: '{incremental.start_value}'}, \
             incremental: {cursor_path: at, initial_value: '2026-01-01', lag: 60, row_order: desc, on_cursor_value_missing: exclude}",
        );
        for line in [
            "cursor       `at`, the largest value is kept, records come in its reverse order, records without it are left out",
            "range        from 2026-01-01, later from where the run before ended, with it, less 60",
            "format       csv, `;` between values, names in the first row",
            "answers      404: ignore; `busy`: retry",
            "steps        filter .a; map {b}",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        let window = told(
            "incremental: {cursor_path: at, initial_value: '2026-01-01', start_param: s, end_param: e, window: {step: 7d, lookback: 1d}}",
        );
        assert!(window.contains("in slices of 7d, beginning 1d earlier"), "{window}");
        let end = told("incremental: {cursor_path: n, initial_value: 1, end_value: 9, start_param: s, end_param: e}");
        assert!(end.contains("range        from 1, with it, to 9, without it"), "{end}");
    }
}
