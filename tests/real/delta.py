"""Delta tables that the program wrote and kept, as two readers see them that are not the library it writes with."""
import json

import compare
import delta_history
import duckdb_extensions
import lab as labs
import restlake
import table
from deltalake import DeltaTable

# Pages of the export that comes before a replace and a merge: some of the rows are there already.
FIRST_PAGES = 20


def check_delta(lab):
    """An append, a replace of some rows by all, and a merge of all into some; partitions with nulls among their values.
    Then the table that was merged is looked over, one of many small files joined and vacuumed, and one of many versions read."""
    for disposition in ("append", "replace", "merge"):
        lake = lab.directory / f"delta-{disposition}"
        if disposition != "append":
            run(lab, f"delta-{disposition}-before", config(lab, lake, "append"), "--max-pages", str(FIRST_PAGES))
        check_table(lab, disposition, lake, run(lab, f"delta-{disposition}", config(lab, lake, disposition)))
    check_maintenance(lab)
    delta_history.check(lab)


def check_maintenance(lab):
    """Small files are joined; what was joined goes with a vacuum; the rows stay the same for both readers."""
    lake, name = lab.directory / "delta-inserted", "delta-inserted"
    before = run(lab, f"{name}-before", config(lab, lake, "append"), "--max-pages", str(FIRST_PAGES))
    # The rows that are there stay where they are: many partitions have two files then.
    settings = config(lab, lake, {"disposition": "merge", "strategy": "insert-only"})
    summary = run(lab, name, settings)
    summary["files"] += before["files"]
    check_table(lab, "inserted", lake, summary)

    compacted = keep(lab, name, "compact")
    assert compacted["files_removed"] > compacted["files_added"] > 0, compacted
    kept = len(summary["files"]) - compacted["files_removed"] + compacted["files_added"]
    after = {**summary, "table_version": compacted["version"], "files": [None] * kept}
    check_table(lab, "compacted", lake, after, name)

    would_go = keep(lab, name, "vacuum", "--retain", "0s", "--dry-run")["objects"]
    gone = keep(lab, name, "vacuum", "--retain", "0s")["objects"]
    files = {item["path"] for item in gone if item["path"].endswith(".parquet")}
    told = {file["path"].removeprefix("packages/") for file in summary["files"]}
    assert len(files) == compacted["files_removed"] and files < told, f"{len(files)} files went of {compacted}"
    assert {item["path"] for item in would_go} == {item["path"] for item in gone}, (would_go, gone)
    left = {path.relative_to(lake / "packages").as_posix() for path in (lake / "packages").rglob("part-*.parquet")}
    assert len(left) == kept and not left & files, f"{len(left)} files are left, {sorted(left & files)[:5]} of those that went"
    check_table(lab, "vacuumed", lake, after, name)


def config(lab, lake, disposition, **changes):
    settings = lab.partitioned_config(lake, **changes)
    settings["destination"]["table_format"] = "delta"
    settings["resources"][0]["write_disposition"] = disposition
    return settings


def run(lab, name, settings, *arguments):
    outcome = restlake.run(lab.directory, name, settings, *arguments)
    assert outcome.code == 0, f"{name}: exit {outcome.code}: {outcome.text()[-3000:]}"
    return outcome.resource


def keep(lab, name, command, *arguments):
    """What a command that keeps tables tells of the one table of a config that `run` has written."""
    outcome = restlake.command(lab.directory, command, f"{name}.json", *arguments)
    assert outcome.code == 0, f"{name}, {command}: exit {outcome.code}: {outcome.text()[-3000:]}"
    (told,) = outcome.document["tables"]
    return told | {"findings": outcome.document.get("findings", [])}


def check_table(lab, label, lake, summary, name=None):
    """The readers agree with SQLite, their logs with the summary, and `verify` finds nothing."""
    directory = lake / "packages"
    assert summary["table_rows"] == lab.count, f"{label}: {summary['table_rows']} rows, not {lab.count}"
    found = DeltaTable(str(directory))
    check_log(label, found, summary)
    for reader in (DeltaScan(directory, summary["duckdb"]), DeltaLake(found)):
        compare.check(f"delta, {label}, {reader.name}", reader, lab.database, compare.served(lab.count))
    verified = keep(lab, name or f"delta-{label}", "verify")
    assert verified["findings"] == [] and verified["rows"] == lab.count, f"{label}: {verified}"


def check_log(label, found, summary):
    """The `deltalake` package agrees with the summary on version, columns, partitions, and files."""
    assert found.version() + 1 == summary["table_version"], f"{label}: deltalake is at {found.version()}"
    assert found.metadata().partition_columns == labs.PARTITIONS, found.metadata().partition_columns
    fields = [field["name"] for field in json.loads(found.schema().to_json())["fields"]]
    assert fields == [column.name for column in table.COLUMNS], fields
    # Counted from the statistics, not from the files.
    assert found.count() == summary["table_rows"], f"{label}: deltalake counts {found.count()} rows"
    count = len(found.file_uris())
    assert count == len(summary["files"]), f"{label}: {count} files, the summary has {len(summary['files'])}"
    print(f"  delta, {label}: version {found.version()}, {count} files", flush=True)


class DeltaScan(compare.DuckDb):
    """A Delta table as DuckDB's extension reads it, with the line of the summary."""

    name = "DuckDB"

    def __init__(self, directory, line):
        super().__init__(directory)
        duckdb_extensions.import_extension("delta", con=self.connection)
        self.connection.execute("load delta")
        self.source = f"delta_scan('{directory}')"
        assert line == f"SELECT * FROM {self.source}", line


class DeltaLake:
    """A Delta table as the `deltalake` package reads it, types as the log has them."""

    name, dialect = "deltalake", "spark"

    def __init__(self, found):
        self.found = found
        self.arrow = found.to_pyarrow_table()

    def types(self):
        return {field["name"]: simple(field["type"]) for field in json.loads(self.found.schema().to_json())["fields"]}

    def nulls(self):
        return {name: column.null_count for name, column in zip(self.arrow.column_names, self.arrow.columns)}

    def rows(self):
        names = [column.name for column in table.COLUMNS]
        return [self.row(row) for row in self.arrow.select(names).sort_by("id").to_pylist()]

    def row(self, values):
        if values["stamp"] is not None:
            values["stamp"] = (values["stamp"] - table.EPOCH) // table.timedelta(microseconds=1)
        if values["others"] is not None:
            values["others"] = dict(values["others"])
        values["raw"] = json.loads(values["raw"])
        return [values[column.name] for column in table.COLUMNS]


def simple(kind):
    """A type of the log as Spark names it."""
    if isinstance(kind, str):
        return {"long": "bigint"}.get(kind, kind)
    match kind["type"]:
        case "array":
            return f"array<{simple(kind['elementType'])}>"
        case "map":
            return f"map<{simple(kind['keyType'])},{simple(kind['valueType'])}>"
    return f"struct<{','.join(field['name'] + ':' + simple(field['type']) for field in kind['fields'])}>"
