"""Tokens of a real token endpoint in front of an API that verifies them: oauth2-mock-server signs, PyJWT checks."""
import contextlib
import http.server
import json
import threading
import time
import urllib.parse

import duckdb
import jwt
import restlake
import servers

# A token is renewed when a tenth of its time is left; the export takes over twice its time.
TOKEN_SECONDS = 2
# A token's times are whole seconds: up to one is lost.
LEEWAY_SECONDS = 1
PAGES = 20
PAGE_SECONDS = 0.2
ROWS = 3


class Protected(http.server.BaseHTTPRequestHandler):
    """A chain of pages for those who bear a token that is signed, in time, from the right issuer and not revoked."""

    def do_GET(self):
        problem = self.problem()
        if problem:
            self.server.refused.append(problem)
            return self.answer(401, {"error": problem})
        number = int(urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query).get("page", ["0"])[0])
        self.server.pages.append(number)
        if number == self.server.revoke_at:
            self.server.revoked.add(self.token())
        time.sleep(PAGE_SECONDS if self.server.is_slow else 0)
        rows = [{"id": number * ROWS + row} for row in range(ROWS)]
        self.answer(200, {"rows": rows, "next": f"/rows?page={number + 1}" if number + 1 < PAGES else None})

    def token(self):
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def problem(self):
        token = self.token()
        self.server.tokens.add(token)
        try:
            key = self.server.keys.get_signing_key_from_jwt(token)
            checks = {"issuer": self.server.issuer, "audience": "rows", "options": {"require": ["exp"]}}
            jwt.decode(token, key, ["RS256"], leeway=LEEWAY_SECONDS, **checks)
        except jwt.PyJWTError as problem:
            return str(problem)
        return "revoked" if token in self.server.revoked else None

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def protected(issuer, *, is_slow=False, revoke_at=None):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Protected) as server:
        server.issuer, server.keys = issuer["issuer"], jwt.PyJWKClient(issuer["jwks"])
        server.is_slow, server.revoke_at = is_slow, revoke_at
        server.revoked, server.tokens, server.refused, server.pages = set(), set(), [], []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


@contextlib.contextmanager
def issuing(lab, seconds):
    port = servers.free_port()
    argv = ["node", restlake.ROOT / "tests/real/short_tokens.mjs", lab.caches.node_modules, port, seconds]
    url = f"http://127.0.0.1:{port}"
    with servers.running(argv, f"{url}/jwks", lab.directory / f"oauth-{seconds}.log"):
        # The issuer calls itself localhost wherever it listens.
        yield {"token": f"{url}/token", "jwks": f"{url}/jwks", "issuer": f"http://localhost:{port}"}


def check_oauth(lab):
    """Tokens that expire are renewed in time, none is refused; one that was revoked is replaced once; a wrong one fails."""
    with issuing(lab, TOKEN_SECONDS) as issuer, protected(issuer, is_slow=True) as api:
        export(lab, "oauth-short", issuer, api)
        assert len(api.tokens) > 2 and not api.refused, f"{len(api.tokens)} tokens, refused: {api.refused}"
        print(f"  {len(api.tokens)} tokens of {TOKEN_SECONDS} s, none refused", flush=True)
    with issuing(lab, 3600) as issuer:
        with protected(issuer, revoke_at=PAGES // 2) as api:
            export(lab, "oauth-revoked", issuer, api)
            assert len(api.tokens) == 2 and api.refused == ["revoked"], f"{len(api.tokens)} tokens, refused: {api.refused}"
        with protected(issuer) as api:
            outcome = restlake.run(lab.directory, "oauth-audience", config(lab, "oauth-audience", issuer, api, audience="other"))
            assert outcome.code == 1 and not api.pages, f"exit {outcome.code}, pages {api.pages}: {outcome.text()[-2000:]}"
            assert "401" in outcome.text(), outcome.text()[-2000:]
        for token in api.tokens:
            assert token not in outcome.text(), "a token is in the output"


def config(lab, name, issuer, api, audience="rows"):
    auth = {
        "type": "oauth2_client_credentials",
        "access_token_url": issuer["token"],
        "client_id": "real",
        "client_secret": "${REAL_API_KEY}",
        "access_token_request_data": {"aud": audience},
    }
    endpoint = {"path": "/rows", "data_selector": "rows", "paginator": {"type": "json_link", "next_url_path": "next"}}
    schema = {"columns": [{"name": "id", "type": "int64"}]}
    return {
        "name": name,
        "client": {"base_url": f"http://127.0.0.1:{api.server_port}", "auth": auth},
        "resources": [{"name": "rows", "endpoint": endpoint, "schema": schema}],
        "destination": {"url": str(lab.directory / name)},
    }


def export(lab, name, issuer, api):
    outcome = restlake.run(lab.directory, name, config(lab, name, issuer, api))
    assert outcome.code == 0, f"{name}: exit {outcome.code}: {outcome.text()[-3000:]}; refused: {api.refused[:3]}"
    found = duckdb.sql(f"select id from read_parquet('{lab.directory / name}/rows/*.parquet') order by id").fetchall()
    assert found == [(number,) for number in range(PAGES * ROWS)], f"{name}: {len(found)} rows"
    assert api.pages == list(range(PAGES)), f"{name}: pages {api.pages}"
