"""The program is killed, at every place where a kill could hurt and at random moments; the same command again must give
the table of a run that nobody disturbed, with nothing left over.

`RESTLAKE_KILLS` says how many kills (200 without it); `RESTLAKE_KILLS_SEED` repeats a run.
"""
import collections
import concurrent.futures
import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import lakes
import paged
import restlake
import s3

KILLS = 200
ROWS = 3000
PAGE = 100
DELAY = 0.012
WORKERS = 3
WAIT_SECONDS = 60
TABLE = "rows"
COLUMNS = ["id", "status", "value"]
DISPOSITIONS = ["append", "replace", "merge"]
# How often each point is reached before the process stands still there. The last ones only where files are removed.
POINTS = [
    ("page_fetched", 1), ("page_fetched", 17), ("file_staged", 1), ("file_staged", 6), ("checkpoint_written", 1),
    ("before_commit", 1), ("after_commit", 1), ("between_moves", 1), ("between_moves", 3),
    ("between_removals", 1), ("between_removals", 2),
]
REMOVING = {"replace", "merge"}
SCHEMA = {"columns": [{"name": name, "type": kind} for name, kind in zip(COLUMNS, ["int64", "string", "string"])]}

# A user's own files beside the data and in the hidden directories, and what a writer on another machine has staged: it
# lives as long as its lease is fresh, and deletes an attempt of its own, so that it is in nobody's way.
ATTEMPT = "_restlake/staging/00000000000000000002-0badcafe"
USERS = {
    "notes.txt": b"where readers look",
    "status=a/notes.txt": b"in a partition",
    "_restlake/notes.txt": b"beside the commits",
    "_restlake/staging/notes.txt": b"beside the attempts",
    f"{ATTEMPT}/notes.txt": b"in an attempt",
}
STAGED = f"{ATTEMPT}/part-0000000002-00000-000.parquet.staged"

Job = collections.namedtuple("Job", "number disposition store point")


def record(number, generation):
    """A row; a third of the rows move to another partition from one generation to the next."""
    return {"id": number, "status": "abcd"[(number + generation * (number % 3 == 0)) % 4], "value": f"{generation}-{number}"}


