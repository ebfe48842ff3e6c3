"""Exports from datasette and json-server to local disk, read back with DuckDB and compared with SQLite."""
import math

import compare
import lab as labs
import packages
import restlake
import servers

JSON_SERVER_PAGE = 500
CAPPED_LIMIT = 2500


def check_datasette(lab):
    """The whole table in Hive partitions, one of which has nulls among its values."""
    reader = compare.DuckDb(lab.partitioned, labs.PARTITIONS)
    compare.check("datasette, partitioned", reader, lab.database, compare.served(lab.count))


def check_capped_pages(lab):
    """datasette asked for 2,500 records gives 1,000 without a word; unpartitioned, sorted, with a Bloom filter."""
    lake = lab.directory / "capped"
    parquet = {"compression": "snappy", "row_group_rows": 20_000, "sort_by": ["section", "name"], "bloom_filter": ["name"]}
    settings = lab.datasette_config(lake, limit=CAPPED_LIMIT, parquet=parquet)
    outcome = restlake.export(lab.directory, "capped", settings, lab.count)
    restlake.check_directory(lake / "packages", outcome.resource)
    pages = math.ceil(lab.count / servers.DATASETTE_CAP)
    assert outcome.resource["pages"] >= pages, f"{outcome.resource['pages']} pages cannot hold {lab.count} rows, 1,000 a page"
    reader = compare.DuckDb(lake / "packages")
    compare.check("datasette, capped pages", reader, lab.database, compare.served(lab.count))


def check_json_server(lab):
    """Page numbers, the total in a header, an array as the whole answer; numbers as JavaScript writes them."""
    lake = lab.directory / "json-server"
    paginator = {"type": "page_number", "base_page": 1, "page_param": "_page", "total_path": None, "total_header": "X-Total-Count"}
    endpoint = {"path": "/packages", "params": {"_limit": JSON_SERVER_PAGE}, "data_selector": "$", "paginator": paginator}
    settings = restlake.config(lab.json_server, endpoint, lake, client={"max_concurrency": 4})
    outcome = restlake.export(lab.directory, "json-server", settings, lab.count)
    restlake.check_directory(lake / "packages", outcome.resource)
    compare.check("json-server", compare.DuckDb(lake / "packages"), lab.database, packages.json_record)


def check_concurrency(lab):
    """One request at a time and sixteen give the same files, byte for byte, under the same names."""
    files = {}
    for concurrency in (1, 16):
        lake = lab.directory / f"concurrency-{concurrency}"
        settings = lab.partitioned_config(lake, client={"max_concurrency": concurrency})
        restlake.export(lab.directory, f"concurrency-{concurrency}", settings, lab.count)
        files[concurrency] = restlake.data_files(lake / "packages")
    assert_same_files("max_concurrency 1", files[1], "max_concurrency 16", files[16])


def assert_same_files(label, files, other_label, others):
    differing = sorted(name for name in files.keys() | others.keys() if files.get(name) != others.get(name))
    assert files and not differing, f"{label} and {other_label}: {len(differing)} files differ, such as {differing[:5]}"
    print(f"  {label} and {other_label}: {len(files)} files are the same, byte for byte", flush=True)
