"""Kinto: pages whose `Next-Page` header is the whole URL, and what has changed since the run before, deletions included."""
import base64
import json
import urllib.request

import duckdb
import restlake
import servers

RECORDS = 60
# Kinto takes so many requests in one batch.
BATCH = 25
PAGE = 7
# `basicauth` takes any user.
SETTINGS = """
[server:main]
use = egg:waitress#main
host = 127.0.0.1
port = {port}

[app:main]
use = egg:kinto
kinto.storage_backend = kinto.core.storage.memory
kinto.permission_backend = kinto.core.permission.memory
kinto.cache_backend = kinto.core.cache.memory
kinto.userid_hmac_secret = real-secret
kinto.bucket_create_principals = system.Authenticated
multiauth.policies = basicauth
multiauth.policy.basicauth.use = kinto.core.authentication.BasicAuthAuthenticationPolicy

[loggers]
keys = root

[handlers]
keys =

[formatters]
keys =

[logger_root]
handlers =
"""
AUTH = {"type": "http_basic", "username": "real", "password": "${REAL_API_KEY}"}
LIST = "/buckets/lab/collections/rows/records"


class Kinto:
    """A collection as its owner sees it."""

    def __init__(self, url):
        self.url = url
        self.ask("PUT", "/buckets/lab")
        self.ask("PUT", "/buckets/lab/collections/rows")

    def ask(self, method, path, body=None):
        token = base64.b64encode(f"real:{restlake.API_KEY}".encode()).decode()
        headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers, method=method)) as answer:
            return json.load(answer)

    def put(self, numbers, value):
        """The records of these numbers get this value, whether they are there or not."""
        requests = [
            {"method": "PUT", "path": f"{LIST}/row-{number:03}", "body": {"data": {"number": number, "value": value}}}
            for number in numbers
        ]
        for start in range(0, len(requests), BATCH):
            answers = self.ask("POST", "/batch", {"requests": requests[start : start + BATCH]})["responses"]
            assert all(answer["status"] in (200, 201) for answer in answers), answers

    def delete(self, number):
        self.ask("DELETE", f"{LIST}/row-{number:03}")

    def rows(self):
        records = self.ask("GET", LIST)["data"]
        return sorted((record["id"], record["number"], record["value"], record["last_modified"]) for record in records)


def check_kinto(lab):
    port = servers.free_port()
    settings = lab.directory / "kinto.ini"
    settings.write_text(SETTINGS.format(port=port))
    url = f"http://127.0.0.1:{port}/v1"
    argv = [lab.caches.python.parent / "kinto", "start", "--ini", settings, "--port", port]
    with servers.running(argv, f"{url}/", lab.directory / "kinto.log"):
        kinto = Kinto(url)
        kinto.put(range(RECORDS), "first")
        check_pages(lab, kinto)
        check_since(lab, kinto)


def check_pages(lab, kinto):
    """All records by `Next-Page`."""
    outcome = export(lab, kinto, "kinto-pages", {"write_disposition": "append"})
    pages = -(-RECORDS // PAGE)
    assert outcome.resource["pages"] == pages, f"{outcome.resource['pages']} pages, expected {pages}"
    expect_rows(lab, kinto, "kinto-pages")


def check_since(lab, kinto):
    """Three runs: all, what has changed (new, changed and deleted records), and nothing."""
    incremental = {"cursor_path": "last_modified", "initial_value": 0, "start_param": "_since"}
    changes = {"write_disposition": "merge", "columns": {"deleted": {"hard_delete": True}}}
    counts = []
    for number in range(3):
        if number == 1:
            kinto.put([3, 4, *range(RECORDS, RECORDS + 2 * PAGE)], "second")
            kinto.delete(5)
        outcome = export(lab, kinto, "kinto-since", changes, {"incremental": incremental})
        counts.append(outcome.resource["rows_fetched"])
        expect_rows(lab, kinto, "kinto-since")
    changed = 2 + 2 * PAGE + 1
    assert counts == [RECORDS, changed, 0], f"rows fetched: {counts}"


def export(lab, kinto, name, resource, endpoint=None):
    columns = [
        {"name": "id", "type": "string", "nullable": False},
        {"name": "number", "type": "int64"},
        {"name": "value", "type": "string"},
        {"name": "last_modified", "type": "int64"},
        {"name": "deleted", "type": "bool"},
    ]
    paginator = {"type": "header_link", "header": "Next-Page"}
    settings = {
        "name": name,
        "client": {"base_url": kinto.url, "auth": AUTH},
        "resources": [
            {
                "name": "rows",
                "primary_key": "id",
                "schema": {"columns": columns},
                "endpoint": {
                    "path": LIST,
                    "params": {"_limit": PAGE},
                    "data_selector": "data",
                    "paginator": paginator,
                    **(endpoint or {}),
                },
                **resource,
            }
        ],
        "destination": {"url": str(lab.directory / name)},
    }
    outcome = restlake.run(lab.directory, name, settings)
    assert outcome.code == 0, f"{name}: exit {outcome.code}: {outcome.text()[-3000:]}"
    return outcome


def expect_rows(lab, kinto, name):
    """The table is what Kinto holds."""
    source = f"read_parquet('{lab.directory / name}/rows/**/*.parquet')"
    found = duckdb.sql(f"select id, number, value, last_modified from {source} order by id").fetchall()
    assert found == kinto.rows(), f"{name}: {len(found)} rows, Kinto has {len(kinto.rows())}: {set(found) ^ set(kinto.rows())}"
    print(f"  {name}: {len(found)} rows agree", flush=True)
