"""Runs the program as a user does: a config file, the command line, the JSON summary, the exit code."""
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import table

ROOT = Path(__file__).resolve().parents[2]
RUN_SECONDS = 300
API_KEY = "real-api-key-5f2c"
COUNTED = ["rows_written", "rows_duplicate", "rows_rejected", "rows_filtered", "rows_unchanged"]


def program():
    """`$RESTLAKE`, or the release build."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = Path(os.environ.get("RESTLAKE", target / "release/restlake")).resolve()
    assert path.exists(), f"{path} does not exist: run `cargo build --release`, or name the program in RESTLAKE"
    return path


@dataclass
class Outcome:
    code: int
    # stdout as JSON, and as it was.
    document: dict
    stdout: str
    stderr: str

    @property
    def resource(self):
        return self.document["resources"][0]

    def text(self):
        return self.stdout + self.stderr


def config(base_url, endpoint, destination, *, client=None, resource=None, parquet=None, options=None):
    """A config of one resource `packages` with the whole schema; the API's key comes from the environment."""
    auth = {"type": "api_key", "name": "X-Api-Key", "api_key": "${REAL_API_KEY}", "location": "header"}
    export = {"name": "packages", "primary_key": table.PRIMARY_KEY, "write_disposition": "append", "schema": table.schema()}
    lake = {"url": str(destination), "options": options, "parquet": parquet}
    return {
        "name": "debian",
        "client": {"base_url": base_url, "auth": auth, "timeout": "60s", **(client or {})},
        "resources": [{**export, "endpoint": endpoint, **(resource or {})}],
        "destination": {name: value for name, value in lake.items() if value is not None},
    }


def run(directory, name, settings, *arguments):
    """Writes `settings` to `<directory>/<name>.json` and runs it there."""
    path = directory / f"{name}.json"
    path.write_text(json.dumps(settings, indent=2))
    return command(directory, "run", path.name, "--progress", "none", *arguments)


def command(directory, name, *arguments):
    """Runs a command on files that are there."""
    argv = [str(program()), name, *arguments, "--output", "json"]
    environment = {**os.environ, "REAL_API_KEY": API_KEY}
    child = subprocess.run(argv, cwd=directory, env=environment, capture_output=True, encoding="utf-8", timeout=RUN_SECONDS)
    assert API_KEY not in child.stdout + child.stderr, f"{arguments}, {name}: the API's key is in the output"
    try:
        document = json.loads(child.stdout)
    except ValueError:
        raise AssertionError(
            f"{arguments}, {name}: exit {child.returncode}, stdout is no JSON document: {child.stdout[:500]!r}; stderr: {child.stderr[-2000:]}"
        )
    return Outcome(child.returncode, document, child.stdout, child.stderr)


def export(directory, name, settings, rows):
    """Runs a config that must succeed with so many rows; returns the outcome."""
    outcome = run(directory, name, settings)
    assert outcome.code == 0, f"{name}: exit {outcome.code}: {outcome.stdout[-3000:]}{outcome.stderr[-3000:]}"
    check_summary(name, outcome.resource, rows)
    return outcome


def check_summary(name, summary, rows):
    assert summary["status"] == "ok" and summary["error"] is None, f"{name}: {summary}"
    assert summary["rows_fetched"] == rows, f"{name}: {summary['rows_fetched']} rows fetched of {rows}"
    assert summary["rows_written"] == rows, f"{name}: {summary['rows_written']} rows written of {rows}"
    assert summary["rows_fetched"] == sum(summary[counter] for counter in COUNTED), f"{name}: the counters do not add up: {summary}"
    assert summary["table_rows"] == rows, f"{name}: {summary['table_rows']} rows in the table, not {rows}"
    assert sum(file["rows"] for file in summary["files"]) == rows, f"{name}: the files' rows are not {rows}"


def data_files(table_directory):
    """Path → content of all files of a local table that a reader sees: all but `_restlake/`."""
    files = [path for path in table_directory.rglob("*") if path.is_file()]
    names = {path.relative_to(table_directory).as_posix(): path for path in files}
    return {name: path.read_bytes() for name, path in sorted(names.items()) if not name.startswith("_restlake/")}


def check_directory(table_directory, summary):
    """What lies in the table's directory is what the summary tells; nothing secret, nothing unfinished."""
    files = data_files(table_directory)
    told = {file["path"].removeprefix(f"{table_directory.name}/"): file["bytes"] for file in summary["files"]}
    found = {name: len(content) for name, content in files.items()}
    assert found == told, f"files differ from the summary's: {sorted(set(found.items()) ^ set(told.items()))[:5]}"
    internal = [path for path in (table_directory / "_restlake").rglob("*") if path.is_file()]
    assert not [path for path in internal if path.suffix == ".parquet"], "a file under _restlake/ ends in .parquet"
    leftovers = [path for path in internal if path.suffix == ".staged"]
    assert not leftovers, f"staged files were left behind: {leftovers[:5]}"
    for path in internal:
        assert API_KEY.encode() not in path.read_bytes(), f"{path}: the API's key is in a file"
