//! A source that changes while it is read: two runs against an API in which rows come, change and go between any two requests.
//!
//! ```text
//! seed ─► Scenario ─► World: rows, a clock, changes before each reply ─► run 1 ─► changes ─► run 2 ─► run 3, at rest
//!                                                                          └──────────┴─► table, summaries ─► what must hold
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::{Arc, Mutex},
};

use restlake::{ErrorKind, report::ResourceSummary, run::Outcome};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{runtime::Handle, task::JoinSet};

use crate::support::{
    pipeline::{plan_of, run_plan},
    server::{Received, Reply, Server},
    tables::{all_rows, read_table, sorted_texts},
};

/// Scenarios, and servers that play them side by side.
const SCENARIOS: u64 = 240;
const SERVERS: u64 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Id,
    Ascending,
    Descending,
    /// Rows with equal sort values have another order on each page.
    Unstable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paging {
    Offset,
    Number,
    Link,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disposition {
    Append,
    Merge,
    Replace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cursor {
    None,
    /// The API gives only rows from the cursor on.
    Filtered,
    /// The API gives all rows.
    Unfiltered,
    /// The same, and the config names the order of the API.
    Ordered,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Changes {
    None,
    /// Inserts alone.
    Inserts,
    All,
}

#[derive(Clone, Copy, Debug)]
struct Scenario {
    seed: u64,
    order: Order,
    paging: Paging,
    disposition: Disposition,
    cursor: Cursor,
    changes: Changes,
    has_total: bool,
    has_key: bool,
    concurrency: usize,
    rows: u64,
    limit: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    id: u64,
    at: u64,
    version: u64,
}

/// A page as it was answered.
#[derive(Clone, Debug)]
struct Answer {
    offset: usize,
    ids: Vec<u64>,
    total: usize,
}

struct World {
    scenario: Scenario,
    random: fastrand::Rng,
    rows: Vec<Row>,
    clock: u64,
    next_id: u64,
    /// Ids of rows that have been there from the beginning.
    throughout: BTreeSet<u64>,
    is_at_rest: bool,
    answers: Vec<Answer>,
    log: String,
}

fn pick<T: Copy>(random: &mut fastrand::Rng, all: &[T]) -> T {
    all[random.usize(..all.len())]
}

impl Scenario {
    fn new(seed: u64) -> Self {
        let random = &mut fastrand::Rng::with_seed(seed);
        let order = pick(random, &[Order::Id, Order::Ascending, Order::Descending, Order::Unstable]);
        let disposition = pick(random, &[Disposition::Append, Disposition::Merge, Disposition::Replace]);
        let cursor = pick(random, &[Cursor::None, Cursor::Filtered, Cursor::Unfiltered, Cursor::Ordered]);
        let is_ordered = matches!(order, Order::Ascending | Order::Descending);
        let cursor = match cursor {
            _ if disposition == Disposition::Replace => Cursor::None,
            Cursor::Ordered if !is_ordered => Cursor::Unfiltered,
            other => other,
        };
        let changes =
            pick(random, &[Changes::None, Changes::Inserts, Changes::All, Changes::All, Changes::All, Changes::All]);
        Self {
            seed,
            order,
            paging: pick(random, &[Paging::Offset, Paging::Number, Paging::Link]),
            disposition,
            cursor,
            changes,
            has_total: random.bool(),
            has_key: random.bool() || disposition == Disposition::Merge,
            concurrency: pick(random, &[1, 4]),
            rows: random.u64(12..=40),
            limit: random.usize(3..=7),
        }
    }

    fn config(&self, server: &Server, lake: &TempDir) -> String {
        let limit = self.limit;
        let mut paginator = match self.paging {
            Paging::Offset => json!({"type": "offset", "limit": limit}),
            Paging::Number => json!({"type": "page_number", "base_page": 1}),
            Paging::Link => json!({"type": "json_link", "next_url_path": "next"}),
        };
        if !self.has_total {
            paginator["total_path"] = Value::Null;
        }
        let mut params = json!({"limit": limit});
        if self.paging == Paging::Offset {
            params = json!({});
        }
        if self.cursor == Cursor::Filtered {
            params["since"] = json!("{incremental.start_value}");
        }
        let mut endpoint = json!({"path": "rows", "params": params, "data_selector": "data", "paginator": paginator});
        if self.cursor != Cursor::None {
            endpoint["incremental"] = json!({"cursor_path": "at", "initial_value": 0});
        }
        if self.cursor == Cursor::Ordered {
            let word = if self.order == Order::Ascending { "asc" } else { "desc" };
            endpoint["incremental"]["row_order"] = json!(word);
        }
        let disposition = match self.disposition {
            Disposition::Append => "append",
            Disposition::Merge => "merge",
            Disposition::Replace => "replace",
        };
        let mut resource = json!({
            "name": "rows", "endpoint": endpoint, "write_disposition": disposition,
            "schema": {"columns": [
                {"name": "id", "type": "int64"}, {"name": "at", "type": "int64"}, {"name": "v", "type": "int64"},
            ]},
        });
        if self.has_key {
            resource["primary_key"] = json!("id");
        }
        json!({
            "name": "p", "client": {"base_url": server.url(), "max_concurrency": self.concurrency},
            "resources": [resource], "destination": {"url": lake.path().to_str().unwrap()},
        })
        .to_string()
    }
}

impl World {
    fn new(scenario: Scenario) -> Self {
        let mut random = fastrand::Rng::with_seed(scenario.seed ^ 0x5eed);
        let mut ats: Vec<u64> = (1..=scenario.rows).collect();
        random.shuffle(&mut ats);
        if random.bool() {
            ats.iter_mut().for_each(|at| *at = at.div_ceil(2));
        }
        let rows: Vec<Row> = (1..).zip(ats).map(|(id, at)| Row { id, at, version: 0 }).collect();
        let throughout = rows.iter().map(|row| row.id).collect();
        let (clock, next_id) = (scenario.rows, scenario.rows + 1);
        let (is_at_rest, answers, log) = (false, Vec::new(), String::new());
        Self { scenario, random, rows, clock, next_id, throughout, is_at_rest, answers, log }
    }

    fn change(&mut self) {
        self.clock += u64::from(self.random.u8(..4) > 0);
        let kind = if self.scenario.changes == Changes::All { self.random.u8(..3) } else { 0 };
        let at = self.clock;
        if kind == 0 || self.rows.is_empty() {
            let row = Row { id: self.next_id, at, version: 0 };
            writeln!(self.log, "    insert {} at {at}", row.id).unwrap();
            self.next_id += 1;
            self.rows.push(row);
            return;
        }
        let place = self.random.usize(..self.rows.len());
        if kind == 1 {
            let row = &mut self.rows[place];
            self.clock += u64::from(row.at == at);
            (row.at, row.version) = (self.clock, row.version + 1);
            writeln!(self.log, "    update {} at {}", row.id, row.at).unwrap();
        } else {
            let row = self.rows.remove(place);
            self.throughout.remove(&row.id);
            writeln!(self.log, "    delete {}", row.id).unwrap();
        }
    }

    fn may_change(&mut self, one_in: u8) {
        while !self.is_at_rest && self.scenario.changes != Changes::None && self.random.u8(..one_in) == 0 {
            self.change();
        }
    }

    /// The rows in the order of the API.
    fn listed(&mut self, since: u64) -> Vec<Row> {
        let mut rows: Vec<Row> = self.rows.iter().filter(|row| row.at >= since).cloned().collect();
        match self.scenario.order {
            Order::Id => rows.sort_by_key(|row| row.id),
            Order::Ascending => rows.sort_by_key(|row| (row.at, row.id)),
            Order::Descending => rows.sort_by_key(|row| (u64::MAX - row.at, row.id)),
            Order::Unstable if self.is_at_rest => rows.sort_by_key(|row| (row.id % 3, row.id)),
            Order::Unstable => {
                self.random.shuffle(&mut rows);
                rows.sort_by_key(|row| row.id % 3);
            }
        }
        rows
    }

    fn answer(&mut self, request: &Received) -> Reply {
        self.may_change(5);
        let limit = request.number_param("limit").unwrap() as usize;
        let page = request.number_param("page").map(|page| (page as usize - 1) * limit);
        let offset = page.or(request.number_param("offset").map(|offset| offset as usize)).unwrap_or(0);
        let since = request.number_param("since").unwrap_or(0);
        let rows = self.listed(since);
        let page: Vec<&Row> = rows.iter().skip(offset).take(limit).collect();
        let mut body = json!({
            "data": page.iter().map(|row| json!({"id": row.id, "at": row.at, "v": row.version})).collect::<Vec<_>>(),
        });
        if self.scenario.has_total {
            body["total"] = rows.len().into();
        }
        if self.scenario.paging == Paging::Link {
            let next = format!("/rows?offset={}&limit={limit}&since={since}", offset + limit);
            body["next"] = if offset + limit < rows.len() { next.into() } else { Value::Null };
        }
        let ids: Vec<u64> = page.iter().map(|row| row.id).collect();
        let ats: Vec<u64> = page.iter().map(|row| row.at).collect();
        writeln!(self.log, "  {} -> {ids:?} at {ats:?} of {}", request.query, rows.len()).unwrap();
        self.answers.push(Answer { offset, ids, total: rows.len() });
        Reply::json(body.to_string())
    }
}

/// What the answers of a run show of rows that moved, by the last answer of each place that the run walked to.
#[derive(Clone, Copy, Debug, Default)]
struct Signs {
    /// An id came twice, and not at the seam of two pages.
    is_apart: bool,
    /// The total is not that of the rows that came.
    is_unequal: bool,
    /// All answers state the same total.
    is_constant: bool,
}

impl Signs {
    fn of(answers: &[Answer], scenario: &Scenario) -> Self {
        let pages: BTreeMap<usize, &Answer> = answers.iter().map(|answer| (answer.offset, answer)).collect();
        let mut signs = Self { is_constant: true, ..Self::default() };
        let (mut seen, mut count, mut before) = (BTreeSet::new(), 0, &[][..]);
        let (mut place, mut last) = (0, None);
        while let Some(page) = pages.get(&place) {
            // Answers at other places were requested ahead in vain.
            place += if scenario.paging == Paging::Offset { page.ids.len() } else { scenario.limit };
            last = Some(page.total);
            let mut sizes = (1..=page.ids.len().min(before.len())).rev();
            let seam = sizes.find(|size| before.ends_with(&page.ids[..*size])).unwrap_or(0);
            page.ids[seam..].iter().for_each(|id| signs.is_apart |= !seen.insert(*id));
            count += page.ids.len();
            before = &page.ids;
            signs.is_constant &= page.total == answers[0].total;
            if page.ids.is_empty() {
                break;
            }
        }
        let received = if scenario.has_key { seen.len() } else { count };
        signs.is_unequal = last.is_some_and(|total| total != received);
        signs
    }
}

/// A run, and the table after it.
struct Ran {
    outcome: Outcome,
    signs: Signs,
    table: Table,
}

impl Ran {
    fn summary(&self) -> &ResourceSummary {
        &self.outcome.summary.resources[0]
    }

    fn is_loud(&self) -> bool {
        matches!(self.word(), "exit 3" | "exit 6" | "repeated page" | "false" | "null, warned")
    }

    fn word(&self) -> &'static str {
        let ResourceSummary { complete, warnings, notes, .. } = self.summary();
        match (self.outcome.kinds.first(), complete) {
            (Some(ErrorKind::Transient), _) => "exit 3",
            // A whole page came in before the second one: by all that is known, the API ignores the position.
            (Some(ErrorKind::User), _) if self.is_repeated() => "repeated page",
            (Some(ErrorKind::Incomplete), _) => "exit 6",
            (Some(_), _) => "another exit",
            (None, Some(true)) if warnings.is_empty() => "true",
            (None, Some(true)) => "true, warned",
            (None, Some(false)) => "false",
            (None, None) if !warnings.is_empty() => "null, warned",
            (None, None) if !notes.is_empty() => "null, noted",
            (None, None) => "null, silent",
        }
    }

    fn is_repeated(&self) -> bool {
        self.summary().error.as_ref().is_some_and(|error| error.message.contains("as the page before it"))
    }

    fn told(&self) -> String {
        let ResourceSummary { cursor, warnings, notes, error, .. } = self.summary();
        let error = error.as_ref().map(|error| &error.message);
        format!("  => {}, cursor {cursor:?}, warnings {warnings:?}, notes {notes:?}, error {error:?}\n", self.word())
    }

    fn lacks(&self, ids: &BTreeSet<u64>) -> Vec<u64> {
        let found: BTreeSet<u64> = self.table.iter().map(|(id, _)| *id).collect();
        ids.difference(&found).copied().collect()
    }
}

/// Ids and `at` of all rows, sorted.
type Table = Vec<(u64, u64)>;

fn table(lake: &TempDir) -> Table {
    let root = lake.path().join("rows");
    let files = if root.exists() { read_table(&root) } else { Vec::new() };
    let rows = if files.is_empty() { Vec::new() } else { sorted_texts(&all_rows(&files), &["id", "at"]) };
    let number = |text: &Option<String>| text.as_ref().unwrap().parse().unwrap();
    let mut rows: Table = rows.iter().map(|row| (number(&row[0]), number(&row[1]))).collect();
    rows.sort_unstable();
    rows
}

/// The words of the runs, and what does not hold with all that happened.
async fn play(server: &Server, shared: &Mutex<World>, seed: u64) -> Played {
    let scenario = Scenario::new(seed);
    *shared.lock().unwrap() = World::new(scenario);
    let lake = TempDir::new().unwrap();
    let config = scenario.config(server, &lake);
    let mut runs = Vec::new();
    // The third run, of a source at rest, shows what the cursor has left behind.
    for number in 1..=if scenario.cursor == Cursor::None { 2 } else { 3 } {
        {
            let mut world = shared.lock().unwrap();
            world.answers.clear();
            world.is_at_rest = number == 3;
            writeln!(world.log, "run {number}").unwrap();
        }
        let outcome = run_plan(plan_of(&config)).await;
        let mut world = shared.lock().unwrap();
        let ran = Ran { outcome, signs: Signs::of(&world.answers, &scenario), table: table(&lake) };
        world.log.push_str(&ran.told());
        if number == 1 {
            world.may_change(2);
        }
        runs.push(ran);
    }
    let world = shared.lock().unwrap();
    let faults = [alarms(&scenario, &runs), losses(&world, &runs), doubles(&scenario, &runs)].concat();
    let failed = (!faults.is_empty()).then(|| format!("{scenario:?}\n{faults:#?}\n{}", world.log));
    ([runs[0].word(), runs[1].word()], failed)
}

type Played = ([&'static str; 2], Option<String>);

/// Ends that no run may have, and words where nothing is amiss.
fn alarms(scenario: &Scenario, runs: &[Ran]) -> Vec<String> {
    let is_still = scenario.changes == Changes::None && scenario.order != Order::Unstable;
    // The last page may be answered before a row comes to it, and the page before it with the total after that.
    let is_in_order = scenario.concurrency == 1 || !scenario.has_total;
    let is_appended = scenario.changes == Changes::Inserts && scenario.order == Order::Id && is_in_order;
    let ends_early = |ran: &Ran| scenario.cursor == Cursor::Ordered && ran.word() == "null, noted";
    let is_wrong = |ran: &&Ran| {
        matches!(ran.word(), "another exit" | "true, warned" | "null, silent")
            || (is_still || is_appended) && ran.word() != "true" && !ends_early(ran)
    };
    runs.iter().filter(is_wrong).map(|ran| format!("a run should not end so: {}", ran.word())).collect()
}

/// Rows that have been there throughout and are not in the table, though the answers show that rows moved and no run says so.
fn losses(world: &World, runs: &[Ran]) -> Vec<String> {
    let scenario = &world.scenario;
    // Rows before the cursor are left out before anything is known of their keys.
    let sees_all = |number: usize| number == 0 || matches!(scenario.cursor, Cursor::None | Cursor::Filtered);
    let shows = |(number, ran): (usize, &Ran)| {
        let Signs { is_apart, is_unequal, .. } = ran.signs;
        scenario.has_key && is_apart && sees_all(number) || scenario.has_total && is_unequal
    };
    let is_loud = runs[..2].iter().any(Ran::is_loud);
    // Rows that come in lose none, whatever is known.
    let none_goes = scenario.changes == Changes::Inserts && scenario.order != Order::Unstable;
    let shows_any = none_goes || runs[..2].iter().enumerate().any(shows);
    let lost = runs[1].lacks(&world.throughout);
    let mut faults = Vec::new();
    if !lost.is_empty() && !is_loud && shows_any {
        faults.push(format!("lost without a word: {lost:?}"));
    }
    // What a run is loud about is not behind the cursor: once nothing changes any more, it comes.
    if let Some(rest) = runs.get(2).filter(|rest| rest.outcome.kinds.is_empty()) {
        let lost = rest.lacks(&world.throughout);
        let all_show = scenario.has_key && runs[..2].iter().all(Ran::is_loud);
        if !lost.is_empty() && all_show {
            faults.push(format!("lost for good: {lost:?}"));
        }
    }
    faults
}

/// Rows that are in the table twice.
fn doubles(scenario: &Scenario, runs: &[Ran]) -> Vec<String> {
    let mut faults = Vec::new();
    let appends = scenario.disposition == Disposition::Append;
    // Without a key, rows that are alike are rows of their own unless they come at a seam and no total explains them.
    let is_known = |ran: &Ran| {
        let is_explained = scenario.has_total && ran.signs.is_constant;
        scenario.has_key || scenario.order != Order::Unstable && !ran.signs.is_apart && !is_explained
    };
    let are_known = runs.iter().all(is_known);
    for (number, ran) in (1..).zip(runs) {
        let ids: BTreeSet<u64> = ran.table.iter().map(|(id, _)| *id).collect();
        let versions: BTreeSet<_> = ran.table.iter().collect();
        if scenario.has_key && (!appends || number == 1) && ids.len() < ran.table.len() {
            faults.push(format!("after run {number} a key is in the table twice: {:?}", ran.table));
        }
        if appends && scenario.cursor != Cursor::None && are_known && versions.len() < ran.table.len() {
            faults.push(format!("after run {number} a version is in the table twice: {:?}", ran.table));
        }
    }
    faults
}

/// Plays the scenarios of these seeds, one after the other, on a server of its own.
async fn play_all(seeds: Vec<u64>) -> Vec<Played> {
    let shared = Arc::new(Mutex::new(World::new(Scenario::new(0))));
    let world = Arc::clone(&shared);
    let server = Server::start(move |request| world.lock().unwrap().answer(request)).await;
    let mut ended = Vec::new();
    for seed in seeds {
        ended.push(play(&server, &shared, seed).await);
    }
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_moving_source_are_in_the_table_or_a_run_says_so() {
    // To play others, or one that failed: `MOVING=47..48`.
    let (from, to) = std::env::var("MOVING").map_or((0, SCENARIOS), |text| {
        let (from, to) = text.split_once("..").unwrap();
        (from.parse().unwrap(), to.parse().unwrap())
    });
    let mut playing = JoinSet::new();
    for server in 0..SERVERS {
        let (seeds, runtime) = ((from..to).filter(|seed| seed % SERVERS == server).collect(), Handle::current());
        playing.spawn_blocking(move || runtime.block_on(play_all(seeds)));
    }
    let (mut words, mut failed) = (BTreeMap::<_, u32>::new(), Vec::new());
    for (ended, fault) in playing.join_all().await.into_iter().flatten() {
        *words.entry(ended).or_default() += 1;
        failed.extend(fault);
    }
    println!("{words:#?}");
    assert!(failed.is_empty(), "{} scenarios failed\n{}", failed.len(), failed.join("\n"));
    // The model reaches all that it is about.
    for word in ["true", "null, warned", "null, noted", "exit 3"] {
        assert!(words.keys().any(|ended| ended.contains(&word)), "no run ends with `{word}`");
    }
}
