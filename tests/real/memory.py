#!/usr/bin/env python3
"""Runs restlake under a small `memory_limit` against answers that need much memory, and prints the peak of each run.

    python3 tests/real/memory.py [--restlake PATH] [--limit 200] [CASE…]

A case passes if its run ends with the rows that it must have or with an error that names a limit, and if its peak is no more
than the limit and 150 MB. Exits with 1 if one does not. A debug build takes 35 MB more than a release build. Needs Python 3 alone; the answers come from loopback.
"""
import argparse
import gzip
import http.server
import io
import json
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse
import zipfile
import zlib
from pathlib import Path

# In MB; by default it is the limit of the cases that are told in sizes.
LIMIT = 200
ROOT = Path(__file__).resolve().parents[2]
BESIDE_THE_LIMIT = 150
RUN_SECONDS = 600
# An error that says what is too small, and the key to raise.
LIMITS = re.compile(r"memory_limit|max_columns|max_body_size|max_depth|nested more than|answered 400")
JSON = {"Content-Type": "application/json"}
GZIP = {**JSON, "Content-Encoding": "gzip"}


def deflated(pieces, wbits=31):
    """Compresses without all pieces in memory."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return b"".join([*(compressor.compress(piece) for piece in pieces), compressor.flush()])


def single(selector="$", **more):
    return {"endpoint": {"path": "items", "paginator": "single_page", "data_selector": selector}, **more}


def by_page(**more):
    paginator = {"type": "page_number", "base_page": 1, "total_path": "pages"}
    return {"endpoint": {"path": "items", "data_selector": "data", "paginator": paginator}, **more}


def page(number, pages, rows):
    return json.dumps({"data": rows, "pages": pages}).encode()


def columns(*named):
    return {"columns": [{"name": name, "type": kind} for name, kind in named]}


# Each case: the resource (or resources), and a function from path and page number to headers and body.


def keys_50000():
    """One record of 50,000 keys."""
    body = json.dumps([{f"key_{n}": n for n in range(50_000)}]).encode()
    return single(), lambda path, number: (JSON, body)


def scalars():
    """60 million scalars in half a megabyte of gzip."""
    piece = b"1," * 1_000_000
    body = deflated([b'[{"id":1,"values":[', *[piece] * 60, b"1]}]"])
    return single(), lambda path, number: (GZIP, body)


def large_after_small(size):
    def made(path, number):
        row = {"id": number, "text": "x"} if number <= 3 else {"id": number, "text": "x" * size}
        return JSON, page(number, 11, [row])

    return by_page(), made


def growing_pages():
    """Pages of ten rows, of which the first three are small and the others nearly as large as a page may be."""
    size = LIMIT * 28_000

    def made(path, number):
        text = "x" * (size if number > 3 else 0)
        return JSON, page(number, 11, [{"id": number * 10 + n, "text": text} for n in range(10)])

    return by_page(), made


def bodies_of_240_mb():
    """Bodies of 240 MB after three small ones."""
    return large_after_small(240_000_000)


def bodies_of_50_mb():
    """Bodies of 50 MB after three small ones."""
    return large_after_small(50_000_000)


def keys_of_2_kb():
    """300,000 primary keys of 2 kB."""
    key = "k" * 2_000
    rows = lambda number: [{"id": f"{key}{number}-{row}"} for row in range(1_000)]
    return by_page(primary_key="id", write_disposition="merge"), lambda path, number: (JSON, page(number, 300, rows(number)))


def descend():
    """`$..a` on 5 MB of nested objects."""
    nested = '{"a":' * 400 + "1" + "}" * 400
    body = ("[" + ",".join([nested] * 2_100) + "]").encode()
    return single("$..a"), lambda path, number: (JSON, body)


def small_pages_ahead():
    """Many pages of 300 kB, which arrive before the first one."""
    def made(path, number):
        time.sleep(2 if number == 1 else 0)
        return JSON, page(number, 400, [{"id": number * 1_000 + row, "text": "x" * 300} for row in range(1_000)])

    return by_page(), made


def wide_csv():
    """4,000 rows of 5,000 columns as CSV, 100 MB as JSON."""
    names = ",".join(f"column_{n}" for n in range(5_000))
    row = ",".join(["7"] * 5_000)
    body = "\n".join([names, *[row] * 4_000]).encode()
    return single(), lambda path, number: ({"Content-Type": "text/csv"}, body)


def nested_deep():
    """Arrays nested 900 deep, 30 MB of them."""
    nested = "[" * 900 + "]" * 900
    body = ("[" + ",".join([f'{{"id":1,"deep":{nested}}}'] * 16_000) + "]").encode()
    return single(), lambda path, number: (JSON, body)


def long_strings():
    """One escaped string of 60 MB."""
    body = b'[{"id":1,"text":"' + b"\\n" * 30_000_000 + b'"}]'
    return single(), lambda path, number: (JSON, body)


def empty_records():
    """A record of 200 keys, and two million empty ones after it."""
    body = ("[" + json.dumps({f"key_{n}": n for n in range(200)}) + ",{}" * 2_000_000 + "]").encode()
    return single(), lambda path, number: (JSON, body)


def empty_elements():
    """A list in one record whose elements are a struct of 200 fields, and two million empty ones after it."""
    body = ('[{"id":1,"list":[' + json.dumps({f"key_{n}": n for n in range(200)}) + ",{}" * 2_000_000 + "]}]").encode()
    return single(), lambda path, number: (JSON, body)


def rejects():
    """A page of a million records, none of which fits."""
    body = ("[" + ",".join(['{"id":"x"}'] * 1_000_000) + "]").encode()
    contract = {"data_type": "discard_row"}
    return single(schema=columns(("id", "int64")), schema_contract=contract, max_rejects=10_000_000), lambda path, number: (JSON, body)


def jq_multiplies():
    """A program that makes 10,000 records of 10 kB of each of 100."""
    body = json.dumps([{"id": n, "text": "x" * 10_000} for n in range(100)]).encode()
    return single(processing_steps=[{"yield_map": "range(10000) as $n | .n = $n"}]), lambda path, number: (JSON, body)


def of_one(program):
    """A program over one record with a text of 3 MB and a list of 50,000 numbers."""
    body = json.dumps([{"id": 1, "t": "Ab " * 1_000_000, "a": list(range(50_000))}]).encode()
    return single(processing_steps=[{"map": f"{{id: ({program} | length)}}"}]), lambda path, number: (JSON, body)


def jq_texts():
    return of_one(".t as $t | [range(500) | $t | ascii_downcase]")


def jq_lists():
    return of_one(".a as $a | [range(3000) | $a | sort]")


def jq_paths():
    return of_one("[reduce range(20000) as $i (0; [.]) | paths]")


def jq_matches():
    return of_one('[.t | match("(A)(b)"; "g")]')


def family(child_rows, parent_rows, include, parent_pages=1):
    parent = {"name": "parents", **by_page()}
    parent["endpoint"] = {**parent["endpoint"], "path": "parents"}
    child = {
        "name": "items",
        "endpoint": {"path": "parents/{resources.parents.id}/items", "data_selector": "$", "paginator": "single_page"},
        "include_from_parent": include,
    }

    def made(path, number):
        if path == "/parents":
            return JSON, page(number, parent_pages, parent_rows(number))
        return JSON, json.dumps([{"n": n} for n in range(child_rows)]).encode()

    return [parent, child], made


def parents_kept():
    """20 pages of 20 parents with 1 MB for their children: 400 MB."""
    return family(0, lambda number: [{"id": number * 100 + n, "text": "x" * 1_000_000} for n in range(20)], ["text"], 20)


def included_multiplies():
    """1 MB of a parent in each of 2,000 rows of its child."""
    return family(2_000, lambda number: [{"id": 1, "text": "x" * 1_000_000}], ["text"])


def ndjson():
    """60 MB of NDJSON."""
    body = b'{"id":1,"text":"abc"}\n' * 2_800_000
    return single(), lambda path, number: ({"Content-Type": "application/x-ndjson"}, body)


def zip_download():
    """A ZIP archive with 240 MB of CSV in 300 kB."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.csv", "id,text\n" + "1,abc\n" * 40_000_000)
    body = packed.getvalue()
    return single(), lambda path, number: ({"Content-Type": "application/zip"}, body)


