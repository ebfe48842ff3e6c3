//! Log lines: `tracing` events of this crate on stderr, as text or as one JSON object a line.

use std::io;

use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    filter::Targets, fmt::MakeWriter, layer::SubscriberExt, registry::LookupSpan, util::SubscriberInitExt,
};

use super::{
    args::{Global, LogFormat},
    console::Console,
    visible::visible_json,
};

/// Sends the process's log lines to the console from now on.
pub fn start(global: &Global, console: &Console) {
    // Fails only if a program that embeds this crate has set up its own; then its choice stands.
    let _ = subscriber(global, console).try_init();
}

fn subscriber(global: &Global, console: &Console) -> Box<dyn Subscriber + Send + Sync> {
    let registry = tracing_subscriber::registry().with(filter(global));
    match global.log_format {
        // Colours are always in the text: the console takes them out where they do not belong.
        LogFormat::Text => Box::new(registry.with(layer(console, false).with_ansi(true))),
        LogFormat::Json => Box::new(registry.with(layer(console, true).json())),
    }
}

fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(
    console: &Console,
    is_json: bool,
) -> tracing_subscriber::fmt::Layer<
    S,
    tracing_subscriber::fmt::format::DefaultFields,
    tracing_subscriber::fmt::format::Format,
    Lines,
> {
    tracing_subscriber::fmt::layer().with_writer(Lines { console: console.clone(), is_json })
}

/// Warnings without options, errors with `-q`, then this crate's info and debug lines. Other crates stay at warnings until
/// `-vv`, and at info then: below, they print headers and with them credentials.
fn filter(global: &Global) -> Targets {
    let (ours, others) = match (global.quiet, global.verbose) {
        (true, _) => (LevelFilter::ERROR, LevelFilter::ERROR),
        (false, 0) => (LevelFilter::WARN, LevelFilter::WARN),
        (false, 1) => (LevelFilter::INFO, LevelFilter::WARN),
        (false, _) => (LevelFilter::DEBUG, LevelFilter::INFO),
    };
    // The Delta kernel reports each error as an event as well; those that matter come back, and are told once.
    let kernel = if others > LevelFilter::WARN { others } else { LevelFilter::OFF };
    let targets = Targets::new().with_default(others).with_target("delta_kernel", kernel);
    targets.with_target(env!("CARGO_PKG_NAME"), ours)
}

/// Hands each event on to the console in one piece.
#[derive(Clone)]
struct Lines {
    console: Console,
    is_json: bool,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { lines: self.clone(), text: Vec::new() }
    }
}

/// One event's line, written when it is complete.
struct Line {
    lines: Lines,
    text: Vec<u8>,
}

impl io::Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.text.is_empty() {
            let (Lines { console, is_json }, text) = (&self.lines, String::from_utf8_lossy(&self.text));
            console.write(&if *is_json { visible_json(&text) } else { text });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::console::tests::Written;

    fn log(global: &Global) -> String {
        let written = Written::default();
        tracing::subscriber::with_default(subscriber(global, &written.console()), || {
            tracing::error!(target: "restlake::fetch", "an error");
            tracing::warn!(target: "restlake::fetch", pages = 3, "a warning");
            tracing::info!(target: "restlake::fetch", "an info");
            tracing::debug!(target: "restlake::fetch", "a debug");
            tracing::info!(target: "hyper", "another's info");
            tracing::debug!(target: "hyper", "another's debug");
        });
        anstream::adapter::strip_str(&written.text()).to_string()
    }

    #[test]
    fn each_v_tells_more_and_q_tells_errors_only() {
        let lines = |quiet, verbose| log(&Global { quiet, verbose, ..Global::default() }).lines().count();
        assert_eq!(
            [lines(true, 0), lines(false, 0), lines(false, 1), lines(false, 2), lines(false, 9)],
            [1, 2, 3, 5, 5]
        );
    }

    #[test]
    fn other_crates_never_get_to_say_what_they_say_below_info() {
        assert!(!log(&Global { verbose: 9, ..Global::default() }).contains("another's debug"));
    }

    #[test]
    fn json_lines_are_one_object_each() {
        let text = log(&Global { log_format: LogFormat::Json, ..Global::default() });
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[1]["fields"]["message"], "a warning");
        assert_eq!((&lines[1]["fields"]["pages"], &lines[1]["level"]), (&3.into(), &"WARN".into()));
    }
}
