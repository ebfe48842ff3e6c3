"""Configs for dlt's rest_api run unchanged: rows as dlt loads them, and where dlt loses or doubles rows, all of them once."""
import dlt_api
import peer
import restlake

PAGE = 7


def check_dlt_lists(lab):
    """Each way of paging, single objects, and what `resource_defaults` give to each of them."""
    with dlt_api.serving() as api:
        pair = peer.Pair(lab.directory, "lists", lists(api.url))
        pair.run_dlt()
        theirs = api.asked
        api.asked = []
        pair.run_restlake()
        for table in ("by_offset", "by_page", "by_link", "by_cursor", "header", "by_token"):
            pair.compare(table, dlt_api.ITEMS)
        pair.compare("settings", 1)
        pair.compare("one_post", 1)
        check_requests(theirs, api.asked)


def lists(url):
    data = {"data_selector": "data"}
    return {
        "client": {"base_url": url, "headers": {"X-Team": "qa"}},
        "resource_defaults": {
            "primary_key": "id",
            "write_disposition": "replace",
            "endpoint": {"params": {"per_page": PAGE, "archived": False}},
        },
        "resources": [
            {
                "name": "by_offset",
                "endpoint": {
                    **data,
                    "path": "offset",
                    "paginator": {"type": "offset", "limit": PAGE, "total_path": "meta.total"},
                },
            },
            {
                "name": "by_page",
                "endpoint": {
                    **data,
                    "path": "page",
                    "params": {"per_page": 5},
                    "paginator": {"type": "page_number", "base_page": 1, "total_path": "meta.pages"},
                },
            },
            {
                "name": "by_link",
                "endpoint": {**data, "path": "link", "paginator": {"type": "json_link", "next_url_path": "paging.next"}},
            },
            {
                "name": "by_cursor",
                "endpoint": {
                    **data,
                    "path": "cursor",
                    "paginator": {"type": "cursor", "cursor_path": "paging.cursor", "cursor_param": "after"},
                },
            },
            {
                "name": "by_token",
                "endpoint": {
                    "path": "token",
                    "paginator": {"type": "header_cursor", "cursor_key": "X-Next-Cursor", "cursor_param": "after"},
                },
            },
            # An endpoint as a text, with what the defaults say of the rest: found out.
            "header",
            {"name": "settings", "endpoint": {"path": "settings", "paginator": "single_page"}},
            {"name": "one_post", "endpoint": "posts/3"},
        ],
    }


def check_requests(theirs, ours):
    """The same requests, list by list; Python writes `False` where restlake writes `false`. Where a page tells how many there
    are, restlake asks for several at once: their order says nothing."""
    for path in ("offset", "page", "link", "cursor", "token", "header", "settings", "posts"):
        asked, expected = ([entry for entry in all_ if entry[0] == path] for all_ in (ours, theirs))
        found, wanted = (sorted(([params, body] for _, params, body, _ in entries), key=repr) for entries in (asked, expected))
        for params, _ in wanted:
            if "archived" in params:
                assert params["archived"] == "False", params
                params["archived"] = "false"
        assert found == wanted, f"{path}: restlake asks {found}, dlt {wanted}"
        assert all(headers.get("X-Team", headers.get("x-team")) == "qa" for *_, headers in asked), f"{path}: a header is missing"


def check_dlt_traps(lab):
    """Where dlt loses rows or fails, and restlake does not."""
    with dlt_api.serving() as api:
        # An API that gives fewer records than it is asked for: dlt steps over the rest.
        capped = peer.Pair(lab.directory, "capped", one(api.url, "capped", {"type": "offset", "limit": 10}))
        capped.run()
        lost = dlt_api.ITEMS - len(capped.dlt_rows("capped"))
        assert lost > 0 and len(capped.restlake_rows("capped")) == dlt_api.ITEMS, f"dlt lost {lost}"
        print(f"  capped pages: dlt loses {lost} of {dlt_api.ITEMS} rows, restlake none", flush=True)

        # A total that does not come: dlt gives up, restlake reads to the empty page, which proves the end.
        untold = peer.Pair(lab.directory, "untold", one(api.url, "untold", {"type": "offset", "limit": 10}))
        assert "Total" in untold.fails_in_dlt()
        outcome = untold.run_restlake()
        assert len(untold.restlake_rows("untold")) == dlt_api.ITEMS, untold.restlake_rows("untold")
        assert outcome.resource["complete"] is True, outcome.resource
        print("  a missing total: dlt fails, restlake reads to the empty page", flush=True)

        # The last page's link is an empty text: dlt follows it.
        ended = peer.Pair(lab.directory, "ended", one(api.url, "ended", {"type": "json_link", "next_url_path": "next"}))
        assert "Invalid URL" in ended.fails_in_dlt()
        ended.run_restlake()
        assert len(ended.restlake_rows("ended")) == dlt_api.ITEMS, ended.restlake_rows("ended")
        print("  an empty link: dlt fails, restlake ends", flush=True)

        # Page numbers that are found out: this API counts from 1, dlt from 0. It asks for page 1 twice and never for the last.
        counted = peer.Pair(lab.directory, "counted", one(api.url, "counted", "auto"))
        counted.run()
        theirs, ours = ids(counted.dlt_rows("counted")), ids(counted.restlake_rows("counted"))
        assert (len(theirs), len(set(theirs))) == (25, 20), theirs
        assert ours == list(range(1, dlt_api.ITEMS + 1)), ours
        print("  page numbers found out: dlt has 5 rows twice and 3 not at all, restlake each once", flush=True)


