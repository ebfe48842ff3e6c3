//! The house rules that the compiler does not know: who may import whom, who may print, how long a file may be.
//!
//! The sources are read as text: paths are written `use crate::…` (or `crate::…` in place), so a plain scan sees every arrow.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const TABLE: &str = "\
main → cli → run → maintain → import → {fetch, process, decode, dedup, write, merge, commit} → plan → config → {digest, schema, json, jq, keys, memory, allocation, store, suggestion, text_file, report, model, environment, secret, error}
Above all, fuzzing, which is compiled for tests and fuzzers alone.
Stages never import one another, except that merge may use write, and maintain may use write, merge and commit. No stage reads config.";

/// Upper layers first; a module may import what stands in a lower layer.
const LAYERS: [&[&str]; 10] = [
    &["main"],
    &["fuzzing"],
    &["cli"],
    &["run"],
    &["maintain"],
    &["import"],
    STAGES,
    &["plan"],
    &["config"],
    FOUNDATION,
];

const STAGES: &[&str] = &["fetch", "process", "decode", "dedup", "write", "merge", "commit"];

/// The ground, whose modules may use each other: the table gives them no order.
const FOUNDATION: &[&str] = &[
    "digest",
    "schema",
    "json",
    "jq",
    "keys",
    "memory",
    "allocation",
    "store",
    "suggestion",
    "text_file",
    "report",
    "model",
    "environment",
    "secret",
    "error",
];

/// Names of the crate's root that are re-exported from `error`.
const ROOT_NAMES: [&str; 3] = ["Error", "ErrorKind", "Result"];

const MAX_LINES: usize = 700;

const PRINTING: [&str; 8] =
    ["println!", "eprintln!", "print!", "eprint!", "dbg!", "io::stdout", "io::stderr", "std::io::{stdout"];

#[test]
fn modules_import_only_what_their_layer_may() {
    let found: Vec<String> =
        sources().iter().flat_map(|source| forbidden_arrows(&source.module, &source.text)).collect();
    assert!(found.is_empty(), "{}\n\nWho may import whom:\n{TABLE}", found.join("\n"));
}

