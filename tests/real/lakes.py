"""A table on local disk or on S3 as a test sees it: its objects, what its commits name, what was left behind."""
import io
import json
import shutil
from pathlib import Path

import duckdb

import s3


class Local:
    """A lake in a directory."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.url, self.options = str(self.directory), None

    def names(self, table):
        root = self.directory / table
        return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}

    def read(self, table, name):
        return (self.directory / table / name).read_bytes()

    def write(self, table, name, content):
        path = self.directory / table / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def forget(self):
        shutil.rmtree(self.directory, ignore_errors=True)


class Bucket:
    """A lake below a prefix of a bucket on moto."""

    def __init__(self, endpoint, prefix):
        self.store, self.prefix = s3.client(endpoint), prefix
        self.url, self.options = f"s3://{s3.BUCKET}/{prefix}", s3.options(endpoint)

    def names(self, table):
        root = f"{self.prefix}/{table}/"
        pages = self.store.get_paginator("list_objects_v2").paginate(Bucket=s3.BUCKET, Prefix=root)
        return {item["Key"].removeprefix(root) for page in pages for item in page.get("Contents", [])}

    def read(self, table, name):
        return self.store.get_object(Bucket=s3.BUCKET, Key=f"{self.prefix}/{table}/{name}")["Body"].read()

    def write(self, table, name, content):
        self.store.put_object(Bucket=s3.BUCKET, Key=f"{self.prefix}/{table}/{name}", Body=content)

    def forget(self):
        pass


def committed(lake, table):
    """The files that the commits name, by replaying all of them."""
    names = sorted(name for name in lake.names(table) if name.startswith("_restlake/commits/"))
    files = set()
    for name in names:
        commit = json.loads(lake.read(table, name))
        files -= set(commit["removes"])
        files |= {add["path"] for add in commit["adds"]}
    return files, len(names)


def data(lake, table):
    """What a reader that globs sees."""
    return {name for name in lake.names(table) if not name.startswith("_restlake/")}


def leftovers(lake, table):
    """What a run that is over must not leave: staged files, owners, writes that were cut off."""
    return sorted(name for name in lake.names(table) if name.startswith("_restlake/staging/") or "#" in name)


def is_staged(lake, table):
    return any(name.endswith(".staged") for name in lake.names(table))


def rows(lake, table, columns, files=None):
    """The rows of the table's files as a sorted list; partition columns come from the path."""
    found = []
    for name in sorted(data(lake, table) if files is None else files):
        found += file_rows(lake.read(table, name), name, columns)
    return sorted(found)


def file_rows(content, name, columns):
    import pyarrow.parquet

    partitions = dict(part.split("=", 1) for part in name.split("/")[:-1])
    table = pyarrow.parquet.read_table(io.BytesIO(content)).to_pydict()
    count = len(next(iter(table.values())))
    values = [table[column] if column in table else [partitions[column]] * count for column in columns]
    return list(zip(*values))


def duckdb_rows(directory, columns):
    """The same through DuckDB's glob, on local disk."""
    line = f"SELECT {', '.join(columns)} FROM read_parquet('{directory}/**/*.parquet', hive_types={{'status': VARCHAR}})"
    return sorted(duckdb.sql(line).fetchall())
