"""A proxy in front of an S3 server that fails: answers of 500 and 503, connections that are reset, answers that come late
or break off, each before or after the request took effect."""
import collections
import contextlib
import http.client
import http.server
import random
import socket
import struct
import threading
import time
import urllib.parse

LATE = 0.3
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "date", "server"}
SLOW_DOWN = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"

Fault = collections.namedtuple("Fault", "kind takes_effect")

REFUSALS = [Fault("500", False), Fault("503", False), Fault("reset", False)]
LOST_ANSWERS = [Fault("500", True), Fault("503", True), Fault("reset", True)]
FAULTS = [*REFUSALS, *LOST_ANSWERS, Fault("late", True), Fault("cut off", True)]


class Plan:
    """Which requests fail: this share of all, the first of the kind `target` after it took effect, and all from the first
    one on for which `outage` is true. An outage refuses; its first request takes effect if `outage_takes_effect`."""

    def __init__(self, seed, share=0.0, target=None, outage=None, outage_takes_effect=False):
        self.random, self.share, self.target = random.Random(seed), share, target
        self.outage, self.outage_takes_effect, self.is_down = outage, outage_takes_effect, False
        self.lock = threading.Lock()
        # By the kind of the request and of the fault.
        self.faults = collections.Counter()
        self.requests = 0

    def fault(self, kind):
        with self.lock:
            self.requests += 1
            fault = self.choose(kind)
            if fault:
                self.faults[kind, fault] += 1
            return fault

    def choose(self, kind):
        if self.is_down:
            return self.random.choice(REFUSALS)
        if self.outage and self.outage(kind, self.requests):
            self.is_down = True
            return self.random.choice(LOST_ANSWERS if self.outage_takes_effect else REFUSALS)
        if kind == self.target:
            self.target = None
            return self.random.choice(LOST_ANSWERS)
        return self.random.choice(FAULTS) if self.random.random() < self.share else None


HEALTHY = Plan(0)


class Faulty(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without it every answer waits 40 ms for the client's acknowledgement.
    disable_nagle_algorithm = True
    wbufsize = -1

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.server.plan.fault(self.kind())
        if fault is None or fault.takes_effect:
            status, headers, content = self.forward(body)
        match fault.kind if fault else None:
            case None:
                self.send(status, headers, content)
            case "late":
                time.sleep(LATE)
                self.send(status, headers, content)
            case "cut off" if len(content) > 1:
                self.send(status, headers, content[: len(content) // 2])
                self.reset()
            case "cut off" | "reset":
                self.reset()
            case code:
                self.send(int(code), [("Content-Length", str(len(SLOW_DOWN)))], b"" if self.command == "HEAD" else SLOW_DOWN)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer

    def kind(self):
        if "x-amz-copy-source" in self.headers:
            return "copy"
        if self.command == "PUT" and "If-None-Match" in self.headers and "/_restlake/commits/" in self.path:
            return "commit"
        if self.command == "GET" and "list-type" in urllib.parse.urlsplit(self.path).query:
            return "list"
        # Several objects are deleted by one POST.
        return "delete" if self.command == "POST" else self.command.lower()

    def forward(self, body):
        connection = http.client.HTTPConnection(self.server.upstream, timeout=60)
        with contextlib.closing(connection):
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in HOP_BY_HOP:
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            content = answer.read()
            headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP]
        if answer.getheader("Content-Length") is None and answer.status != 204:
            headers.append(("Content-Length", str(len(content))))
        return answer.status, headers, content

    def send(self, status, headers, content):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def reset(self):
        # Closing then sends no goodbye.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def shutdown_request(self, request):
        # The base class ends the connection in an orderly way first.
        self.close_request(request)

    def handle_error(self, *_):
        # A client that goes away is not an event.
        pass


@contextlib.contextmanager
def before(endpoint):
    """A proxy of the server at `endpoint`; it fails as its `plan` says, `HEALTHY` at first."""
    with Server(("127.0.0.1", 0), Faulty) as server:
        server.upstream, server.plan = urllib.parse.urlsplit(endpoint).netloc, HEALTHY
        server.endpoint = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
