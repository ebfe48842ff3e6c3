"""Links to the next page as real servers write them: datasette's `next_url`, the `Link` header of json-server."""
import compare
import packages
import restlake
import servers
import table

ROWS = 2500
PAGE = 500


def check_next_url(lab):
    """datasette's own list of a table: a link in each page, null in the last."""
    params = {**servers.datasette_params(), "id__lte": ROWS, "_size": PAGE}
    paginator = {"type": "json_link", "next_url_path": "next_url"}
    endpoint = {"path": "/packages.json", "params": params, "data_selector": "rows", "paginator": paginator}
    check_rows(lab, "next-url", restlake.config(lab.datasette, endpoint, lab.directory / "next-url"), table.record)


def check_link_header(lab):
    """json-server's `Link` header, named and found out, gives the same files."""
    files = {}
    for paginator in ("header_link", "auto"):
        name = f"link-{paginator}"
        params = {"id_lte": ROWS, "_page": 1, "_limit": PAGE}
        endpoint = {"path": "/packages", "params": params, "data_selector": "$", "paginator": paginator}
        settings = restlake.config(lab.json_server, endpoint, lab.directory / name)
        check_rows(lab, name, settings, packages.json_record)
        files[paginator] = restlake.data_files(lab.directory / name / "packages")
    assert files["header_link"] == files["auto"], "the files differ"
    told = restlake.run(lab.directory, name, settings, "-v").text()
    assert "header_link" in told, f"what was found out is not told: {told[-2000:]}"


def check_rows(lab, name, settings, raw):
    """The first `ROWS` rows of SQLite, each once, all of their values the same."""
    outcome = restlake.export(lab.directory, name, settings, ROWS)
    pages = outcome.resource["pages"]
    assert pages == ROWS // PAGE, f"{name}: {pages} pages"
    expected = compare.source_rows(lab.database, raw, ROWS)
    differences = compare.row_differences(expected, compare.DuckDb(lab.directory / name / "packages").rows())
    assert not differences, f"{name}: {len(differences)} differences, such as {differences[:5]}"
    print(f"  {name}: {ROWS} rows over {pages} pages agree", flush=True)
    return outcome