#[test]
fn every_module_of_the_crate_has_a_layer() {
    let known: BTreeSet<&str> = LAYERS.iter().flat_map(|layer| layer.iter().copied()).chain(["lib"]).collect();
    let unknown: BTreeSet<String> =
        sources().into_iter().map(|source| source.module).filter(|module| !known.contains(module.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:?} stand in no layer:\n{TABLE}");
}

#[test]
fn only_the_command_line_prints() {
    let silent = sources().into_iter().filter(|source| !["cli", "main"].contains(&source.module.as_str()));
    let found: Vec<String> = silent
        .flat_map(|source| printing_lines(&source.text).into_iter().map(move |line| format!("{}: {line}", source.name)))
        .collect();
    assert!(found.is_empty(), "these print, and are not of cli:\n{}", found.join("\n"));
}

#[test]
fn every_source_file_begins_with_what_it_is() {
    let bare: Vec<String> = sources()
        .into_iter()
        // A file of tests says what it is by its name.
        .filter(|source| !source.text.starts_with("//!") && !source.name.ends_with("/tests.rs"))
        .map(|source| source.name)
        .collect();
    assert!(bare.is_empty(), "these do not begin with //! docs: {bare:?}");
}

#[test]
fn no_source_file_is_too_long_to_read() {
    let long: Vec<String> = sources()
        .into_iter()
        .filter(|source| source.text.lines().count() > MAX_LINES)
        .map(|source| format!("{}: {} lines", source.name, source.text.lines().count()))
        .collect();
    assert!(long.is_empty(), "over {MAX_LINES} lines: {long:?}");
}

/// A file under `src/`.
struct Source {
    /// Relative to `src/`, for messages.
    name: String,
    /// The top-level module that it belongs to.
    module: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 10, "{} holds only {} Rust files", root.display(), files.len());
    files.sort();
    files.into_iter().map(|file| read(&root, &file)).collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn read(root: &Path, file: &Path) -> Source {
    let relative = file.strip_prefix(root).unwrap();
    let name = relative.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
    let first = name.split('/').next().unwrap();
    let module = first.strip_suffix(".rs").unwrap_or(first).to_owned();
    Source { name, module, text: fs::read_to_string(file).unwrap() }
}

/// `from` may use `to`, both top-level modules.
fn may_import(from: &str, to: &str) -> bool {
    let (Some(above), Some(below)) = (layer(from), layer(to)) else { return false };
    match (from, to) {
        _ if from == to => true,
        ("merge", "write") | ("maintain", "write" | "merge" | "commit") => true,
        ("maintain", _) if STAGES.contains(&to) => false,
        (_, "config") if STAGES.contains(&from) => false,
        _ if FOUNDATION.contains(&from) => FOUNDATION.contains(&to),
        _ => above < below,
    }
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// One line for each import in `text`, a file of `module`, that the table does not allow.
fn forbidden_arrows(module: &str, text: &str) -> Vec<String> {
    if module == "lib" {
        return Vec::new();
    }
    imported(text)
        .into_iter()
        .filter(|target| !ROOT_NAMES.contains(&target.as_str()) && !may_import(module, target))
        .map(|target| format!("{module} → {target} is forbidden"))
        .collect()
}

/// The first names behind `crate::` (and `restlake::`, which is the crate for its program), tests included, comments not.
fn imported(text: &str) -> BTreeSet<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let paths =
        ["crate::", "restlake::"].into_iter().flat_map(|root| code.match_indices(root).map(move |at| (root, at.0)));
    paths
        .filter(|(_, at)| {
            !code[..*at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == '$')
        })
        .flat_map(|(root, at)| first_names(&code[at + root.len()..]))
        .collect()
}

/// `model::Page` is `model`; `{error::Error, json}` is both.
fn first_names(path: &str) -> Vec<String> {
    match path.strip_prefix('{') {
        Some(group) => {
            group_members(group).into_iter().map(|member| first_name(&member)).filter(|name| !name.is_empty()).collect()
        }
        None => vec![first_name(path)],
    }
}

fn first_name(path: &str) -> String {
    path.trim_start().chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

/// The members of a `use` group, behind its opening brace, split at the commas of its own level.
fn group_members(group: &str) -> Vec<String> {
    let mut members = vec![String::new()];
    let mut depth = 0;
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => members.push(String::new()),
            _ => members.last_mut().unwrap().push(letter),
        }
    }
    members
}

/// How many modules a file is below the crate's root.
fn depth(name: &str) -> usize {
    let parts = name.split('/').count();
    if ["lib.rs", "main.rs"].contains(&name) || name.ends_with("/mod.rs") { parts - 1 } else { parts }
}

/// Lines that reach the crate's root by `super::`, where an arrow could hide from [`imported`].
fn detours(depth: usize, text: &str) -> Vec<String> {
    let mut depth = depth;
    let mut found = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        // A module written in place, such as that of the tests, is one level further down; it ends with the file.
        depth += usize::from(line.starts_with("mod ") && line.ends_with('{'));
        if longest_chain(line) >= depth && longest_chain(line) > 0 {
            found.push(format!("`{}` must be written with `crate::`", line.trim()));
        }
    }
    found
}

/// The most `super::` that follow each other in a line.
fn longest_chain(line: &str) -> usize {
    (1..).take_while(|count| line.contains(&"super::".repeat(*count))).count()
}

/// Lines that write to the terminal; those of tests may.
fn printing_lines(text: &str) -> Vec<String> {
    let program = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let prints = |line: &&str| PRINTING.iter().any(|word| contains_word(line, word));
    program.lines().filter(is_code).filter(prints).map(|line| line.trim().to_owned()).collect()
}

/// Whether `word` stands in `line`, not as the end of a longer name (`eprintln!` holds `println!`).
fn contains_word(line: &str, word: &str) -> bool {
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_'))
}

mod the_checker {
    use super::*;