def gzip_download():
    """A gzip file with 200 MB of NDJSON."""
    body = deflated([b'{"id":1,"text":"abc"}\n' * 500_000] * 20)
    return single(), lambda path, number: ({"Content-Type": "application/gzip"}, body)


def utf_16():
    """60 MB in UTF-16."""
    body = ("[" + ",".join(['{"id":1,"text":"abc"}'] * 1_400_000) + "]").encode("utf-16")
    return single(), lambda path, number: ({"Content-Type": "application/json; charset=utf-16"}, body)


def many_partitions():
    """1,000 partitions of one row a page each."""
    def made(path, number):
        return JSON, page(number, 20, [{"id": number * 1_000 + n, "part": f"p{n}", "text": "x" * 200} for n in range(1_000)])

    return by_page(partition_by=["part"], schema=columns(("id", "int64"), ("part", "string"), ("text", "string"))), made


def wide_partitions():
    """1,500 columns in 100 partitions."""
    def made(path, number):
        rows = [{"part": f"p{n}", **{f"key_{k}": number * 1_000 + n for k in range(1_500)}} for n in range(100)]
        return JSON, page(number, 10, rows)

    return by_page(partition_by=["part"]), made


def columns_9000():
    """9,000 columns, of 2,000 rows in 20 pages."""
    rows = [{f"key_{k}": k for k in range(9_000)}] + [{"key_1": n} for n in range(99)]
    body = json.dumps(rows)[1:-1]

    def made(path, number):
        return JSON, f'{{"pages":20,"data":[{{"key_0":{number}}},{body}]}}'.encode()

    return by_page(), made


