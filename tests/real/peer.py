"""The same config through dlt and through restlake, and the rows of both, flat columns only, under dlt's names."""
import copy
import os

os.environ.update(RUNTIME__LOG_LEVEL="CRITICAL", RUNTIME__DLTHUB_TELEMETRY="false")

import dlt
import duckdb
import restlake
from dlt.sources.rest_api import rest_api_source

# dlt's own columns, and those it makes of nested objects: there is nothing to compare them with.
FOREIGN = ("_dlt_", "__")
NESTED = ("STRUCT", "MAP")


class Pair:
    """A pipeline of each under one name; both keep what they know between runs."""

    def __init__(self, directory, name, config):
        self.directory, self.name, self.config = directory / f"dlt-{name}", name, config
        self.directory.mkdir()
        self.database, self.lake = self.directory / "dlt.duckdb", self.directory / "lake"

    def run_dlt(self):
        """dlt changes the config that it is given: it gets a copy."""
        destination = dlt.destinations.duckdb(str(self.database))
        pipelines = str(self.directory / "pipelines")
        pipeline = dlt.pipeline(self.name, destination=destination, dataset_name="d", pipelines_dir=pipelines)
        pipeline.run(rest_api_source(copy.deepcopy(self.config)))

    def fails_in_dlt(self):
        """What dlt says when it fails, which it must."""
        try:
            self.run_dlt()
        except Exception as failure:
            return str(failure)
        raise AssertionError(f"{self.name}: dlt does not fail")

    def run_restlake(self, code=0, **changes):
        """The config as it stands, but for the names and for the destination."""
        settings = {**self.config, "name": self.name, "naming": "snake_case", "destination": {"url": str(self.lake)}, **changes}
        outcome = restlake.run(self.directory, "config", settings)
        assert outcome.code == code, f"{self.name}: exit {outcome.code}: {outcome.text()[-4000:]}"
        return outcome

    def run(self):
        self.run_dlt()
        return self.run_restlake()

    def dlt_rows(self, table):
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return rows(connection, f"d.{table}")

    def restlake_rows(self, table):
        with duckdb.connect() as connection:
            return rows(connection, f"read_parquet('{self.lake / table}/**/*.parquet')")

    def compare(self, table, count):
        """Both have these many rows, and the same ones."""
        ours, theirs = self.restlake_rows(table), self.dlt_rows(table)
        assert len(theirs) == count, f"{table}: dlt has {len(theirs)} rows, expected {count}"
        assert ours == theirs, f"{table}: restlake has {len(ours)} rows: {ours[:3]}; dlt has {len(theirs)}: {theirs[:3]}"
        print(f"  {self.name}, {table}: {count} rows × {len(ours[0])} columns agree", flush=True)


def rows(connection, source):
    """The flat columns of all rows by name, in an order that does not depend on who wrote them."""
    connection.execute("set timezone = 'UTC'")
    kinds = connection.execute(f"describe select * from {source}").fetchall()
    names = sorted(name for name, kind, *_ in kinds if is_flat(name, kind))
    chosen = ", ".join(f'"{name}"' for name in names)
    found = connection.execute(f"select {chosen} from {source}").fetchall()
    return sorted((tuple(zip(names, row)) for row in found), key=repr)


def is_flat(name, kind):
    return not any(mark in name for mark in FOREIGN) and not kind.startswith(NESTED) and not kind.endswith("[]")
