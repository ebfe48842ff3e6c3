"""DuckDB, Polars, pyarrow and Spark glob the table's directory again and again, while runs change it and between a kill and
the next run: what each of them may see, and what none of them ever does.

`RESTLAKE_READERS` says how many runs there are of each disposition (6 without it).
"""
import contextlib
import json
import os
import signal
import subprocess
import threading
import time

import duckdb
import polars
import pyarrow.dataset

import kills
import lakes
import paged
import restlake
import spark

TABLE = "rows"
ROWS = 1200
RUNS = int(os.environ.get("RESTLAKE_READERS", 6))
VANISHED = ("No such file", "NoSuchFile", "does not exist", "FileNotFound", "not found", "Cannot open file", "cannot open", "FILE_NOT_EXIST")


class DuckDb:
    def rows(self, directory):
        line = f"SELECT id, status, value FROM read_parquet('{directory}/**/*.parquet', hive_types={{'status': VARCHAR}})"
        return duckdb.connect().execute(line).fetchall()


class Polars:
    def rows(self, directory):
        schema = {"status": polars.String}
        frame = polars.scan_parquet(f"{directory}/**/*.parquet", hive_partitioning=True, hive_schema=schema)
        return frame.select("id", "status", "value").collect().rows()


class PyArrow:
    def rows(self, directory):
        table = pyarrow.dataset.dataset(directory, format="parquet", partitioning="hive").to_table(["id", "status", "value"])
        return list(zip(*table.to_pydict().values()))


class Spark:
    def __init__(self, session):
        self.session = session

    def rows(self, directory):
        frame = self.session.read.schema("id long, value string, status string").parquet(str(directory))
        return [tuple(row) for row in frame.select("id", "status", "value").collect()]


def check_readers(lab):
    """Four readers in a loop during appends, replaces and merges, and at every point where a run can be cut off."""
    with spark.session(lab.directory) as session:
        readers = {"DuckDB": DuckDb(), "Polars": Polars(), "pyarrow": PyArrow(), "Spark": Spark(session)}
        for disposition in kills.DISPOSITIONS:
            check_during_runs(lab, readers, disposition)
        check_between_kill_and_run(lab, readers)


def generation(disposition, number):
    """The records that the API gives to the run of this number, from 0."""
    first = number * ROWS if disposition == "append" else 0
    return [kills.record(row, number) for row in range(first, first + ROWS)]


def values(records):
    return {(record["id"], record["status"], record["value"]) for record in records}


class Watch:
    """What the readers compare with: how many runs are over, and how many have committed, each of them once."""

    def __init__(self, disposition, directory):
        self.disposition, self.directory = disposition, directory
        self.begun, self.over, self.is_done = 0, 0, False
        self.reads, self.vanished, self.problems = {}, {}, []

    def committed(self):
        return sum(1 for _ in (self.directory / "_restlake/commits").glob("*.json"))

    def read(self, name, reader):
        while not self.is_done and not self.problems:
            over = self.over
            try:
                rows = reader.rows(self.directory)
            except Exception as problem:
                self.judge_failure(name, problem)
                continue
            committed = self.committed()
            self.reads[name] = self.reads.get(name, 0) + 1
            self.judge(name, rows, over, committed)

    def judge(self, name, rows, over, committed):
        """`over` runs were over before the read began, `committed` had committed when it ended; no other may be seen."""
        possible = set().union(*(values(generation(self.disposition, number)) for number in range(max(over - 1, 0), committed)))
        certain = set()
        if self.disposition == "append":
            possible = set().union(*(values(generation("append", number)) for number in range(committed)))
            certain = set().union(*(values(generation("append", number)) for number in range(over)))
            if len(rows) != len(set(rows)):
                self.problems.append(f"{name}: a row twice")
        elif over == committed:
            certain = possible = values(generation(self.disposition, over - 1))
        if not certain <= set(rows) <= possible:
            strange = list(set(rows) - possible)[:3]
            self.problems.append(f"{name}: {len(rows)} rows with {over} runs over and {committed} committed: strange {strange}")

    def judge_failure(self, name, problem):
        """A file may go between a reader's listing and its opening, where files are removed; nothing else may fail.

        Directories of a run's own come and go in every run, and Polars lists them too.
        """
        text = f"{type(problem).__name__}: {problem}"
        may_vanish = self.disposition != "append" or "/_restlake/" in text
        if may_vanish and any(word in text for word in VANISHED):
            self.vanished[name] = self.vanished.get(name, 0) + 1
        else:
            causes = [line for line in text.splitlines() if line.startswith("Caused by")]
            self.problems.append(f"{name}: {text[:600]} {causes}")


