"""A paged API on loopback, whose rows the test decides: `GET /rows?offset=…&limit=…` gives `{"data": […], "total": …}`."""
import contextlib
import http.server
import json
import threading
import time
import urllib.parse


class Paged(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        offset, limit = int(query["offset"][0]), int(query["limit"][0])
        time.sleep(self.server.delay)
        rows = self.server.rows
        body = json.dumps({"data": rows[offset : offset + limit], "total": len(rows)}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    # A client that is killed is not an event.
    request_queue_size = 128

    def handle_error(self, *_):
        pass


@contextlib.contextmanager
def serving(rows, delay=0.0):
    """Serves `rows`, each page after `delay` seconds; yields the base URL."""
    with Server(("127.0.0.1", 0), Paged) as server:
        server.rows, server.delay = rows, delay
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