    #[test]
    fn finds_an_arrow_between_stages_in_every_form_it_can_be_written() {
        for text in [
            "use crate::decode::Decoder;",
            "pub use crate::decode::Decoder;",
            "use crate::{error::Error, decode::{Decoder, Rows}};",
            "use crate::{\n    error::Error,\n    decode,\n};",
            "fn f() { crate::decode::decode(); }",
            "fn f(decoder: &crate::decode::Decoder) {}",
        ] {
            assert_eq!(forbidden_arrows("fetch", text), ["fetch → decode is forbidden"], "{text}");
        }
    }

    #[test]
    fn judges_tests_as_well_and_comments_not() {
        let test = "#[cfg(test)]\nmod tests {\n    use crate::commit::Log;\n}";
        assert_eq!(forbidden_arrows("write", test), ["write → commit is forbidden"]);
        assert_eq!(forbidden_arrows("write", "//! Feeds [`crate::commit`].\n    // crate::commit::Log"), [""; 0]);
    }

    #[test]
    fn finds_an_arrow_that_takes_the_detour_over_super() {
        assert_eq!(detours(depth("dedup.rs"), "use super::write::Writer;").len(), 1);
        assert_eq!(detours(depth("fetch/retry.rs"), "use super::super::decode::Decoder;").len(), 1);
        assert_eq!(detours(depth("fetch/mod.rs"), "fn f() { super::decode::decode() }").len(), 1);
        assert_eq!(detours(depth("fetch/retry.rs"), "use super::client::Client;"), [""; 0]);
        assert_eq!(detours(depth("dedup.rs"), "mod tests {\n    use super::*;\n}"), [""; 0]);
    }

    #[test]
    fn takes_each_name_of_a_group_once_and_no_name_from_within_a_member() {
        let names = imported(
            "use crate::{json::{Node, Selector}, schema::types::{self, ColumnType}, model::Page};\ncrate::json::scan();",
        );
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["json", "model", "schema"]);
    }

    #[test]
    fn is_not_misled_by_names_that_end_like_the_crate() {
        assert_eq!(imported("my_crate::decode::x(); not_restlake::commit::y();"), BTreeSet::new());
    }

    #[test]
    fn allows_every_arrow_downwards_and_none_upwards() {
        let allowed = [
            ("main", "cli"),
            ("cli", "run"),
            ("cli", "config"),
            ("run", "fetch"),
            ("run", "store"),
            ("plan", "config"),
            ("config", "schema"),
            ("commit", "store"),
            ("decode", "json"),
            ("schema", "error"),
            ("merge", "write"),
            ("maintain", "commit"),
            ("fetch", "plan"),
            ("run", "config"),
        ];
        for (from, to) in allowed {
            assert!(may_import(from, to), "{from} → {to}");
        }
        let forbidden = [
            ("cli", "main"),
            ("run", "cli"),
            ("maintain", "run"),
            ("fetch", "run"),
            ("config", "plan"),
            ("schema", "config"),
            ("store", "commit"),
            ("fetch", "config"),
            ("write", "merge"),
            ("maintain", "fetch"),
            ("error", "plan"),
            ("merge", "commit"),
            ("decode", "unheard_of"),
        ];
        for (from, to) in forbidden {
            assert!(!may_import(from, to), "{from} → {to}");
        }
    }

    #[test]
    fn leaves_the_names_of_the_root_to_everybody_and_the_map_alone() {
        assert_eq!(forbidden_arrows("json", "use crate::{Error, Result};"), [""; 0]);
        assert_eq!(forbidden_arrows("lib", "pub use crate::decode::Decoder;"), [""; 0]);
    }

    #[test]
    fn finds_what_prints_outside_tests() {
        let text =
            "fn f() {\n    println!(\"x\");\n    // println!(\"y\");\n    write!(out, \"z\");\n    pprintln!();\n}\n";
        assert_eq!(printing_lines(text), ["println!(\"x\");"]);
        assert_eq!(printing_lines("#[cfg(test)]\nmod tests {\n    fn f() { print!(\"x\"); }\n}"), [""; 0]);
        assert_eq!(printing_lines("let mut out = std::io::stdout().lock();").len(), 1);
    }
}
