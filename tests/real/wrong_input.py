"""What a user gets wrong: the exit code, a message that names the place, and no harm done."""
import sqlite3

import restlake
import s3
import servers
import table

PAGE = 250


def check_unknown_partition_column(lab):
    lake = lab.directory / "unknown-column"
    outcome = restlake.run(lab.directory, "unknown-column", lab.datasette_config(lake, resource={"partition_by": ["sektion"]}))
    expect(outcome, 1, "sektion", "section", "unknown-column.json")
    assert not lake.exists(), "a config that is wrong must not create the destination"


def check_wrong_type(lab):
    """A column declared as another type, under `freeze`: the first value that does not fit is named, and no file is left."""
    field, name = "essential", "essential"
    number = first_value(lab.database, field)
    page, record = divmod(number - 1, PAGE)
    columns = [column.declared() | ({"type": "int64"} if column.name == name else {}) for column in table.COLUMNS]
    lake = lab.directory / "wrong-type"
    settings = lab.datasette_config(lake, limit=PAGE, resource={"schema": {"columns": columns}})
    outcome = restlake.run(lab.directory, "wrong-type", settings)
    expect(outcome, 1, "packages", f"page {page + 1}", f"record {record + 1}", name, "int64", "true")
    assert not restlake.data_files(lake / "packages"), "a run that failed left files where readers look"


def first_value(database, field):
    """The number of the first record, counted from 1, that has a value."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        (number,) = connection.execute(f"select min(id) from packages where {field} is not null").fetchone()
    connection.close()
    return number


def check_unreachable_server(lab):
    """Nobody listens: a passing fault, tried again, then told with the number of attempts."""
    retry = {"max_attempts": 2, "initial_backoff": "50ms", "max_backoff": "50ms"}
    endpoint = {"path": "/page.json", "data_selector": "rows", "paginator": {"type": "offset", "limit": PAGE, "total_path": None}}
    settings = restlake.config(f"http://127.0.0.1:{servers.free_port()}", endpoint, lab.directory / "unreachable", client={"retry": retry})
    expect(restlake.run(lab.directory, "unreachable", settings), 3, "packages", "127.0.0.1", "2 attempts")


def check_missing_bucket(lab):
    """The destination is tried before the first request: a wrong bucket costs none. With the right one there is a request."""
    s3.create_bucket(lab.moto, "present")
    for bucket, code, requests in (("absent", 1, 0), ("present", 0, 1)):
        with servers.counting() as api:
            outcome = restlake.run(lab.directory, f"bucket-{bucket}", counted_config(lab, api, bucket))
            assert outcome.code == code, f"bucket {bucket}: exit {outcome.code}, expected {code}: {outcome.text()[-2000:]}"
            assert api.requests == requests, f"bucket {bucket}: {api.requests} requests, expected {requests}"
        assert s3.SECRET_KEY not in outcome.text(), "the secret key is in the output"
        assert code == 0 or bucket in outcome.text(), f"the message does not name the bucket: {outcome.text()[-2000:]}"
    print("  wrong bucket: exit 1, no request to the API", flush=True)


def counted_config(lab, api, bucket):
    endpoint = {"path": "/page.json", "data_selector": "rows", "paginator": "single_page"}
    return restlake.config(
        f"http://127.0.0.1:{api.server_port}", endpoint, f"s3://{bucket}/here", options=s3.options(lab.moto)
    )


def expect(outcome, code, *words):
    text = outcome.text()
    assert outcome.code == code, f"exit {outcome.code}, expected {code}: {text[-3000:]}"
    missing = [word for word in words if word not in text]
    assert not missing, f"the message lacks {missing}: {text[-3000:]}"
    print(f"  exit {code}, and the message names {', '.join(words)}", flush=True)
