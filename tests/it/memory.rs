//! What the program takes of the memory, as the operating system counts it, under a small `memory_limit`.
#![cfg(target_os = "linux")]

use std::{
    fs::{self, File},
    io::Write,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::server::{Received, Reply, Server};

const LIMIT: &str = "64MB";

/// What every run may take, in MB: the limit, and 150 for the program and for what is not counted.
const MOST: u64 = 64 + 150;

/// A run that has ended.
struct Ended {
    is_success: bool,
    /// The document that it printed.
    told: String,
    /// In MB.
    peak: u64,
}

impl Ended {
    /// Asserts that the run failed with an error that holds all of these.
    fn fails_with(&self, parts: &[&str]) {
        assert!(!self.is_success, "{}", self.told);
        for part in parts {
            assert!(self.told.contains(part), "{part} in {}", self.told);
        }
        assert!(self.peak <= MOST, "the peak is {} MB", self.peak);
    }

    fn succeeds_with(&self, rows: u64) {
        assert!(self.is_success, "{}", self.told);
        let document: Value = serde_json::from_str(&self.told).unwrap();
        assert_eq!(document["resources"][0]["rows_written"], rows, "{document:#}");
        assert!(self.peak <= MOST, "the peak is {} MB", self.peak);
    }
}

/// Runs the program for one resource, or for several; `more` are keys of the top level.
async fn run(server: &Server, resource: Value, more: Value) -> Ended {
    let resources = if resource.is_array() { resource } else { json!([resource]) };
    let mut config = json!({
        "name": "p", "memory_limit": LIMIT,
        "client": {"base_url": server.url(), "max_concurrency": 8},
        "destination": {"url": "lake"},
        "resources": resources,
    });
    for (key, value) in more.as_object().unwrap() {
        config[key] = value.clone();
    }
    tokio::task::spawn_blocking(move || ended(&config)).await.unwrap()
}

fn ended(config: &Value) -> Ended {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("c.json"), config.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_restlake"));
    command.current_dir(folder.path()).args(["run", "c.json", "--output", "json"]);
    command.stdout(File::create(path("told")).unwrap()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut peak = 0;
    let status = loop {
        peak = peak.max(high_water_mark(child.id()));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        thread::sleep(Duration::from_millis(2));
    };
    Ended { is_success: status.success(), told: fs::read_to_string(path("told")).unwrap(), peak }
}

/// The most that a process has had in memory, in MB; 0 once it has ended.
fn high_water_mark(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn gzipped(text: &[u8]) -> Reply {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    let reply = Reply::status(200).header("content-type", "application/json").header("content-encoding", "gzip");
    reply.body(encoder.finish().unwrap())
}

fn object(keys: usize) -> String {
    let fields: Vec<_> = (0..keys).map(|key| format!("\"key_{key}\":{key}")).collect();
    format!("{{{}}}", fields.join(","))
}

fn single_page(selector: &str) -> Value {
    json!({"name": "items", "endpoint": {"path": "items", "paginator": "single_page", "data_selector": selector}})
}

/// Pages of ten rows by their number: three small ones, and then as many large ones, whose rows are of so many bytes.
fn growing(large: u64, bytes: usize) -> impl Fn(&Received) -> Reply {
    move |request: &Received| {
        let page = request.number_param("page").unwrap_or(1);
        let text = if page <= 3 { String::new() } else { "x".repeat(bytes) };
        let row = |index: u64| format!("{{\"id\":{},\"text\":\"{text}\"}}", page * 10 + index);
        let rows: Vec<_> = if page <= 3 + large { (0..10).map(row).collect() } else { Vec::new() };
        Reply::json(format!("{{\"data\":[{}],\"pages\":{}}}", rows.join(","), 3 + large))
    }
}

fn by_page() -> Value {
    let paginator = json!({"type": "page_number", "base_page": 1, "total_path": "pages"});
    json!({"name": "items", "endpoint": {"path": "items", "data_selector": "data", "paginator": paginator}})
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_become_large_are_all_read_within_the_limit() {
    let server = Server::start(growing(8, 1_800_000)).await;
    run(&server, by_page(), json!({})).await.succeeds_with(110);
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_pages_that_become_large_are_all_read_within_the_limit() {
    let plain = growing(4, 1_800_000);
    // Their length is known only once they are decoded.
    let server = Server::start(move |request| gzipped(&plain(request).into_bytes())).await;
    run(&server, by_page(), json!({})).await.succeeds_with(70);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_too_large_is_an_error_that_names_the_limit() {
    let server = Server::start(growing(8, 6_000_000)).await;
    let ended = run(&server, by_page(), json!({})).await;
    ended.fails_with(&["page 4", "21333333 bytes of memory", "`memory_limit`", "ask for smaller pages"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_gzip_of_very_many_values_is_an_error_that_names_the_limit() {
    let body = format!("[{{\"id\":1,\"values\":[{}1]}}]", "1,".repeat(10_000_000));
    let reply = gzipped(body.as_bytes());
    let server = Server::start(move |_| reply.clone()).await;
    let ended = run(&server, single_page("$"), json!({})).await;
    ended.fails_with(&["21333333 bytes of memory", "`memory_limit`", "ask for smaller pages"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_columns_than_a_table_may_have_are_an_error_that_names_the_limit_and_their_number() {
    let server = Server::start(|_| Reply::json(format!("[{}]", object(50_000)))).await;
    let ended = run(&server, single_page("$"), json!({})).await;
    ended.fails_with(&["items: the records have 50000 columns, and `max_columns` allows 10000", "max_columns: 50000"]);
    let ended = run(&server, single_page("$"), json!({"max_columns": 49_999})).await;
    ended.fails_with(&["items: the records have 50000 columns, and `max_columns` allows 49999"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_come_later_count_and_so_do_the_fields_of_structs() {
    let server = Server::start(|request| match request.number_param("page") {
        Some(2) => Reply::json(format!("{{\"data\":[{}],\"pages\":2}}", object(150))),
        _ => Reply::json(r#"{"data":[{"id":1}],"pages":2}"#),
    });
    let server = server.await;
    let few = json!({"max_columns": 100});
    let mut resource = by_page();
    resource["infer_rows"] = json!(1);
    run(&server, resource, few.clone()).await.fails_with(&["have 151 columns, and `max_columns` allows 100"]);
    let server = Server::start(|_| Reply::json(format!("[{{\"a\":{},\"b\":{}}}]", object(60), object(60)))).await;
    run(&server, single_page("$"), few).await.fails_with(&["have 120 columns, and `max_columns` allows 100"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_three_thousand_columns_is_written_within_the_limit() {
    let server = Server::start(|_| Reply::json(format!("[{}]", object(3_000)))).await;
    run(&server, single_page("$"), json!({})).await.succeeds_with(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_count_by_their_bytes() {
    let server = Server::start(|request| {
        let page = request.number_param("page").unwrap_or(1);
        let key = "k".repeat(2_000);
        let rows: Vec<_> = (0..1_000).map(|row| format!("{{\"id\":\"{key}{page}-{row}\"}}")).collect();
        Reply::json(format!("{{\"data\":[{}],\"pages\":50}}", rows.join(",")))
    });
    let server = server.await;
    let mut resource = by_page();
    (resource["primary_key"], resource["write_disposition"]) = (json!("id"), json!("merge"));
    let ended = run(&server, resource, json!({})).await;
    ended.fails_with(&[
        "items: ",
        "keys of its rows take",
        "keys may have 32000000, the half of `memory_limit`",
        "set `memory_limit` to",
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_selector_finds_is_bounded_by_the_limit_and_the_error_names_it() {
    let nested = format!("{}1{}", "{\"a\":".repeat(400), "}".repeat(400));
    let body = format!("{{\"rows\":[{}]}}", vec![nested; 150].join(","));
    let server = Server::start(move |_| Reply::json(body.clone())).await;
    let ended = run(&server, single_page("$..a"), json!({})).await;
    ended.fails_with(&["`data_selector: $..a` finds 60000 elements", "`memory_limit`", "name the place"]);
}

/// A server with the same answer to every request.
async fn answering(body: String) -> Server {
    Server::start(move |_| Reply::json(body.clone())).await
}

const OF_ROWS: &str = "rows or their rejects take more than 21333333 bytes of memory, the third of `memory_limit`";

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_empty_records_are_bounded_by_the_limit_and_the_error_names_it() {
    let server = answering(format!("[{}{}]", object(100), ",{}".repeat(400_000))).await;
    run(&server, single_page("$"), json!({})).await.fails_with(&["page 1", OF_ROWS, "ask for smaller pages"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn elements_of_lists_within_one_record_are_bounded_by_the_limit_and_the_error_names_it() {
    let server = answering(format!("[{{\"list\":[{}{{}}]}}]", "{},".repeat(400_000))).await;
    let fields: Vec<_> = (0..100).map(|key| format!("key_{key}: int64")).collect();
    let mut resource = single_page("$");
    let data_type = format!("list<struct<{}>>", fields.join(", "));
    resource["schema"] = json!({"columns": [{"name": "list", "type": data_type}]});
    run(&server, resource, json!({})).await.fails_with(&["page 1", OF_ROWS]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_are_bounded_by_the_limit_and_the_error_names_it() {
    let server = answering(format!("[{}{{\"id\":\"x\"}}]", "{\"id\":\"x\"},".repeat(200_000))).await;
    let mut resource = single_page("$");
    resource["schema"] = json!({"columns": [{"name": "id", "type": "int64"}]});
    (resource["schema_contract"], resource["max_rejects"]) = (json!({"data_type": "discard_row"}), json!(1_000_000));
    run(&server, resource, json!({})).await.fails_with(&["page 1", OF_ROWS]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_steps_make_of_a_page_is_bounded_by_the_limit_and_the_error_names_it() {
    let server = answering(format!("[{{\"id\":1,\"text\":\"{}\"}}]", "x".repeat(10_000))).await;
    let mut resource = single_page("$");
    resource["processing_steps"] = json!([{"yield_map": "range(10000) as $n | .n = $n"}]);
    let ended = run(&server, resource.clone(), json!({})).await;
    ended.fails_with(&["page 1, record 1", "`processing_steps`", "21333333 bytes", "`memory_limit`"]);
    // A single value that holds itself many times.
    resource["processing_steps"] = json!([{"map": ". as $r | {all: [range(10000) | $r]}"}]);
    run(&server, resource, json!({})).await.fails_with(&["`processing_steps`", "`memory_limit`"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_which_a_writer_cannot_hold_its_copies_is_an_error_that_names_the_limit_to_set() {
    let server = answering(format!("[{{\"id\":1,\"text\":\"{}\"}}]", "x".repeat(8_000_000))).await;
    let ended = run(&server, single_page("$"), json!({})).await;
    ended.fails_with(&["column `text`", "8000000 bytes", "ninth of `memory_limit`", "set `memory_limit: 72MB`"]);
    run(&server, single_page("$"), json!({"memory_limit": "73MB"})).await.succeeds_with(1);
}

fn family() -> [Value; 2] {
    let mut parents = by_page();
    (parents["name"], parents["endpoint"]["path"]) = (json!("parents"), json!("parents"));
    let path = "parents/{resources.parents.id}/items";
    let endpoint = json!({"path": path, "data_selector": "$", "paginator": "single_page"});
    [parents, json!({"name": "items", "endpoint": endpoint, "include_from_parent": ["text"]})]
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_parents_that_multiply_in_their_children_are_an_error_that_names_the_limit() {
    let server = Server::start(|request| match request.path.ends_with("/parents") {
        true => Reply::json(format!("{{\"data\":[{{\"id\":1,\"text\":\"{}\"}}],\"pages\":1}}", "x".repeat(500_000))),
        false => Reply::json(format!("[{}{{\"n\":1}}]", "{\"n\":1},".repeat(1_000))),
    });
    let ended = run(&server.await, json!(family()), json!({})).await;
    ended.fails_with(&["`include_from_parent`", "21333333 bytes", "`memory_limit`"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_parents_that_are_kept_for_children_are_bounded_by_the_limit_and_the_error_names_it() {
    let server = Server::start(|request| match request.path.ends_with("/parents") {
        true => {
            let (page, text) = (request.number_param("page").unwrap_or(1), "x".repeat(1_000_000));
            let rows: Vec<_> =
                (0..4).map(|row| format!("{{\"id\":{},\"text\":\"{text}\"}}", page * 10 + row)).collect();
            Reply::json(format!("{{\"data\":[{}],\"pages\":10}}", rows.join(",")))
        }
        false => Reply::json("[]"),
    });
    let ended = run(&server.await, json!(family()), json!({})).await;
    ended.fails_with(&["items: what it needs of 40 records of `parents`", "16000000 bytes", "`memory_limit`"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_codings_that_hold_very_much_are_an_error_that_names_the_limit() {
    let spaces = vec![b' '; 1 << 20];
    let packed = |write: &mut dyn Write, megabytes: usize| {
        write.write_all(b"[").unwrap();
        (0..megabytes).for_each(|_| write.write_all(&spaces).unwrap());
        write.write_all(b"]").unwrap();
    };
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    packed(&mut gzip, 100);
    let file = Reply::status(200).header("content-type", "application/gzip").body(gzip.finish().unwrap());
    let mut zstd = zstd::Encoder::new(Vec::new(), 1).unwrap();
    packed(&mut zstd, 400);
    let coded = Reply::status(200).header("content-type", "application/json").header("content-encoding", "zstd");
    let coded = coded.body(zstd.finish().unwrap());
    let wide: Vec<u8> = "[1] ".repeat(4_000_000).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf_16 = Reply::status(200).header("content-type", "application/json; charset=utf-16le").body(wide);
    for reply in [file, coded, utf_16] {
        let server = Server::start(move |_| reply.clone()).await;
        run(&server, single_page("$"), json!({})).await.fails_with(&["21333333 bytes of memory", "`memory_limit`"]);
    }
}
