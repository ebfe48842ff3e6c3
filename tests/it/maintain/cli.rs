//! The commands as a user types them.

use std::process::{Command, Output};

use super::*;

fn restlake(kept: &Kept, arguments: &[&str]) -> Output {
    let config = kept.folder.path().join("export.json");
    std::fs::write(&config, kept.config("http://127.0.0.1:1").to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_restlake"));
    command.current_dir(kept.folder.path()).args(arguments).env("NO_COLOR", "1");
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn document(output: &Output) -> Value {
    assert_eq!(output.stdout.last(), Some(&b'\n'));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The text, without what changes from run to run.
fn snapshot(name: &str, output: &Output) {
    insta::with_settings!({filters => vec![
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]"), (r"\d{8}T\d{9}Z-[0-9a-f]{8}  ", "[run]  "),
        (r"\d+\.\d s", "[duration]"), (r"\d[\d.]* (B|KiB|KB|kB)", "[size]"), (r"\b[0-9a-f]{64}\b", "[sha256]"),
        (r" {2,}", "  "), (r"[─═╌┄├┤]{3,}", "───"),
    ]}, {
        insta::assert_snapshot!(name, text(&output.stdout));
    });
}

async fn two_runs() -> Kept {
    let kept = Kept::partitioned("append");
    kept.run(items(1, 40)).await;
    kept.run(items(41, 60)).await;
    kept
}

#[tokio::test]
async fn status_is_a_table_for_people_and_a_document_for_scripts() {
    let kept = two_runs().await;
    snapshot("status_text", &restlake(&kept, &["status", "export.json"]));
    let output = restlake(&kept, &["status", "export.json", "--output", "json"]);
    let document = document(&output);
    assert_eq!((output.status.code(), &document["status"]), (Some(0), &json!("ok")));
    let table = &document["tables"][0];
    for (key, wanted) in
        [("table", json!("items")), ("version", json!(2)), ("rows", json!(60)), ("format", json!("parquet"))]
    {
        assert_eq!(table[key], wanted, "{key}");
    }
    assert_eq!(table["columns"][0], json!({"name": "id", "type": "int64", "nullable": false}));
}

#[tokio::test]
async fn a_table_that_does_not_exist_yet_is_no_failure_of_status() {
    let kept = Kept::partitioned("append");
    let output = restlake(&kept, &["status", "export.json"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("does not exist yet"), "{}", text(&output.stdout));
    assert!(!kept.lake().exists());
}

#[tokio::test]
async fn verify_exits_with_1_and_lists_every_finding() {
    let kept = two_runs().await;
    let output = restlake(&kept, &["verify", "export.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    snapshot("verify_ok", &output);
    std::fs::remove_file(kept.table().join(kept.first_file())).unwrap();
    std::fs::write(kept.table().join("notes.txt"), "x").unwrap();
    let output = restlake(&kept, &["verify", "export.json"]);
    assert_eq!(output.status.code(), Some(1));
    snapshot("verify_findings", &output);
    let output = restlake(&kept, &["verify", "export.json", "--quick", "--output", "json"]);
    let document = document(&output);
    assert_eq!((output.status.code(), &document["status"]), (Some(1), &json!("failed")));
    let findings = document["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 2);
    for key in ["table", "file", "problem", "found", "expected", "hint"] {
        assert!(findings[0][key].is_string(), "{key}");
    }
}

#[tokio::test]
async fn files_are_paths_that_exist_and_several_tables_are_told_apart() {
    let kept = two_runs().await;
    let output = restlake(&kept, &["files", "export.json", "--resource", "items"]);
    let lines: Vec<_> = text(&output.stdout).lines().collect();
    assert_eq!(lines.len(), 8);
    assert!(lines.iter().all(|line| Path::new(line).is_file()), "{lines:?}");
    let output = restlake(&kept, &["files", "export.json", "--version", "1", "--output", "json"]);
    let document = document(&output);
    assert_eq!((&document["table"], &document["version"]), (&json!("items"), &json!(1)));
    let output = restlake(&kept, &["files", "export.json", "--version", "7"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    assert!(text(&output.stderr).contains("no version 7"), "{}", text(&output.stderr));
}

#[tokio::test]
async fn compact_and_vacuum_say_what_they_did() {
    let kept = two_runs().await;
    snapshot("compact_text", &restlake(&kept, &["compact", "export.json"]));
    snapshot("compact_nothing", &restlake(&kept, &["compact", "export.json"]));
    let stale = "_restlake/rejects/20200101T000000000Z-0badcafe.jsonl";
    std::fs::create_dir_all(kept.table().join("_restlake/rejects")).unwrap();
    std::fs::write(kept.table().join(stale), "{}").unwrap();
    snapshot("vacuum_dry_run", &restlake(&kept, &["vacuum", "export.json", "--dry-run"]));
    assert!(kept.table().join(stale).exists());
    let output = restlake(&kept, &["vacuum", "export.json", "--output", "json"]);
    let document = document(&output);
    assert_eq!((&document["tables"][0]["bytes"], &document["dry_run"]), (&json!(2), &json!(false)));
    assert!(!kept.table().join(stale).exists());
}

#[tokio::test]
async fn a_state_goes_through_a_file_to_another_destination() {
    let kept = two_runs().await;
    let output = restlake(&kept, &["export-state", "export.json"]);
    assert_eq!(output.status.code(), Some(0));
    std::fs::write(kept.folder.path().join("state.json"), &output.stdout).unwrap();
    let import = ["import-state", "export.json", "state.json", "--destination", "elsewhere"];
    let output = restlake(&kept, &import);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    assert_eq!(text(&output.stdout), "ok: items: the state is in version 1, the table's first, without rows\n");
    let output = restlake(&kept, &["import-state", "export.json", "missing.json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("missing.json"), "{}", text(&output.stderr));
}

#[test]
fn every_command_has_examples_in_its_help_and_a_document_for_usage_errors() {
    let kept = Kept::partitioned("append");
    for command in ["status", "verify", "files", "compact", "vacuum", "export-state", "import-state"] {
        let help = restlake(&kept, &[command, "--help"]);
        assert!(text(&help.stdout).contains(&format!("restlake {command} export.yaml")), "{}", text(&help.stdout));
        let wrong = restlake(&kept, &[command, "export.json", "--nope", "--output", "json"]);
        assert_eq!((wrong.status.code(), &document(&wrong)["error"]["code"]), (Some(2), &json!("usage")), "{command}");
        let unknown =
            restlake(&kept, &[command, "export.json", "--resource", "nope", "--output", "json", "state.json"]);
        assert_eq!(unknown.status.code(), Some(if command == "import-state" { 1 } else { 2 }), "{command}");
    }
}

#[test]
fn sizes_and_durations_are_those_of_the_config() {
    let kept = Kept::partitioned("append");
    for wrong in [["vacuum", "--retain", "7"], ["compact", "--target-size", "256"], ["compact", "--target-size", "0B"]]
    {
        let output = restlake(&kept, &[wrong[0], "export.json", wrong[1], wrong[2]]);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(text(&output.stderr).contains(wrong[1]), "{}", text(&output.stderr));
    }
}

#[tokio::test]
async fn vacuum_keeps_what_is_younger_than_the_configs_retain_or_the_command_lines() {
    let mut kept = two_runs().await;
    std::fs::write(kept.table().join("_restlake/runs/20200101T000000000Z-0badcafe.json"), "{}").unwrap();
    let goes = |kept: &Kept, arguments: &[&str]| {
        let arguments = [&["vacuum", "export.json", "--dry-run", "--output", "json"], arguments].concat();
        document(&restlake(kept, &arguments))["tables"][0]["objects"].as_array().unwrap().len()
    };
    assert_eq!(goes(&kept, &[]), 1, "the default is 7d");
    kept.destination = json!({"retain": "36500d"});
    assert_eq!((goes(&kept, &[]), goes(&kept, &["--retain", "7d"])), (0, 1));
    kept.destination = json!({"retain": "1d"});
    assert_eq!((goes(&kept, &[]), goes(&kept, &["--retain", "36500d"])), (1, 0));
}

#[tokio::test]
async fn verify_of_a_table_that_does_not_exist_is_not_ok() {
    let kept = Kept::partitioned("append");
    let output = restlake(&kept, &["verify", "export.json", "--output", "json"]);
    let document = document(&output);
    assert_eq!((output.status.code(), &document["status"]), (Some(1), &json!("failed")));
    assert_eq!(document["tables"][0]["error"]["code"], "no_table");
}

#[tokio::test]
async fn what_a_dead_run_left_is_a_note_of_verify_and_no_failure() {
    let kept = two_runs().await;
    let attempt = kept.table().join("_restlake/staging/00000000000000000003-0badcafe");
    std::fs::create_dir_all(&attempt).unwrap();
    // A clock that was a year ahead, on another machine.
    let ahead = (chrono::Utc::now() + chrono::TimeDelta::days(365)).to_rfc3339();
    let owner = json!({"host": "elsewhere", "machine": "m", "pid": 1, "started": 1, "started_at": ahead, "renewed_at": ahead, "standing": "working"});
    std::fs::write(attempt.join("owner.json"), owner.to_string()).unwrap();
    let output = restlake(&kept, &["verify", "export.json", "--output", "json"]);
    let document = document(&output);
    assert_eq!((output.status.code(), &document["status"]), (Some(0), &json!("ok")));
    assert_eq!((&document["findings"], &document["notes"][0]["problem"]), (&json!([]), &json!("dead_attempt")));
    let output = restlake(&kept, &["verify", "export.json"]);
    assert!(text(&output.stdout).contains("note: items/_restlake/staging/"), "{}", text(&output.stdout));
    assert_eq!(restlake(&kept, &["vacuum", "export.json"]).status.code(), Some(0));
    assert!(!attempt.exists());
    kept.run(items(61, 70)).await;
}

#[tokio::test]
async fn tables_are_looked_at_without_the_variables_of_the_api() {
    let mut kept = two_runs().await;
    kept.resource["endpoint"] = json!({"path": "${TENANT_OF_NOBODY}/items", "params": {"key": "${KEY_OF_NOBODY}"}});
    for command in ["status", "verify", "files", "compact", "vacuum", "export-state"] {
        let output = restlake(&kept, &[command, "export.json"]);
        assert_eq!(output.status.code(), Some(0), "{command}: {}", text(&output.stderr));
    }
    let output = restlake(&kept, &["run", "export.json"]);
    assert!(text(&output.stderr).contains("TENANT_OF_NOBODY"), "a run needs them: {}", text(&output.stderr));
}

#[tokio::test]
async fn links_in_a_circle_and_files_that_are_gone_are_for_a_person_to_fix() {
    let kept = Kept::partitioned("merge");
    kept.run(items(1, 40)).await;
    std::fs::remove_file(kept.table().join(kept.first_file())).unwrap();
    let server = Server::start(list_by_offset(items(1, 40), 50, true)).await;
    let outcome = run_plan(kept.plan(server.url().as_str())).await;
    assert_eq!(outcome.kinds, [restlake::ErrorKind::User]);
    let failed = &outcome.summary.resources[0];
    assert_eq!(failed.error.as_ref().unwrap().code, "data_file_gone");
    assert_eq!((failed.table_version, failed.table_rows), (1, 40), "the table as it is");
    std::os::unix::fs::symlink("../items", kept.table().join("circle")).unwrap();
    let output = restlake(&kept, &["verify", "export.json", "--output", "json"]);
    assert_eq!(
        (output.status.code(), &document(&output)["tables"][0]["error"]["code"]),
        (Some(1), &json!("store_path"))
    );
    std::fs::remove_dir_all(kept.table()).unwrap();
    std::os::unix::fs::symlink("items", kept.table()).unwrap();
    let output = restlake(&kept, &["status", "export.json", "--output", "json"]);
    assert_eq!(
        (output.status.code(), &document(&output)["tables"][0]["error"]["code"]),
        (Some(1), &json!("store_path"))
    );
}

#[tokio::test]
async fn a_table_within_another_is_refused_and_a_renamed_pipeline_gets_its_name_back() {
    let kept = two_runs().await;
    let server = Server::start(list_by_offset(items(1, 3), 50, true)).await;
    let mut config = kept.config(server.url().as_str());
    config["name"] = json!("renamed pipeline");
    let outcome = run_plan(plan_of(&config.to_string())).await;
    let failed = &outcome.summary.resources[0];
    assert!(failed.error.as_ref().unwrap().hint.as_ref().unwrap().contains("set `name: p` at its top"), "{failed:?}");
    assert_eq!((failed.table_version, failed.table_rows), (2, 60), "the table as it is");
    for below in ["", "/deeper", "/_restlake"] {
        config["destination"]["url"] = json!(format!("{}{below}", kept.table().display()));
        let outcome = run_plan(plan_of(&config.to_string())).await;
        let error = outcome.summary.resources[0].error.as_ref().unwrap().clone();
        assert_eq!((outcome.kinds.as_slice(), error.code.as_str()), (&[restlake::ErrorKind::User][..], "nested_table"));
        assert!(error.message.contains("would lie within the table"), "{}", error.message);
    }
    assert!(server.requests().is_empty());
}