BEFORE = [record(number, 0) for number in range(ROWS)]
AFTER = [record(number, 1) for number in range(ROWS // 2, ROWS + ROWS // 2)]


def expected(disposition):
    values = lambda records: [tuple(record[column] for column in COLUMNS) for record in records]
    match disposition:
        case "append":
            return sorted(values(BEFORE) + values(AFTER))
        case "replace":
            return sorted(values(AFTER))
        case "merge":
            return sorted(values({record["id"]: record for record in BEFORE + AFTER}.values()))


def check_kills(lab):
    """At least 200 kills of the real program over append, replace and merge, on local disk and S3."""
    total = int(os.environ.get("RESTLAKE_KILLS", KILLS))
    seed = int(os.environ.get("RESTLAKE_KILLS_SEED", time.time_ns() % 1_000_000))
    with contextlib.suppress(s3.client(lab.moto).exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(lab.moto, s3.BUCKET)
    with paged.serving(BEFORE) as before, paged.serving(AFTER, DELAY) as after:
        killer = Killer(lab, before, after, seed)
        tally = killer.work(total)
    print(f"  {tally['kills']} kills (seed {seed}): {tally['paused']} at fault points, {tally['random']} at random moments,", flush=True)
    print(f"  {tally['staged']} of these after the first staged file; {tally['resumed']} runs went on from a checkpoint", flush=True)
    assert tally["kills"] >= total, f"only {tally['kills']} kills"
    assert tally["staged"] * 2 >= tally["random"], "too few kills after the first staged file"


class Killer:
    def __init__(self, lab, before, after, seed):
        self.lab, self.before, self.after = lab, before, after
        self.random = random.Random(seed)
        self.numbers = itertools.count()

    def work(self, total):
        points = [
            (disposition, store, point)
            for point in POINTS
            for disposition in DISPOSITIONS
            for store in ("local", "s3")
            if point[0] != "between_removals" or disposition in REMOVING
        ]
        tally = collections.Counter()
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as workers:
            for outcome in workers.map(self.kill, [self.job(*point) for point in points[:total]]):
                tally.update(outcome)
            assert tally["kills"] == len(points[:total]), f"of {len(points)} fault points {tally['kills']} were reached"
            while tally["kills"] < total:
                jobs = [self.job(*self.any()) for _ in range(min(total - tally["kills"], 4 * WORKERS))]
                for outcome in workers.map(self.kill, jobs):
                    tally.update(outcome)
        return tally

    def any(self):
        # Kills before anything is staged hurt least: two of three wait for the first staged file.
        moment = ("staged" if self.random.random() < 0.67 else "any", self.random.random())
        return self.random.choice(DISPOSITIONS), self.random.choice(["local", "s3"]), moment

    def job(self, disposition, store, point):
        return Job(next(self.numbers), disposition, store, point)

    def kill(self, job):
        """One table, one run that is killed, one that is not; what was counted."""
        with tempfile.TemporaryDirectory(prefix="restlake-kill-") as directory:
            directory = Path(directory)
            lake = lakes.Local(directory / "lake") if job.store == "local" else lakes.Bucket(self.lab.moto, f"kills/{job.number}")
            first = restlake.run(directory, "kill", self.settings(self.before, job, lake))
            assert first.code == 0, f"{job}: {first.text()[-2000:]}"
            planted = plant(lake)
            settings = self.settings(self.after, job, lake)
            killed, counted = self.run_and_kill(job, directory, settings, lake)
            if killed:
                self.check_again(job, directory, settings, lake, counted)
            self.check_table(job, lake, planted)
            return counted

    def settings(self, base_url, job, lake):
        endpoint = {"path": "/rows", "data_selector": "data", "paginator": {"type": "offset", "limit": PAGE, "total_path": "total"}}
        resource = {
            "name": TABLE, "primary_key": "id", "write_disposition": job.disposition, "schema": SCHEMA, "endpoint": endpoint,
            "partition_by": ["status"], "checkpoint_interval": "40ms",
        }
        destination = {"url": lake.url, "options": lake.options, "parquet": {"target_file_size": "6KB", "row_group_rows": 150}}
        client = {"base_url": base_url, "max_concurrency": 3}
        # The API moves from one run to the next, and that is a change of the config; the runs that matter have one address.
        return {"name": "kills", "client": client, "resources": [resource],
                "destination": {key: value for key, value in destination.items() if value is not None}}

    def run_and_kill(self, job, directory, settings, lake):
        """Whether the process was killed before it had told of its end, and what that counts as."""
        name, number = job.point
        pause = directory / "paused"
        environment = {**os.environ, "REAL_API_KEY": restlake.API_KEY}
        if isinstance(number, int):
            environment |= {"RESTLAKE_PAUSE_AT": f"{name}:{number}", "RESTLAKE_PAUSE_FILE": str(pause)}
        path = directory / "kill.json"
        path.write_text(json.dumps(settings))
        output = directory / "killed.out"
        with output.open("wb") as stdout:
            argv = [restlake.program(), "run", path, "--output", "json", "--progress", "none"]
            child = subprocess.Popen(argv, cwd=directory, env=environment, stdout=stdout, stderr=stdout)
            if isinstance(number, int):
                wait_for(lambda: pause.exists() or child.poll() is not None)
            else:
                if name == "staged":
                    wait_for(lambda: self.is_staged(lake) or child.poll() is not None)
                time.sleep(number * (0.25 if name == "staged" else 0.5))
            staged = name == "staged" or self.is_staged(lake)
            is_alive = child.poll() is None
            child.send_signal(signal.SIGKILL)
            child.wait()
        # A process that has told of its end has kept its word; to run again would be another run.
        with contextlib.suppress(ValueError):
            json.loads(output.read_text())
            return False, {}
        assert is_alive, f"{job}: ended by itself with {child.returncode}: {output.read_text()[-2000:]}"
        if isinstance(number, int):
            return True, {"kills": 1, "paused": 1}
        return True, {"kills": 1, "random": 1, "staged": int(staged)}

    def check_again(self, job, directory, settings, lake, counted):
        outcome = restlake.run(directory, "kill", settings)
        assert outcome.code == 0, f"{job}: the run after the kill: exit {outcome.code}: {outcome.text()[-2000:]}"
        warnings = " ".join(outcome.resource["warnings"])
        counted["resumed"] = int("resumed after" in warnings)

    def is_staged(self, lake):
        return any(name.endswith(".staged") and name != STAGED for name in lake.names(TABLE))

    def check_table(self, job, lake, planted):
        files, _ = lakes.committed(lake, TABLE)
        found = lakes.data(lake, TABLE) - set(planted)
        assert found == files, f"{job}: files and commits differ: {sorted(found ^ files)[:5]}"
        left = [name for name in lakes.leftovers(lake, TABLE) if name not in planted]
        assert not left, f"{job}: left over: {left[:5]}"
        for name, content in planted.items():
            assert name in lake.names(TABLE) and lake.read(TABLE, name) == content, f"{job}: {name} is not as it was"
        rows, wanted = lakes.rows(lake, TABLE, COLUMNS, files), expected(job.disposition)
        surplus, missing = collections.Counter(rows) - collections.Counter(wanted), collections.Counter(wanted) - collections.Counter(rows)
        assert rows == wanted, f"{job}: {len(rows)} rows, not {len(wanted)}: surplus {list(surplus)[:3]}, missing {list(missing)[:3]}"


def plant(lake):
    """Puts files of others into the table; what they hold by their names."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    owner = {"host": "another-machine", "machine": "another boot", "pid": 1, "started": 1, "started_at": now,
             "renewed_at": now, "claim": "00000000-0", "serial": 0, "standing": "clearing"}
    files = USERS | {STAGED: b"staged by a living writer", f"{ATTEMPT}/owner.json": json.dumps(owner).encode()}
    for name, content in files.items():
        lake.write(TABLE, name, content)
    return files


def wait_for(condition):
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "nothing happened within a minute"
        time.sleep(0.003)