def nested_keys():
    """An object of a million keys in a record."""
    body = json.dumps([{"id": 1, "nested": {f"key_{n}": n for n in range(1_000_000)}}]).encode()
    return single(), lambda path, number: (JSON, body)


def tabular():
    """Rows as arrays, 20,000 of them, and columns with names of 1 kB."""
    names = ["n" * 1_000 + str(n) for n in range(50)]
    body = json.dumps({"columns": names, "rows": [list(range(50))] * 20_000}).encode()
    return single("rows"), lambda path, number: (JSON, body)


def keys_that_fit():
    """36,000 primary keys of 2 kB, nearly as many as the half of the limit holds."""
    key = "k" * 2_000
    rows = lambda number: [{"id": f"{key}{number}-{row}"} for row in range(1_000)]
    return by_page(primary_key="id", write_disposition="merge"), lambda path, number: (JSON, page(number, 36, rows(number)))


def large_children():
    """40 lists of children with a page of 15 MB each."""
    parent = {"name": "parents", **by_page()}
    parent["endpoint"] = {**parent["endpoint"], "path": "parents"}
    endpoint = {"path": "parents/{resources.parents.id}/items", "data_selector": "$", "paginator": "single_page"}
    body = json.dumps([{"n": n, "text": "x" * 15_000} for n in range(1_000)]).encode()

    def made(path, number):
        return JSON, page(number, 1, [{"id": n} for n in range(40)]) if path == "/parents" else body

    return [parent, {"name": "items", "endpoint": endpoint, "include_from_parent": ["id"]}], made


def scalars_as_records():
    """Ten million scalars that become a record each."""
    body = ("[" + ",".join(["1"] * 10_000_000) + "]").encode()
    return single(), lambda path, number: (JSON, body)


