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
        pair.compare("replies", dlt_api.reply_count())


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
            {
                "name": "replies",
                "endpoint": "comments/{resources.comments.id}/replies",
                "include_from_parent": ["id", "text"],
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


def check_dlt_steps(lab):
    """Steps as Python functions in the one, as jq programs in the other; children follow the records that they leave."""
    with dlt_api.serving() as api:
        pair = peer.Pair(lab.directory, "steps", with_steps(api.url, lambda post: post["id"] > 2, shouted, words))
        pair.run_dlt()
        pair.config = with_steps(api.url, ".id > 2", ".title |= ascii_upcase", "{id, word: (.text | split(\" \")[])}")
        pair.run_restlake()
        pair.compare("posts", dlt_api.POSTS - 2)
        pair.compare("words", 3 * sum(len(dlt_api.comments(number)) for number in range(3, dlt_api.POSTS + 1)))


def shouted(post):
    return {**post, "title": post["title"].upper()}


def words(comment):
    return [{"id": comment["id"], "word": word} for word in comment["text"].split(" ")]


def with_steps(url, is_wanted, change, spread):
    return {
        "client": {"base_url": url, "paginator": "single_page"},
        "resource_defaults": {"write_disposition": "replace"},
        "resources": [
            {
                "name": "posts",
                "endpoint": {"path": "posts", "data_selector": "data"},
                "processing_steps": [{"filter": is_wanted}, {"map": change}],
            },
            {
                "name": "words",
                "endpoint": "posts/{resources.posts.id}/comments",
                "processing_steps": [{"yield_map": spread}],
            },
        ],
    }
