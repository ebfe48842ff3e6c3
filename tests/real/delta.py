"""Delta tables that the program wrote, as two readers see them that are not the library it writes with."""
import json

import compare
import duckdb_extensions
import lab as labs
import restlake
import table
from deltalake import DeltaTable

# Pages of the export that comes before a replace and a merge: some of the rows are there already.
FIRST_PAGES = 20


def check_delta(lab):
    """An append, a replace of some rows by all, and a merge of all into some; partitions with nulls among their values."""
    for disposition in ("append", "replace", "merge"):
        lake = lab.directory / f"delta-{disposition}"
        if disposition != "append":
            run(lab, f"delta-{disposition}-before", config(lab, lake, "append"), "--max-pages", str(FIRST_PAGES))
        summary = run(lab, f"delta-{disposition}", config(lab, lake, disposition))
        assert summary["table_rows"] == lab.count, f"{disposition}: {summary['table_rows']} rows, not {lab.count}"
        directory = lake / "packages"
        compare.check(f"delta, {disposition}, DuckDB", DeltaScan(directory), lab.database, compare.served(lab.count))
        check_with_deltalake(disposition, directory, summary)


def config(lab, lake, disposition):
    settings = lab.partitioned_config(lake)
    settings["destination"]["table_format"] = "delta"
    settings["resources"][0]["write_disposition"] = disposition
    return settings


def run(lab, name, settings, *arguments):
    outcome = restlake.run(lab.directory, name, settings, *arguments)
    assert outcome.code == 0, f"{name}: exit {outcome.code}: {outcome.text()[-3000:]}"
    return outcome.resource


class DeltaScan(compare.DuckDb):
    """A Delta table as DuckDB's extension reads it."""

    def __init__(self, directory):
        super().__init__(directory)
        duckdb_extensions.import_extension("delta", con=self.connection)
        self.connection.execute("load delta")
        self.source = f"delta_scan('{directory}')"


def check_with_deltalake(disposition, directory, summary):
    """The `deltalake` package agrees on version, columns, partitions and rows, of each file and of the table."""
    found = DeltaTable(str(directory))
    assert found.version() + 1 == summary["table_version"], f"{disposition}: deltalake is at {found.version()}"
    assert found.metadata().partition_columns == labs.PARTITIONS, found.metadata().partition_columns
    fields = [field["name"] for field in json.loads(found.schema().to_json())["fields"]]
    assert fields == [column.name for column in table.COLUMNS], fields
    rows = found.count()
    assert rows == summary["table_rows"], f"{disposition}: deltalake counts {rows} rows, the summary {summary['table_rows']}"
    print(f"  delta, {disposition}, deltalake: version {found.version()}, {rows} rows in {len(found.file_uris())} files", flush=True)