def check_during_runs(lab, readers, disposition):
    lake = lakes.Local(lab.directory / f"readers-{disposition}")
    watch = Watch(disposition, lake.directory / TABLE)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(paged.Server(("127.0.0.1", 0), paged.Paged))
        server.delay = 0.004
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stack.callback(server.shutdown)
        url = f"http://127.0.0.1:{server.server_port}"
        export(lab, lake, url, server, watch)
        threads = [
            threading.Thread(target=watch.read, args=(name, reader)) for name, reader in readers.items()
        ]
        [thread.start() for thread in threads]
        try:
            for _ in range(RUNS):
                export(lab, lake, url, server, watch)
                # Until every reader has seen the table at rest, with a limit for one that is stuck.
                before, deadline = dict(watch.reads), time.monotonic() + 20
                while any(watch.reads.get(name, 0) < before.get(name, 0) + 2 for name in readers) and time.monotonic() < deadline:
                    if watch.problems:
                        break
                    time.sleep(0.01)
        finally:
            watch.is_done = True
            [thread.join() for thread in threads]
    assert not watch.problems, f"{disposition}: {watch.problems[:3]}"
    assert all(watch.reads.get(name, 0) >= RUNS for name in readers), f"{disposition}: too few reads: {watch.reads}"
    print(f"  {disposition}: reads {watch.reads}, listed files that had gone {watch.vanished or 'never'}", flush=True)


def export(lab, lake, url, server, watch):
    server.rows = generation(watch.disposition, watch.begun)
    watch.begun += 1
    outcome = restlake.run(lab.directory, f"readers-{watch.disposition}", settings(url, watch.disposition, lake))
    assert outcome.code == 0, outcome.text()[-2000:]
    watch.over += 1


def settings(url, disposition, lake):
    endpoint = {"path": "/rows", "data_selector": "data", "paginator": {"type": "offset", "limit": 100, "total_path": "total"}}
    resource = {"name": TABLE, "primary_key": "id", "write_disposition": disposition, "schema": kills.SCHEMA,
                "endpoint": endpoint, "partition_by": ["status"]}
    return {"name": "readers", "client": {"base_url": url}, "resources": [resource],
            "destination": {"url": lake.url, "parquet": {"target_file_size": "4KB", "row_group_rows": 100}}}


# Where runs of a disposition stand still and are killed; only where files are removed there is a moment between removals.
CUTS = {
    "replace": ("page_fetched:5", "file_staged:2", "before_commit:1", "after_commit:1", "between_moves:2", "between_removals:2"),
    "append": ("file_staged:2", "before_commit:1", "after_commit:1", "between_moves:2"),
    "merge": ("file_staged:2", "before_commit:1", "after_commit:1", "between_moves:2", "between_removals:2"),
}


def check_between_kill_and_run(lab, readers):
    """A run stands still at a point, is killed there, and is run again; the readers look three times."""
    for disposition, points in CUTS.items():
        for point in points:
            check_cut(lab, readers, disposition, point)


def check_cut(lab, readers, disposition, point):
    first, second = generation(disposition, 0), second_generation(disposition)
    old, new = values(first), after(disposition, first, second)
    lake = lakes.Local(lab.directory / f"cut-off-{disposition}-{point.split(':')[0]}")
    with paged.serving(first) as before, paged.serving(second) as later:
        outcome = restlake.run(lab.directory, "cut-off", settings(before, disposition, lake))
        assert outcome.code == 0, outcome.text()[-2000:]
        stop_at(lab, settings(later, disposition, lake), point, lambda: look(readers, lake, point, old, new))
        look(readers, lake, point, old, new)
        outcome = restlake.run(lab.directory, "cut-off", settings(later, disposition, lake))
        assert outcome.code == 0, outcome.text()[-2000:]
    for name, reader in readers.items():
        rows = reader.rows(lake.directory / TABLE)
        assert len(rows) == len(new) and set(rows) == new, f"{disposition}, {point}: {name} reads {len(rows)} rows after the next run"
    print(f"  {disposition} cut off at {point}: {', '.join(readers)} see what they may", flush=True)


def second_generation(disposition):
    """What the run that is cut off gets; a merge meets keys that are new as well, and leaves others as they are."""
    if disposition != "merge":
        return generation(disposition, 1)
    return [kills.record(row, 1) for row in range(ROWS // 2, ROWS + ROWS // 2)]


def after(disposition, first, second):
    """The table's rows when the second run is over."""
    match disposition:
        case "append":
            return values(first + second)
        case "replace":
            return values(second)
        case "merge":
            return values({record["id"]: record for record in first + second}.values())


def stop_at(lab, config, point, meanwhile):
    """Runs until `point`, calls `meanwhile` while the program stands still there, and kills it."""
    path, pause = lab.directory / "cut-off.json", lab.directory / f"paused-{time.monotonic_ns()}"
    path.write_text(json.dumps(config))
    environment = {**os.environ, "RESTLAKE_PAUSE_AT": point, "RESTLAKE_PAUSE_FILE": str(pause)}
    child = subprocess.Popen([restlake.program(), "run", path, "--progress", "none"], cwd=lab.directory, env=environment,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        kills.wait_for(lambda: pause.exists() or child.poll() is not None)
        assert child.poll() is None, f"{point} was not reached"
        meanwhile()
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()


def look(readers, lake, point, old, new):
    """Before the first move all see the old version alone; after that both versions, and no row of neither."""
    for name, reader in readers.items():
        rows = set(reader.rows(lake.directory / TABLE))
        match point.split(":")[0]:
            case "between_moves":
                assert old <= rows <= old | new, f"{point}: {name} sees {len(rows)} rows"
            case "between_removals":
                assert new <= rows <= old | new, f"{point}: {name} sees {len(rows)} rows"
            case _:
                assert rows == old, f"{point}: {name} sees {len(rows)} rows, not the {len(old)} old ones"
