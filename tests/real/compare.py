"""Compares what a reader found in a table with SQLite: types, counts, nulls per column, then every value of every row."""
import json
import sqlite3

import duckdb

import table

SHOWN = 10


def source_rows(database, raw, limit=-1):
    """The rows of SQLite as the table must hold them, by id; `raw` makes a record of the API from a row."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        rows = connection.execute(f"select {', '.join(table.FIELDS)} from packages order by id limit ?", [limit]).fetchall()
    connection.close()
    return [table.expected(values, raw(values)) for values in rows]


def source_nulls(database):
    """Column → nulls, counted by SQLite."""
    counts = ", ".join(f"sum({field} is null)" for field in table.FIELDS)
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        found = connection.execute(f"select {counts} from packages").fetchone()
    connection.close()
    return dict(zip((column.name for column in table.STORED), found)) | {table.RAW.name: 0}


def served(total):
    """What datasette serves: the row, and the column that tells the total."""
    return lambda values: {**table.record(values), "total": total}


def check(label, reader, database, raw):
    """Compares a reader's view (`types`, `nulls`, `rows`) with SQLite; prints one line, fails with the first differences."""
    differences = type_differences(reader) + null_differences(reader, source_nulls(database))
    expected = source_rows(database, raw)
    differences += row_differences(expected, reader.rows())
    shown = "\n  ".join(differences[:SHOWN])
    assert not differences, f"{label}: {len(differences)} differences, the first are\n  {shown}"
    nulls = sum(source_nulls(database).values())
    print(f"  {label}: {len(expected)} rows × {len(table.COLUMNS)} columns agree, {nulls} nulls among them", flush=True)


def type_differences(reader):
    found, expected = reader.types(), {column.name: getattr(column.type, reader.dialect) for column in table.COLUMNS}
    return [
        f"column {name}: type {found.get(name)}, expected {expected.get(name)}"
        for name in sorted(found.keys() | expected.keys())
        if found.get(name) != expected.get(name)
    ]


def null_differences(reader, expected):
    found = reader.nulls()
    return [
        f"column {name}: {found.get(name)} nulls, SQLite has {count}" for name, count in expected.items() if found.get(name) != count
    ]


def row_differences(expected, found):
    """The values that differ, row by row; both are in the order of ids."""
    differences = [] if len(expected) == len(found) else [f"{len(found)} rows, SQLite has {len(expected)}"]
    for wanted, got in zip(expected, found):
        differences += value_differences(wanted, got)
    return differences


def value_differences(wanted, got):
    pairs = zip(table.COLUMNS, wanted, got)
    return [f"id {wanted[0]}, column {column.name}: {b!r}, SQLite has {a!r}" for column, a, b in pairs if not equal(a, b)]


def equal(wanted, got):
    """Python takes `True` for 1 and 1 for 1.0; a reader that mixes them up must not pass."""
    return type(wanted) is type(got) and wanted == got


class DuckDb:
    """A local table as DuckDB reads it."""

    dialect = "duckdb"

    def __init__(self, directory, partitions=()):
        types = ", ".join(f"'{key}': VARCHAR" for key in partitions)
        hive = f", hive_partitioning = true, hive_types = {{{types}}}" if partitions else ""
        self.source = f"read_parquet('{directory}/**/*.parquet'{hive})"
        self.connection = duckdb.connect()
        self.connection.execute("set timezone = 'UTC'")

    def types(self):
        return {name: kind for name, kind, *_ in self.connection.execute(f"describe select * from {self.source}").fetchall()}

    def nulls(self):
        counts = ", ".join(f'count(*) filter ("{column.name}" is null)' for column in table.COLUMNS)
        found = self.connection.execute(f"select {counts} from {self.source}").fetchone()
        return dict(zip((column.name for column in table.COLUMNS), found))

    def rows(self):
        values = ", ".join(self.expression(column) for column in table.COLUMNS)
        found = self.connection.execute(f"select {values} from {self.source} order by id").fetchall()
        return [[*row[:-1], json.loads(row[-1])] for row in found]

    def expression(self, column):
        return f'epoch_us("{column.name}")' if column.type is table.TIMESTAMP else f'"{column.name}"'
