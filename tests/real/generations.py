"""Runs that follow one another on one table, from an API whose rows change from run to run, and what the table must be."""
import collections
import contextlib
import json
import os
import subprocess
import threading

import kills
import lakes
import paged
import restlake

TABLE = kills.TABLE
COLUMNS = kills.COLUMNS
DISPOSITIONS = kills.DISPOSITIONS
ROWS = 200
PAGE = 40
# A merge meets so many keys that are new, and leaves as many that it does not name.
NEW = 50


class History:
    """A table of one disposition on one lake."""

    def __init__(self, directory, lake, disposition):
        self.directory, self.lake, self.disposition = directory, lake, disposition
        self.number = 0
        self.expected = []
        # Rows of files that were read before: no file's content ever changes.
        self.known = {}

    @contextlib.contextmanager
    def serving(self):
        with paged.Server(("127.0.0.1", 0), paged.Paged) as server:
            server.rows, server.delay = [], 0.0
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.server = server
            try:
                yield self
            finally:
                server.shutdown()

    def run(self):
        """One run with the rows of the next generation; what the table must be from then on is in `expected`."""
        step = ROWS if self.disposition == "append" else NEW
        first = self.number * step
        records = [kills.record(row, self.number) for row in range(first, first + ROWS)]
        self.number += 1
        self.before, self.expected = self.expected, self.after(records)
        self.server.rows = records
        return self.again()

    def after(self, records):
        rows = [tuple(record[column] for column in COLUMNS) for record in records]
        match self.disposition:
            case "append":
                return sorted(self.expected + rows)
            case "replace":
                return sorted(rows)
            case "merge":
                return sorted({row[0]: row for row in self.expected + rows}.values())

    def again(self):
        """The same command once more."""
        return restlake.run(self.directory, self.name(), self.settings())

    def name(self):
        return f"generations-{self.lake.prefix.replace('/', '-')}"

    def settings(self):
        paginator = {"type": "offset", "limit": PAGE, "total_path": "total"}
        resource = {
            "name": TABLE, "primary_key": "id", "write_disposition": self.disposition, "schema": kills.SCHEMA,
            "endpoint": {"path": "/rows", "data_selector": "data", "paginator": paginator}, "partition_by": ["status"],
        }
        destination = {"url": self.lake.url, "options": self.lake.options,
                       "parquet": {"target_file_size": "2KB", "row_group_rows": 20}}
        client = {"base_url": f"http://127.0.0.1:{self.server.server_port}"}
        return {"name": "generations", "client": client, "resources": [resource], "destination": destination}

    def check(self, expected=None):
        """The files are those that the commits name, and hold the rows that are expected, each once."""
        files, _ = lakes.committed(self.lake, TABLE)
        found = lakes.data(self.lake, TABLE)
        assert found == files, f"{self.name()}: files and commits differ: {sorted(found ^ files)[:5]}"
        for name in files - self.known.keys():
            self.known[name] = lakes.file_rows(self.lake.read(TABLE, name), name, COLUMNS)
        rows = collections.Counter(row for name in files for row in self.known[name])
        wanted = collections.Counter(self.expected if expected is None else expected)
        surplus, missing = list(rows - wanted)[:3], list(wanted - rows)[:3]
        assert rows == wanted, f"{self.name()}: {rows.total()} rows, not {wanted.total()}: surplus {surplus}, missing {missing}"

    def versions(self):
        return lakes.committed(self.lake, TABLE)[1]

    def verify(self):
        """`restlake verify`, which reads all files, finds nothing; and nothing is left of runs that are over."""
        path = self.directory / f"{self.name()}.json"
        argv = [restlake.program(), "verify", path, "--output", "json"]
        child = subprocess.run(argv, cwd=self.directory, env=dict(os.environ), capture_output=True, encoding="utf-8",
                               timeout=restlake.RUN_SECONDS)
        assert child.returncode == 0, f"{self.name()}: verify: exit {child.returncode}: {child.stdout[-2000:]}{child.stderr[-2000:]}"
        assert json.loads(child.stdout)["findings"] == [], child.stdout[-2000:]
        leftovers = lakes.leftovers(self.lake, TABLE)
        assert not leftovers, f"{self.name()}: left over: {leftovers[:5]}"
