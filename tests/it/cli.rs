//! The program as a user starts it: help, usage errors, and what goes to which stream.

use std::process::{Command, Output};

fn restlake(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_restlake"));
    // What the shell that runs the tests says about colours must not decide.
    command.args(arguments).env_remove("NO_COLOR").env_remove("CLICOLOR").env_remove("CLICOLOR_FORCE");
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn document(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn help_is_a_result_on_stdout_and_tells_the_options_and_exit_codes() {
    let help = restlake(&["--help"]);
    assert_eq!((help.status.code(), text(&help.stderr)), (Some(0), ""));
    for word in ["run", "check", "demo", "--output", "--progress", "--log-format", "--color", "130 interrupted"] {
        assert!(text(&help.stdout).contains(word), "{word} in {}", text(&help.stdout));
    }
}

#[test]
fn the_demos_help_names_its_defaults() {
    let help = restlake(&["demo", "--help"]);
    assert_eq!(help.status.code(), Some(0));
    for word in ["--rows", "100000", "--destination", "./lake"] {
        assert!(text(&help.stdout).contains(word), "{word} in {}", text(&help.stdout));
    }
}

#[test]
fn a_wrong_command_line_exits_with_2_and_says_why_on_stderr_only() {
    let wrong: [&[&str]; 6] = [
        &[],
        &["run"],
        &["verify", "export.yaml"],
        &["run", "export.yaml", "--nope"],
        &["run", "export.yaml", "--max-pages", "0"],
        &["check", "export.yaml", "-q", "-v"],
    ];
    for arguments in wrong {
        let output = restlake(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
        assert!(text(&output.stderr).contains("Usage: restlake"), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn with_json_a_wrong_command_line_is_a_document_on_stdout_too() {
    let output = restlake(&["run", "export.yaml", "--nope", "--output", "json"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(document(&output)["error"]["code"], "usage");
    assert!(!output.stderr.is_empty());
}

#[test]
fn the_version_is_a_result() {
    let output = restlake(&["--version"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), format!("restlake {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn colours_appear_only_where_they_are_asked_for() {
    let has_colours = |arguments: &[&str]| restlake(arguments).stderr.contains(&0x1b);
    assert!(!has_colours(&["run"]));
    assert!(!has_colours(&["run", "--color", "never"]));
    assert!(has_colours(&["run", "--color", "always"]));
}
