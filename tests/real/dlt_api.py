"""A small API on loopback with every way of paging that both dlt and restlake know; it notes what it was asked."""
import contextlib
import http.server
import json
import sys
import threading
from urllib.parse import parse_qsl, urlsplit

ITEMS = 23
POSTS = 6
# The list under `/capped` gives so many records, whatever it is asked for.
CAP = 4
# This post's comments are gone: its list answers 404.
GONE = 4


def item(number):
    """A record with values of each scalar type, with a nested one, and with names that dlt rewrites."""
    return {
        "id": number,
        "displayName": f"Item {number}",
        "unitPrice": number + 0.25,
        "isActive": number % 2 == 0,
        "created_at": f"2024-01-{number % 28 + 1:02}T08:00:00Z",
        "note": None if number % 3 else "third",
        "owner": {"id": number % 5, "tags": ["a", "b"]},
    }


def post(number):
    return {"id": number, "title": f"Post {number}", "slug": f"a b/{number}"}


def comments(number):
    return [{"id": number * 10 + place, "text": f"{place} on {number}"} for place in range(number % 3 + 1)]


def comment_count():
    return sum(len(comments(number)) for number in range(1, POSTS + 1))


def replies(comment):
    return [{"id": comment * 10 + place, "of": comment} for place in range(comment % 2)]


def reply_count():
    return sum(len(replies(comment["id"])) for number in range(1, POSTS + 1) for comment in comments(number))


def event(number):
    return {"id": number, "at": f"2024-03-{number:02}T12:00:00Z", "kind": "created"}


class Api(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.respond()

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        self.respond(json.loads(self.rfile.read(length) or b"{}"))

    def respond(self, body=None):
        url = urlsplit(self.path)
        params = dict(parse_qsl(url.query, keep_blank_values=True))
        parts = url.path.strip("/").split("/")
        self.server.asked.append((parts[0], params, body, dict(self.headers)))
        answer = getattr(self, f"answer_{parts[0]}", None)
        if answer is None or (document := answer(params, body, *parts[1:])) is None:
            return self.send(404, {"error": "there is no such thing"})
        self.send(200, document)

    def answer_offset(self, params, body):
        offset, limit = int(params["offset"]), int(params["limit"])
        return {"data": self.items()[offset : offset + limit], "meta": {"total": ITEMS}}

    def answer_capped(self, params, body):
        offset = int(params["offset"])
        return {"data": self.items()[offset : offset + min(int(params["limit"]), CAP)], "total": ITEMS}

    def answer_untold(self, params, body):
        """A list that does not say how long it is."""
        offset, limit = int(params["offset"]), int(params["limit"])
        return {"data": self.items()[offset : offset + limit]}

    def answer_page(self, params, body):
        size = int(params["per_page"])
        first = (int(params["page"]) - 1) * size
        return {"data": self.items()[first : first + size], "meta": {"pages": -(-ITEMS // size)}}

    def answer_holes(self, params, body):
        """Pages of five, the second of which is not there."""
        first = (int(params["page"]) - 1) * 5
        return None if params["page"] == "2" else {"data": self.items()[first : first + 5], "pages": -(-ITEMS // 5)}

    def answer_ended(self, params, body):
        rows, rest = self.slice(params.get("from"), {"per_page": 10})
        return {"data": rows, "next": f"/ended?from={rest}" if rest else ""}

    def answer_counted(self, params, body):
        """Pages of five, counted from 1."""
        number = int(params.get("page", "1"))
        return {"data": self.items()[(number - 1) * 5 : number * 5], "page": number, "total_pages": -(-ITEMS // 5)}

    def answer_link(self, params, body):
        rows, rest = self.slice(params.get("from"), params)
        return {"data": rows, "paging": {"next": f"/link?from={rest}&per_page={params['per_page']}" if rest else None}}

    def answer_cursor(self, params, body):
        rows, rest = self.slice(params.get("after"), params)
        return {"data": rows, "paging": {"cursor": f"{rest}" if rest else None}}

    def answer_search(self, params, body):
        """A POST whose body holds the query, the page's size and the cursor."""
        if body is None or body.get("query") != {"active": True, "text": "*"}:
            return None
        rows, rest = self.slice(body.get("page", {}).get("after"), {"per_page": body["size"]})
        return {"data": rows, "paging": {"cursor": f"{rest}" if rest else None}}

    def answer_header(self, params, body):
        rows, rest = self.slice(params.get("from"), params)
        if rest:
            target = f"http://{self.headers['Host']}/header?from={rest}&per_page={params['per_page']}"
            self.link = f'<{target}>; rel="next", <{target}>; rel="last"'
        return rows

    def answer_token(self, params, body):
        """A list whose next cursor stands in a header."""
        rows, rest = self.slice(params.get("after"), params)
        self.cursor = f"{rest}" if rest else None
        return rows

    def answer_settings(self, params, body):
        return {"id": 1, "theme": "dark", "retention_days": 30}

    def answer_posts(self, params, body, number=None, below=None):
        if number is None:
            return {"data": [post(number) for number in range(1, POSTS + 1)]}
        if below == "comments":
            return None if int(number) == GONE and self.server.has_gone else comments(int(number))
        return {**post(int(number)), "body": f"All of {number}"}

    def answer_comments(self, params, body, number, below):
        return replies(int(number)) if below == "replies" else None

    def answer_events(self, params, body):
        """Those at or after `since`; one more each time that the test says so."""
        since = params.get("since", "")
        return {"data": [event for event in self.server.events if event["at"] >= since]}

    def items(self):
        return [item(number) for number in range(1, ITEMS + 1)]

    def slice(self, start, params):
        start, size = int(start or 0), int(params["per_page"])
        rest = start + size
        return self.items()[start:rest], rest if rest < ITEMS else None

    def send(self, status, document):
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if getattr(self, "cursor", None):
            self.send_header("X-Next-Cursor", self.cursor)
            self.cursor = None
        if getattr(self, "link", None):
            self.send_header("Link", self.link)
            self.link = None
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Api)
        self.asked, self.events, self.has_gone = [], [], False

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, address):
        """A client that has seen the end of a list leaves what it had asked for beyond it."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, address)


@contextlib.contextmanager
def serving():
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
