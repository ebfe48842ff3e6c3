//! One bar a resource: rows, pages, bytes and the rate; with a known total also the share and the time that is left.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};

use super::{
    super::console::Console,
    tally::{Tally, finished, resource},
};
use crate::report::{Event, Reporter, Status};

const OPEN: &str = "{prefix} {spinner} {human_pos} rows, {rate}/s, {msg}";
const BOUNDED: &str = "{prefix} [{bar:24}] {human_pos}/{human_len} rows, {rate}/s, {msg}, ETA {eta}";
const FINISHED: &str = "{prefix} {msg}";

/// How often a bar moves while nothing happens, so that a user sees that restlake is alive.
const TICK: Duration = Duration::from_millis(200);

pub struct Bars {
    console: Console,
    resources: Mutex<HashMap<String, (ProgressBar, Tally)>>,
}

impl Bars {
    pub fn new(console: Console) -> Self {
        Self { console, resources: Mutex::new(HashMap::new()) }
    }

    fn start(&self, name: &str) -> (ProgressBar, Tally) {
        let bar = self.console.bars().add(ProgressBar::no_length());
        bar.set_style(style(OPEN));
        bar.set_prefix(name.to_owned());
        bar.enable_steady_tick(TICK);
        (bar, Tally::default())
    }
}

impl Reporter for Bars {
    fn on_event(&self, event: &Event<'_>) {
        let Some(name) = resource(event) else { return };
        let mut resources = self.resources.lock().unwrap_or_else(PoisonError::into_inner);
        let (bar, tally) = resources.entry(name.to_owned()).or_insert_with(|| self.start(name));
        tally.count(event);
        match event {
            Event::ResourceFinished { summary } => {
                let mark = if summary.status == Status::Ok { "✓" } else { "✗" };
                bar.set_style(style(FINISHED));
                bar.finish_with_message(format!("{mark} {}", finished(summary)));
            }
            _ => update(bar, tally),
        }
    }
}

fn update(bar: &ProgressBar, tally: &Tally) {
    if tally.total_rows != bar.length() {
        bar.set_style(style(if tally.total_rows.is_some() { BOUNDED } else { OPEN }));
        match tally.total_rows {
            Some(rows) => bar.set_length(rows),
            None => bar.unset_length(),
        }
    }
    bar.set_message(tally.text());
    bar.set_position(tally.rows);
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants that a test parses; a default bar is what a mistake in one would cost.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ").with_key("rate", write_rate)
}

/// Whole rows: fractions of one that change five times a second are noise.
fn write_rate(state: &ProgressState, out: &mut dyn fmt::Write) {
    // An error here would be the terminal's, and the next frame meets it again.
    let _ = write!(out, "{}", HumanCount(state.per_sec() as u64));
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressDrawTarget;

    use super::{super::screen::Screen, *};
    use crate::cli::{console::tests::Written, summary::tests::resource_summary};

    fn page(resource: &str, rows: u64) -> Event<'_> {
        Event::PageFetched { resource, page: 1, rows, bytes: 2000 }
    }

    fn bars(written: &Written) -> (Bars, Console) {
        let console = written.console();
        console.bars().set_draw_target(ProgressDrawTarget::term_like(Box::new(Screen::new(console.clone()))));
        (Bars::new(console.clone()), console)
    }

    #[test]
    fn the_templates_are_well_formed() {
        for template in [OPEN, BOUNDED, FINISHED] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn a_bar_shows_rows_pages_and_bytes_and_with_a_total_the_time_left() {
        let written = Written::default();
        let (bars, _) = bars(&written);
        bars.on_event(&Event::ResourceStarted { resource: "cases" });
        bars.on_event(&page("cases", 100));
        {
            let resources = bars.resources.lock().unwrap();
            let (bar, _) = &resources["cases"];
            assert_eq!((bar.position(), bar.length()), (100, None));
            assert_eq!(bar.message(), "1 page, 2.00 kB");
        }
        bars.on_event(&Event::TotalKnown { resource: "cases", rows: Some(1000), pages: None });
        bars.on_event(&Event::ResourceFinished { summary: &resource_summary("cases") });
        let text = written.text();
        assert!(text.contains("cases") && text.contains("✓ 2,988 rows in 1 file, version 1"), "{text}");
        assert_eq!(bars.resources.lock().unwrap()["cases"].0.length(), Some(1000));
    }

    #[test]
    fn each_resource_has_a_bar_of_its_own() {
        let (bars, _) = bars(&Written::default());
        bars.on_event(&page("a", 1));
        bars.on_event(&page("b", 2));
        bars.on_event(&page("a", 4));
        let resources = bars.resources.lock().unwrap();
        assert_eq!((resources["a"].0.position(), resources["b"].0.position()), (5, 2));
    }

    #[test]
    fn a_line_is_written_between_a_cleared_bar_and_its_redrawing() {
        let written = Written::default();
        let (bars, console) = bars(&written);
        bars.on_event(&page("a", 1));
        console.line("a log line");
        let text = written.text();
        let (before, _) = text.split_once("a log line\n").unwrap();
        assert!(before.is_empty() || before.ends_with("\x1b[2K"), "{before:?}");
    }
}
