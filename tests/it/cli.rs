//! The program as a user starts it: help, usage errors, and what goes to which stream.

use std::{
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use serde_json::json;
use tempfile::TempDir;

use crate::support::{
    server::{Gate, Reply, Server, list_by_offset, numbered_rows},
    tables::{read_table, walk},
};

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
        &["mend", "export.yaml"],
        &["run", "export.yaml", "--nope"],
        &["run", "export.yaml", "--max-pages", "0"],
        &["check", "export.yaml", "-q", "-v"],
    ];
    for arguments in wrong {
        let output = restlake(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
        assert!(text(&output.stderr).contains("--help"), "{arguments:?}: {}", text(&output.stderr));
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

/// A folder with a config in it, and a lake beside it.
struct Project {
    folder: TempDir,
}

impl Project {
    /// One resource of numbered items at `server`; `extra` is added to the resource.
    fn new(server: &str, extra: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let config = format!(
            "name: p\nclient: {{base_url: '{server}', retry: {{max_attempts: 1}}, auth: {{type: bearer, token: '${{TOKEN}}'}}}}\n\
             resources:\n  - name: items\n    endpoint: {{path: items, data_selector: data, paginator: {{type: offset, limit: 10}}}}\n    \
             schema: {{columns: [{{name: id, type: int64}}]}}\n    {extra}\n"
        );
        std::fs::write(folder.path().join("export.yaml"), config).unwrap();
        Self { folder }
    }

    fn lake(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_restlake"));
        command
            .current_dir(self.folder.path())
            .args(arguments)
            .env("TOKEN", "a-token-nobody-sees")
            .env("NO_COLOR", "1");
        command
    }

    fn output(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output().unwrap();
        for stream in [&output.stdout, &output.stderr] {
            assert!(!text(stream).contains("a-token-nobody-sees"), "{}", text(stream));
        }
        output
    }
}

async fn thirty_items() -> Server {
    Server::start(list_by_offset(numbered_rows(30), 10, true)).await
}

/// Blocking work beside the server's tasks.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_prints_its_document_and_nothing_else_on_stdout() {
    let server = thirty_items().await;
    let project = Project::new(server.url().as_str(), "");
    let (project, output) = apart(move || {
        let output = project.output(&["run", "export.yaml", "--output", "json"]);
        (project, output)
    })
    .await;
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let document = document(&output);
    assert_eq!((&document["pipeline"], &document["status"]), (&json!("p"), &json!("ok")));
    let resource = &document["resources"][0];
    for (key, wanted) in
        [("requests", 3), ("pages", 3), ("rows_fetched", 30), ("rows_written", 30), ("table_version", 1)]
    {
        assert_eq!(resource[key], wanted, "{key}");
    }
    assert_eq!(resource["cursor"], json!(null));
    let path = resource["files"][0]["path"].as_str().unwrap();
    assert!(project.lake().join(path).is_file(), "{path}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_for_people_ends_with_a_table_and_the_line_for_duckdb() {
    let server = thirty_items().await;
    let project = Project::new(server.url().as_str(), "");
    let output = apart(move || project.output(&["run", "export.yaml"])).await;
    insta::with_settings!({filters => vec![
        (r"\d+\.\d s", "[time]"), (r"run \w+-\w+", "run [id]"), (r"\d[\d.]* (B|KiB|KB|kB)", "[size]"), (r" +│", " │"), (r"─+", "─"),
    ]}, {
        insta::assert_snapshot!("run_text", text(&output.stdout));
    });
    assert_eq!(output.status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_q_a_run_that_succeeds_prints_nothing_and_one_that_fails_says_why() {
    let server = thirty_items().await;
    let project = Project::new(server.url().as_str(), "");
    let (run, check, plan, document) = apart(move || {
        let run = project.output(&["run", "export.yaml", "-q"]);
        let check = project.output(&["check", "export.yaml", "-q"]);
        let plan = project.output(&["run", "export.yaml", "-q", "--dry-run"]);
        (run, check, plan, project.output(&["run", "export.yaml", "-q", "--output", "json"]))
    })
    .await;
    for output in [run, check] {
        let said = (output.status.code(), text(&output.stdout), text(&output.stderr));
        assert_eq!(said, (Some(0), "", ""));
    }
    assert!(!plan.stdout.is_empty() && !document.stdout.is_empty(), "what was asked for is printed");
    let refusing = Server::start(|_| Reply::status(401).body("who are you")).await;
    let project = Project::new(refusing.url().as_str(), "");
    let failed = apart(move || project.output(&["run", "export.yaml", "-q"])).await;
    assert!(text(&failed.stdout).contains("401"), "{}", text(&failed.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quick_start_run_twice_says_that_rows_were_appended_and_infers_once() {
    let server = thirty_items().await;
    let folder = TempDir::new().unwrap();
    let config = format!(
        "client: {{base_url: '{}'}}\nresources:\n  - name: items\n    endpoint: {{path: items, data_selector: data, \
         paginator: {{type: offset, limit: 10}}}}\n",
        server.url()
    );
    std::fs::write(folder.path().join("export.yaml"), config).unwrap();
    let project = Project { folder };
    let (first, second) =
        apart(move || (project.output(&["run", "export.yaml"]), project.output(&["run", "export.yaml"]))).await;
    for output in [&first, &second] {
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""), "{}", text(&output.stdout));
    }
    let (first, second) = (text(&first.stdout), text(&second.stdout));
    assert!(first.contains("note: items: the schema was inferred") && !first.contains("appended"), "{first}");
    let told = "note: items: appended 30 rows to the 30 of the table, and each run appends them again: set \
                `primary_key` and `write_disposition: merge`";
    assert!(second.contains(told) && !second.contains("inferred"), "{second}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_are_summed_and_a_column_that_never_came_is_named_with_the_nearest_field() {
    let record = |id: u64| {
        if id.is_multiple_of(2) {
            json!({"id": "x", "estimateMinutes": 1})
        } else {
            json!({"id": id, "estimateMinutes": 2})
        }
    };
    let rows: Vec<_> = (0..6).map(record).collect();
    let server = Server::start(list_by_offset(rows, 10, true)).await;
    let project = Project::new(server.url().as_str(), "schema_contract: {data_type: discard_row}");
    let path = project.folder.path().join("export.yaml");
    let config = std::fs::read_to_string(&path).unwrap();
    let config =
        config.replace("type: int64}]", "type: int64}, {name: estimate, source: estimate_minutes, type: int64}]");
    std::fs::write(&path, config).unwrap();
    let output = apart(move || project.output(&["run", "export.yaml"])).await;
    let said = text(&output.stdout);
    for line in [
        "rejects: items: 3 in column `id` (expected int64): it is not a number as JSON writes numbers\n",
        "warning: items: the column `estimate` has no value in 3 rows: no record of the first page has `estimate_minutes`; did you \
         mean `estimateMinutes`?\n",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_says_how_many_rows_are_new_and_how_many_were_replaced() {
    let grown = Server::start(|request| {
        let rows = if request.number <= 1 { 3 } else { 5 };
        Reply::json(
            json!({"data": (0..rows).map(|id| json!({"id": id})).collect::<Vec<_>>(), "total": rows}).to_string(),
        )
    })
    .await;
    let project = Project::new(grown.url().as_str(), "primary_key: id\n    write_disposition: merge");
    let (first, second) =
        apart(move || (project.output(&["run", "export.yaml"]), project.output(&["run", "export.yaml"]))).await;
    let cells = |output: &Output| {
        let lines: Vec<_> = text(&output.stdout).lines().map(str::to_owned).collect();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        (words(&lines[1]), words(&lines[3]))
    };
    let (headings, row) = cells(&first);
    assert_eq!((&headings[2], &row[2]), (&"new".to_owned(), &"3".to_owned()), "{headings:?} {row:?}");
    let (headings, row) = cells(&second);
    assert_eq!(&headings[2..4], ["new", "replaced"], "{headings:?}");
    assert_eq!(&row[2..5], ["2", "3", "5"], "{row:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_sends_nothing_and_creates_nothing() {
    let server = thirty_items().await;
    let project = Project::new(server.url().as_str(), "");
    let (output, lake) =
        apart(move || (project.output(&["run", "export.yaml", "--dry-run"]), project.lake().exists())).await;
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("items"), "{}", text(&output.stdout));
    assert!(server.requests().is_empty() && !lake);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_fail_has_its_exit_code() {
    let server = Server::start(|_| Reply::json(r#"{"data": [{"id": "x"}], "total": 1}"#)).await;
    let refusing = Server::start(|_| Reply::status(401).body("who are you")).await;
    let broken = Server::start(|_| Reply::status(503)).await;
    let cases = [
        (refusing.url(), "", 1, "http_status"),
        (broken.url(), "", 3, "http_status"),
        (server.url(), "", 1, "data_mismatch"),
        (server.url(), "schema_contract: discard_row\n    max_rejects: 0", 4, "too_many_rejects"),
    ];
    for (url, extra, code, word) in cases {
        let output =
            apart(move || Project::new(url.as_str(), extra).output(&["run", "export.yaml", "--output", "json"])).await;
        let document = document(&output);
        assert_eq!((output.status.code(), &document["status"]), (Some(code), &json!("failed")), "{document:#}");
        assert_eq!(document["resources"][0]["error"]["code"], word, "{document:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_over_a_record_holds_no_more_memory_at_a_time_than_its_share() {
    let record = json!({"id": 1, "t": "Ab ".repeat(500_000)});
    let server = Server::start(list_by_offset(vec![record], 10, true)).await;
    for (made, code) in [
        ("[range(200) | $t | ascii_downcase]", 1),
        ("[range(200) | $t | ascii_downcase | length]", 0),
        ("[reduce range(8000) as $i (0; [.]) | paths]", 1),
        ("[range(400) | [range(5000)]]", 1),
    ] {
        let step = format!("processing_steps: [{{map: '.t as $t | {{id: ({made} | length)}}'}}]");
        let project = Project::new(server.url().as_str(), &step);
        let config = project.folder.path().join("export.yaml");
        std::fs::write(&config, std::fs::read_to_string(&config).unwrap() + "memory_limit: 64MB\n").unwrap();
        let output = apart(move || project.output(&["run", "export.yaml"])).await;
        assert_eq!(output.status.code(), Some(code), "{made}: {}", text(&output.stdout));
        assert_eq!(text(&output.stdout).contains("makes values that are too large"), code == 1, "{made}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_nobody_serves_is_a_passing_fault() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let output =
        apart(move || Project::new(&format!("http://127.0.0.1:{port}"), "").output(&["run", "export.yaml"])).await;
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_a_run_with_130_and_leaves_no_data() {
    let gate = Gate::default();
    let shut = gate.clone();
    let pages = list_by_offset(numbered_rows(30), 10, true);
    let server = Server::start(move |request| match request.number_param("offset") {
        Some(20) => pages(request).after(&shut),
        _ => pages(request),
    })
    .await;
    let project = Project::new(server.url().as_str(), "");
    let mut command = project.command(&["run", "export.yaml", "--output", "json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    server.requested(3).await;
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = apart(move || child.wait_with_output().unwrap()).await;
    gate.open();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    let document = document(&output);
    assert_eq!(
        (&document["status"], &document["resources"][0]["status"]),
        (&json!("interrupted"), &json!("interrupted"))
    );
    let left: Vec<String> =
        walk(&project.lake()).into_keys().filter(|path| !path.contains("/_restlake/runs/")).collect();
    assert_eq!(left, Vec::<String>::new(), "an abandoned first run leaves the record of it alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_reports_problems_with_their_places_and_asks_no_server() {
    let server = thirty_items().await;
    let good = Project::new(server.url().as_str(), "");
    let bad = Project::new(server.url().as_str(), "partition_bye: [id]");
    let (good, bad) = apart(move || {
        let check = ["check", "export.yaml", "--output", "json"];
        (good.output(&check), bad.output(&check))
    })
    .await;
    assert_eq!((good.status.code(), &document(&good)["status"]), (Some(0), &json!("ok")));
    let document = document(&bad);
    assert_eq!((bad.status.code(), &document["status"]), (Some(1), &json!("error")));
    let problem = &document["problems"][0];
    assert_eq!((&problem["file"], &problem["line"], &problem["column"]), (&json!("export.yaml"), &json!(7), &json!(5)));
    assert_eq!(problem["path"], "resources[0].partition_bye");
    assert!(problem["help"].as_str().unwrap().contains("partition_by"), "{problem}");
    assert!(server.requests().is_empty());
}

#[test]
fn the_demo_exports_with_the_real_pipeline_and_may_be_run_again() {
    let folder = TempDir::new().unwrap();
    let lake = folder.path().join("lake");
    for version in 1..=2 {
        let output =
            restlake(&["demo", "--rows", "1200", "--destination", lake.to_str().unwrap(), "--progress", "none"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains("read_parquet("), "{}", text(&output.stdout));
        let table = lake.join("test_cases");
        let files = read_table(&table);
        assert_eq!(files.iter().map(|file| file.rows.num_rows()).sum::<usize>(), 1200);
        assert!(
            files.iter().all(|file| file.path.contains(&format!("part-{version:010}-"))),
            "only the newest version"
        );
    }
}
