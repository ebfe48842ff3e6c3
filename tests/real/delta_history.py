"""A Delta table of more versions than its log has between two checkpoints, partitioned by transforms, that gets columns: all
rows with the columns of the keys, and filtered queries, which readers answer with the statistics of files and partitions."""
import datetime
import decimal
import json

import duckdb
import duckdb_extensions
import paged
import pyarrow.compute as pc
import restlake
from deltalake import DeltaTable

TABLE = "rows"
RUNS = 12
ROWS = 40
START = datetime.datetime(2026, 10, 30, 22, tzinfo=datetime.timezone.utc)
# Longer than the prefix that statistics have of a text, and equal in it.
PREFIX = "ä" * 20 + "x" * 30
COLUMNS = {
    "id": "int64", "status": "string", "at": "timestamp", "price": "decimal(12,3)", "text": "string", "note": "string",
}
ADDED = {"extra": "int64", "seen": "timestamp_naive"}
PARTITIONS = [
    "status", {"column": "at", "transform": "month"}, {"column": "at", "transform": "day"},
    {"column": "id", "transform": "truncate[100]"}, {"column": "id", "transform": "bucket[2]"},
]
KEYS = ["at_month", "at_day", "id_truncate", "id_bucket"]
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def record(number):
    return {
        "id": number,
        "status": ["open", "done", None][number % 3],
        "at": START + datetime.timedelta(minutes=11 * number, microseconds=number),
        "price": decimal.Decimal(number * 1001 - 20_000).scaleb(-3),
        "text": f"{PREFIX}{number:05}",
        "note": None if number % 4 else f"note {number}",
    }


def sent(row):
    """As the API sends it."""
    return {name: value.isoformat() if isinstance(value, datetime.datetime) else str(value) if name == "price" else value
            for name, value in row.items()}


