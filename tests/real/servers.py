"""Servers that this project did not write, on loopback, at ports that the system chooses; each is stopped by its process."""
import contextlib
import http.server
import json
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

import table

START_SECONDS = 60
STOP_SECONDS = 10
# datasette cuts an answer at so many rows and says nothing of it but `truncated`.
DATASETTE_CAP = 1000
PAGE_QUERY = """
    select packages.*, (select count(*) from packages) as total from packages order by id limit :limit offset :offset
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(argv, url, log):
    """The process of a server, once `url` answers; whatever it answers."""
    with log.open("wb") as output:
        process = subprocess.Popen([str(part) for part in argv], stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_until_it_answers(process, url, log)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_it_answers(process, url, log):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended with {process.returncode}: {log.read_text()[-2000:]}"
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"no answer from {url} within {START_SECONDS} s: {log.read_text()[-2000:]}")


@contextlib.contextmanager
def datasette(python, database, directory):
    """Yields the base URL of datasette over `database`; the canned query `page` takes `limit` and `offset`."""
    metadata = directory / "metadata.json"
    metadata.write_text(json.dumps({"databases": {database.stem: {"queries": {"page": {"sql": PAGE_QUERY}}}}}))
    port = free_port()
    settings = {"max_returned_rows": DATASETTE_CAP, "sql_time_limit_ms": 20_000, "default_cache_ttl": 0}
    argv = [python, "-m", "datasette", "serve", "-i", database, "--metadata", metadata, "-h", "127.0.0.1", "-p", port]
    for name, value in settings.items():
        argv += ["--setting", name, value]
    with running(argv, f"http://127.0.0.1:{port}/-/versions.json", directory / "datasette.log"):
        yield f"http://127.0.0.1:{port}/{database.stem}"


def datasette_params():
    """datasette serves rows as arrays and JSON as text unless it is told otherwise."""
    structured = [column.field for column in table.STORED if column.type.structured]
    return {"_shape": "objects", "_json": structured}


@contextlib.contextmanager
def json_server(node_modules, document, directory):
    port = free_port()
    argv = ["node", node_modules / "json-server/lib/cli/bin.js", "--host", "127.0.0.1", "--port", port, "--read-only", "--quiet", document]
    with running(argv, f"http://127.0.0.1:{port}/packages/1", directory / "json-server.log"):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def moto(python, directory):
    port = free_port()
    argv = [python.parent / "moto_server", "-H", "127.0.0.1", "-p", port]
    with running(argv, f"http://127.0.0.1:{port}/moto-api/", directory / "moto.log"):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def azurite(node_modules, directory):
    """Azure's blob storage, in memory. object_store may speak a newer version of the protocol than azurite knows."""
    port = free_port()
    argv = ["node", node_modules / "azurite/dist/src/blob/main.js", "--blobHost", "127.0.0.1", "--blobPort", port]
    argv += ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
    with running(argv, f"http://127.0.0.1:{port}/", directory / "azurite.log"):
        yield f"http://127.0.0.1:{port}"


class Counting(http.server.BaseHTTPRequestHandler):
    """An API of one empty page that counts what it is asked."""

    def do_GET(self):
        self.server.requests += 1
        body = b'{"rows": []}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def counting():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Counting) as server:
        server.requests = 0
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