def one(url, path, paginator):
    endpoint = {"path": path, "data_selector": "data", "paginator": paginator}
    return {"client": {"base_url": url}, "resources": [{"name": path, "primary_key": "id", "endpoint": endpoint}]}


def check_dlt_incremental(lab):
    """Two runs: the second asks from the first one's last value, and takes the record at it no second time."""
    for style, disposition in (("param", "append"), ("object", "append"), ("placeholder", "merge")):
        with dlt_api.serving() as api:
            pair = peer.Pair(lab.directory, f"incremental-{style}", incremental(api.url, style, disposition))
            api.events = [dlt_api.event(number) for number in (1, 2, 3)]
            pair.run()
            pair.compare("events", 3)
            # One more at the very moment of the last one, and one after it.
            api.events += [{**dlt_api.event(3), "id": 4}, dlt_api.event(5)]
            api.asked = []
            pair.run()
            pair.compare("events", 5)
            asked = [params["since"] for _, params, *_ in api.asked]
            assert asked == [dlt_api.event(3)["at"]] * 2, f"{style}: asked from {asked}"


def incremental(url, style, disposition):
    """dlt knows three ways to say where a run begins."""
    endpoint = {"path": "events", "data_selector": "data", "paginator": "single_page"}
    start = {"cursor_path": "at", "initial_value": "2024-01-01T00:00:00Z"}
    if style == "param":
        endpoint["params"] = {"since": {"type": "incremental", **start}}
    elif style == "object":
        endpoint["incremental"] = {**start, "start_param": "since"}
    else:
        endpoint |= {"params": {"since": "{incremental.start_value}"}, "incremental": start}
    resource = {"name": "events", "primary_key": "id", "write_disposition": disposition, "endpoint": endpoint}
    return {"client": {"base_url": url}, "resources": [resource]}


PYTHON = """
import dlt
from dlt.sources.rest_api import RESTAPIConfig, rest_api_source


@dlt.source
def shop():
    config: RESTAPIConfig = {config}
    yield from rest_api_resources(config)


if __name__ == "__main__":
    pipeline = dlt.pipeline("shop", destination="duckdb")
    pipeline.run(shop())
"""


def check_import_dlt(lab):
    """The config in a Python file, imported and run, yields what the same config does when dlt runs it."""
    with dlt_api.serving() as api:
        pair = peer.Pair(lab.directory, "imported", lists(api.url))
        pair.run_dlt()
        (pair.directory / "shop.py").write_text(PYTHON.replace("{config}", repr(pair.config)))
        outcome = restlake.command(pair.directory, "import", "dlt", "shop.py")
        assert outcome.code == 0 and outcome.document["problems"] == [], outcome.text()[-3000:]
        outcome = restlake.command(pair.directory, "run", "shop.yaml", "--destination", str(pair.lake))
        assert outcome.code == 0, outcome.text()[-3000:]
        for table, count in (("by_page", dlt_api.ITEMS), ("by_cursor", dlt_api.ITEMS), ("settings", 1)):
            ours, theirs = pair.restlake_rows(table), pair.dlt_rows(table)
            assert len(ours) == len(theirs) == count, f"{table}: {len(ours)} rows, dlt has {len(theirs)}"
            assert ids(ours) == ids(theirs), f"{table}: {ids(ours)}, dlt has {ids(theirs)}"
        print("  a Python file's config runs as dlt runs it", flush=True)


def ids(rows):
    return sorted(dict(row)["id"] for row in rows)


def check_dlt_holes(lab):
    """A page in the middle whose answer is ignored: dlt takes it for the end of the list, restlake says that it is missing."""
    with dlt_api.serving() as api:
        config = one(api.url, "holes", {"type": "page_number", "base_page": 1, "total_path": "pages"})
        config["resources"][0]["endpoint"]["response_actions"] = [{"status_code": 404, "action": "ignore"}]
        pair = peer.Pair(lab.directory, "holes", config)
        outcome = pair.run()
        counts = len(pair.dlt_rows("holes")), len(pair.restlake_rows("holes"))
        assert counts == (5, dlt_api.ITEMS - 5), f"rows of dlt and of restlake: {counts}"
        assert "1 page was ignored (404)" in outcome.resource["warnings"], outcome.resource["warnings"]
        print(f"  a page that is not there: dlt ends with {counts[0]} rows, restlake has all others", flush=True)