def expected(row):
    """As the table has it, with the columns of the partition keys; of the buckets only the number is known here."""
    row = {**dict.fromkeys([*COLUMNS, *ADDED]), **row}
    row |= {"at_month": f"{row['at']:%Y-%m}", "at_day": row["at"].date(), "id_truncate": row["id"] // 100 * 100}
    row["at"] = micros(row["at"])
    return row


def micros(moment):
    return (moment - EPOCH) // datetime.timedelta(microseconds=1)


def check(lab):
    lake = lab.directory / "delta-history"
    rows = [record(number) for number in range(RUNS * ROWS)]
    for number in range(RUNS):
        export(lab, lake, rows[number * ROWS : (number + 1) * ROWS], COLUMNS)
    checkpoints = sorted(path.name for path in (lake / TABLE / "_delta_log").glob("*.checkpoint.parquet"))
    assert checkpoints == [f"{10:020}.checkpoint.parquet"], checkpoints
    compare(lake, rows, COLUMNS)
    filtered(lake, rows)
    late = record(RUNS * ROWS) | {"extra": 2**40, "seen": datetime.datetime(2026, 11, 22, 10, 0, 0, 5)}
    export(lab, lake, [late], COLUMNS | ADDED)
    compare(lake, [*rows, late], COLUMNS | ADDED)
    print(f"  delta, history: {RUNS + 1} versions, {len(rows) + 1} rows, {len(conditions(rows))} filters", flush=True)


def export(lab, lake, rows, columns):
    paginator = {"type": "offset", "limit": 100, "total_path": "total"}
    resource = {
        "name": TABLE, "primary_key": "id", "write_disposition": "append", "partition_by": PARTITIONS,
        "schema": {"columns": [{"name": name, "type": kind} for name, kind in columns.items()]},
        "endpoint": {"path": "/rows", "data_selector": "data", "paginator": paginator},
    }
    with paged.serving([sent(row) for row in rows]) as url:
        settings = {"name": "history", "client": {"base_url": url}, "resources": [resource],
                    "destination": {"url": str(lake), "table_format": "delta"}}
        outcome = restlake.run(lab.directory, "delta-history", settings)
    assert outcome.code == 0 and outcome.resource["rows_written"] == len(rows), outcome.text()[-3000:]


def scan(lake):
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    duckdb_extensions.import_extension("delta", con=connection)
    connection.execute("load delta")
    return connection, f"delta_scan('{lake / TABLE}')"


def compare(lake, rows, columns):
    """Every value of every row, by both readers."""
    names = [*columns, *KEYS[:-1]]
    wanted = [[row[name] for name in names] for row in map(expected, rows)]
    connection, source = scan(lake)
    values = ", ".join('epoch_us("at")' if name == "at" else f'"{name}"' for name in names)
    found = [list(row) for row in connection.execute(f"select {values} from {source} order by id").fetchall()]
    same("DuckDB", found, wanted)
    buckets = connection.execute(f"select distinct id_bucket from {source} order by 1").fetchall()
    assert buckets == [(0,), (1,)], buckets
    table = DeltaTable(str(lake / TABLE)).to_pyarrow_table().sort_by("id")
    found = [[micros(row["at"]) if name == "at" else row[name] for name in names] for row in table.to_pylist()]
    same("deltalake", found, wanted)
    kinds = {field["name"]: field["type"] for field in json.loads(DeltaTable(str(lake / TABLE)).schema().to_json())["fields"]}
    assert [kinds[key] for key in KEYS] == ["string", "date", "decimal(20,0)", "integer"], kinds


def same(reader, found, wanted):
    assert len(found) == len(wanted), f"{reader}: {len(found)} rows, not {len(wanted)}"
    for got, row in zip(found, wanted):
        assert got == row, f"{reader}: {got}, not {row}"


def conditions(rows):
    """(column, operator, value): at the bounds of files and of the table, between them, and beyond; and null."""
    first, last, inner = rows[0], rows[-1], rows[ROWS]
    beyond = record(len(rows) + 1000)
    found = [(column, operator, row[column])
             for column in ("id", "at", "price", "text", "note") for operator in ("=", "<=", ">=", "<", ">")
             for row in (first, last, inner, beyond) if row[column] is not None]
    found += [(column, "null", None) for column in ("status", "note", "id")]
    found += [("status", "=", "open"), ("at_month", "=", "2026-11"), ("at_day", ">", START.date()), ("id_truncate", "=", 100)]
    return found


def holds(row, column, operator, value):
    found = row[column]
    if operator == "null":
        return found is None
    if found is None:
        return False
    return {"=": found == value, "<=": found <= value, ">=": found >= value, "<": found < value, ">": found > value}[operator]


def filtered(lake, rows):
    """Each filter gives both readers the ids that it gives in Python."""
    connection, source = scan(lake)
    dataset = DeltaTable(str(lake / TABLE)).to_pyarrow_dataset()
    for column, operator, value in conditions(rows):
        keyed = [row | {key: expected(row)[key] for key in KEYS[:-1]} for row in rows]
        wanted = [row["id"] for row in keyed if holds(row, column, operator, value)]
        clause = f'"{column}" is null' if operator == "null" else f'"{column}" {operator} $1'
        found = connection.execute(f"select id from {source} where {clause} order by id", [value] if value is not None else [])
        found = [number for (number,) in found.fetchall()]
        assert found == wanted, f"DuckDB: {column} {operator} {value!r}: {len(found)} rows, not {len(wanted)}"
        table = dataset.to_table(columns=["id"], filter=expression(column, operator, value, dataset.schema))
        found = sorted(table["id"].to_pylist())
        assert found == wanted, f"deltalake: {column} {operator} {value!r}: {len(found)} rows, not {len(wanted)}"


def expression(column, operator, value, schema):
    import pyarrow

    field = pc.field(column)
    if operator == "null":
        return field.is_null()
    scalar = pyarrow.scalar(value, type=schema.field(column).type)
    return {"=": field == scalar, "<=": field <= scalar, ">=": field >= scalar, "<": field < scalar, ">": field > scalar}[operator]
