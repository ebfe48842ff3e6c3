//! The corpora of the fuzz targets, replayed by `cargo test`.

use std::{fs, panic::catch_unwind, path::Path};

/// Runs a check over each file of its corpus.
fn replay(target: &str, check: fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    // A package that is published has no `tests/fuzz`: cargo leaves out every directory with a manifest of its own.
    if !fuzz.exists() {
        return;
    }
    let corpus = fuzz.join("corpus").join(target);
    let files: Vec<_> = fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() > 10, "{} has only {} files", corpus.display(), files.len());
    for file in files {
        let bytes = fs::read(&file).unwrap();
        assert!(catch_unwind(|| check(&bytes)).is_ok(), "{} fails", file.display());
    }
}

#[test]
fn the_corpus_of_pages_is_clean() {
    replay("page", super::page);
}

#[test]
fn the_corpus_of_configs_is_clean() {
    replay("config", super::config);
}

#[test]
fn the_corpus_of_selectors_is_clean() {
    replay("selectors", super::selectors);
}

#[test]
fn the_corpus_of_programs_is_clean() {
    replay("jq", super::jq);
}

#[test]
fn the_corpus_of_headers_is_clean() {
    replay("headers", super::headers);
}

#[test]
fn the_corpus_of_documents_is_clean() {
    replay("documents", super::documents);
}

#[test]
fn the_corpus_of_csv_is_clean() {
    replay("csv", super::csv);
}
