"""What dlt's placeholders say, in both: lists below the records of another one, and requests with a body."""
import dlt_api
import peer


def check_dlt_post(lab):
    """A query in the body of a POST, the cursor in it too, and a header of the endpoint's own."""
    with dlt_api.serving() as api:
        pair = peer.Pair(lab.directory, "post", post(api.url))
        pair.run()
        pair.compare("search", dlt_api.ITEMS)
        asked = [(body, headers.get("X-Query", headers.get("x-query"))) for *_, body, headers in api.asked]
        half = len(asked) // 2
        assert asked[:half] == asked[half:] and half == 4, f"dlt asks {asked[:half]}, restlake {asked[half:]}"


def post(url):
    endpoint = {
        "path": "search",
        "method": "POST",
        "headers": {"X-Query": "1"},
        "json": {"query": {"active": True, "text": "*"}, "size": 6},
        "data_selector": "data",
        "paginator": {"type": "cursor", "cursor_path": "paging.cursor", "cursor_body_path": "page.after"},
    }
    return {"client": {"base_url": url}, "resources": [{"name": "search", "primary_key": "id", "endpoint": endpoint}]}


def check_dlt_children(lab):
    """A list below each record of another one, with fields of the parent; placeholders are escaped in paths."""
    with dlt_api.serving() as api:
        pair = peer.Pair(lab.directory, "children", children(api.url))
        pair.run()
        pair.compare("posts", dlt_api.POSTS)
        pair.compare("details", dlt_api.POSTS)
        pair.compare("comments", dlt_api.comment_count())


def children(url):
    return {
        "client": {"base_url": url, "paginator": "single_page"},
        "resource_defaults": {"primary_key": "id", "write_disposition": "replace"},
        "resources": [
            {"name": "posts", "endpoint": {"path": "posts", "data_selector": "data"}},
            {"name": "details", "endpoint": {"path": "posts/{resources.posts.id}"}},
            {
                "name": "comments",
                "endpoint": {
                    "path": "posts/{post}/comments",
                    "params": {"post": {"type": "resolve", "resource": "posts", "field": "id"}, "of": "{resources.posts.slug}"},
                },
                "include_from_parent": ["title"],
            },
        ],
    }


def check_dlt_actions(lab):
    """An answer that is ignored ends one list, and no other."""
    with dlt_api.serving() as api:
        api.has_gone = True
        config = children(api.url)
        config["resources"][2]["endpoint"]["response_actions"] = [{"status_code": 404, "action": "ignore"}]
        pair = peer.Pair(lab.directory, "actions", config)
        outcome = pair.run()
        pair.compare("comments", dlt_api.comment_count() - len(dlt_api.comments(dlt_api.GONE)))
        (summary,) = [resource for resource in outcome.document["resources"] if resource["name"] == "comments"]
        assert summary["warnings"], f"the answer that was ignored is not told: {summary}"