def errors_of_200_mb():
    """An error whose text is 200 MB."""
    body = b"x" * 200_000_000
    return single(), lambda path, number: ({"Content-Type": "text/plain", "status": "400"}, body)


CASES = [
    keys_50000, scalars, growing_pages, bodies_of_240_mb, bodies_of_50_mb, keys_of_2_kb, descend, small_pages_ahead, wide_csv, nested_deep,
    long_strings, empty_records, empty_elements, rejects, jq_multiplies, jq_texts, jq_lists, jq_paths, jq_matches, parents_kept, included_multiplies, ndjson,
    zip_download, gzip_download, utf_16, many_partitions, wide_partitions, columns_9000, nested_keys, tabular, keys_that_fit, large_children, scalars_as_records, errors_of_200_mb,
]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        number = int(urllib.parse.parse_qs(url.query).get("page", ["1"])[0])
        headers, body = self.server.made(url.path, number)
        try:
            self.send_response(int(headers.get("status", 200)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            # A client that does not read on is not an event.
            self.close_connection = True

    def log_message(self, *_):
        pass


def serve(case, connection):
    resources, made = case()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.made = True, made
    connection.send((resources if isinstance(resources, list) else [{"name": "items", **resources}], server.server_port))
    server.serve_forever()


def run(case, program, limit, directory):
    """Runs a case; returns the peak in MB and how it ended."""
    ours, theirs = multiprocessing.Pipe()
    # In a process of its own: what a child has taken before it is another program would count as its peak.
    server = multiprocessing.Process(target=serve, args=(case, theirs), daemon=True)
    server.start()
    try:
        resources, port = ours.recv()
        config = {
            "name": "memory",
            "memory_limit": f"{limit}MB",
            "client": {"base_url": f"http://127.0.0.1:{port}", "retry": {"max_attempts": 1}},
            "destination": {"url": "lake"},
            "resources": resources,
        }
        (directory / "memory.json").write_text(json.dumps(config))
        argv = [str(program), "run", "memory.json", "--output", "json", "--progress", "none"]
        with open(directory / "stdout", "wb") as out, open(directory / "stderr", "wb") as err:
            child = subprocess.Popen(argv, cwd=directory, stdout=out, stderr=err)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
    finally:
        server.terminate()
        server.join()
    return usage.ru_maxrss * 1024 / 1e6, outcome(child.returncode, directory)


def outcome(code, directory):
    try:
        resources = json.loads((directory / "stdout").read_text())["resources"]
    except (ValueError, KeyError):
        return False, f"exit {code}: {(directory / 'stderr').read_text()[-300:]}"
    if code == 0:
        return True, f"{resources[-1]['rows_written']} rows"
    error = next(resource["error"] for resource in resources if resource["error"])
    text = " / ".join(filter(None, [error["message"], error.get("hint")])) if isinstance(error, dict) else str(error)
    return bool(LIMITS.search(text)), text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parser.add_argument("--restlake", default=os.environ.get("RESTLAKE", target / "release/restlake"))
    parser.add_argument("--limit", type=int, default=200, help="memory_limit in MB")
    parser.add_argument("cases", nargs="*", help="names of cases; all without")
    arguments = parser.parse_args()
    globals()["LIMIT"] = arguments.limit
    program, failed = Path(arguments.restlake).resolve(), 0
    for case in CASES:
        name = case.__name__.replace("_", "-")
        if arguments.cases and name not in arguments.cases:
            continue
        with tempfile.TemporaryDirectory(prefix="restlake-memory-") as directory:
            started = time.monotonic()
            peak, (is_told, text) = run(case, program, arguments.limit, Path(directory))
        is_passed = is_told and peak <= arguments.limit + BESIDE_THE_LIMIT
        failed += not is_passed
        verdict = "ok" if is_passed else "FAILED"
        print(f"{name:20} {peak:6.0f} MB {time.monotonic() - started:5.1f} s  {verdict:6} {text}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
