"""Debian's package list, as the machine has it, into SQLite and into a JSON file: the data that the servers serve.

SQLite is what every export is compared with. Its columns are the fields of the API (see `table.COLUMNS`), in this order.
"""
import json
import re
import sqlite3
import subprocess
from datetime import date, datetime, timedelta, timezone

import table

# Records come from whatever the machine's package lists hold; fewer than this is a broken list and no test.
FEWEST_RECORDS = 20_000
SNAPSHOT = re.compile(r"20[012]\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
FIELDS_OF_COLUMNS = {
    "Package", "Version", "Architecture", "Section", "Priority", "Maintainer", "Description", "Homepage", "Source", "Multi-Arch",
    "Essential", "Size", "Installed-Size", "SHA256", "MD5sum", "Depends", "Suggests", "Tag", "Filename", "Description-md5",
}


def load(directory):
    """Fills `packages.db` and `packages.json` under `directory`; returns both paths and the number of records."""
    rows = [row(number, stanza) for number, stanza in enumerate(unique(stanzas(available())), 1)]
    assert len(rows) >= FEWEST_RECORDS, f"only {len(rows)} packages are known to apt: run apt-get update"
    database, document = directory / "packages.db", directory / "packages.json"
    write_database(database, rows)
    document.write_text(json.dumps({"packages": [json_record(values) for values in rows]}, ensure_ascii=False), encoding="utf-8")
    return database, document, len(rows)


def available():
    """The text of all package lists, decompressed by the tool that owns them."""
    command = ["apt-cache", "dumpavail"]
    return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout


def stanzas(text):
    """Field → value for each paragraph of the list; lines that continue a field are joined with a line feed."""
    for paragraph in text.split("\n\n"):
        fields, name = {}, None
        for line in paragraph.splitlines():
            if line.startswith((" ", "\t")):
                fields[name] += "\n" + line[1:]
            else:
                name, _, value = line.partition(":")
                fields[name] = value.strip()
        if fields:
            yield fields


def unique(records):
    """One record per key, in a fixed order: the key is the tables' primary key."""
    by_key = {(fields["Package"], fields["Version"], fields["Architecture"]): fields for fields in records}
    return [by_key[key] for key in sorted(by_key)]


def row(number, fields):
    """One row of SQLite, in the order of `table.COLUMNS`."""
    sha256 = fields.get("SHA256")
    size, installed = whole(fields.get("Size")), whole(fields.get("Installed-Size"))
    installed_bytes = None if installed is None else installed * 1024
    values = {
        "id": number,
        "package": fields["Package"],
        "version": fields["Version"],
        "architecture": fields["Architecture"],
        "section": fields["Section"],
        "priority": fields["Priority"],
        "multi_arch": fields.get("Multi-Arch"),
        "maintainer": fields["Maintainer"],
        "description": fields["Description"],
        "homepage": fields.get("Homepage"),
        "source": fields.get("Source"),
        "any_architecture": json.dumps(fields["Architecture"] == "all"),
        "essential": "true" if fields.get("Essential") == "yes" else None,
        "size": size,
        "installed_bytes": installed_bytes,
        "megabytes": None if size is None else f"{size // 10**6}.{size % 10**6:06}",
        "compression": None if not size or not installed_bytes else installed_bytes / size,
        "sha256": sha256,
        "hash": None if sha256 is None else int(sha256[:16], 16) >> 1,
        "snapshot": snapshot(fields["Version"]),
        "stamp": None if sha256 is None else stamp(sha256),
        "tags": as_json(names(fields.get("Tag"))),
        "suggests": as_json(names(fields.get("Suggests")) or []),
        "depends": as_json(relations(fields.get("Depends"))),
        "others": as_json({name: value for name, value in fields.items() if name not in FIELDS_OF_COLUMNS} or None),
    }
    return [values[name] for name in table.FIELDS]


def whole(text):
    return None if text is None else int(text)


def as_json(value):
    return None if value is None else json.dumps(value, ensure_ascii=False)


def snapshot(version):
    """The day that many versions name (`1.0~git20210304`), if it is one."""
    found = SNAPSHOT.search(version)
    if found is None:
        return None
    day = found.group()
    try:
        return date(int(day[:4]), int(day[4:6]), int(day[6:])).isoformat()
    except ValueError:
        return None


def stamp(sha256):
    """A moment with microseconds, made from the hash: anywhere from 1970 to 2106."""
    seconds, micros = int(sha256[:8], 16), int(sha256[8:16], 16) % 10**6
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds, microseconds=micros)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def names(text):
    return None if text is None else [name.strip() for name in text.replace("\n", " ").split(",")]


def relations(text):
    """`a (>= 1), b | c` as `[{"name": "a", "rest": "(>= 1)"}, {"name": "b", "rest": "| c"}]`."""
    if text is None:
        return None
    pairs = (relation.partition(" ") for relation in names(text))
    return [{"name": name, "rest": rest or None} for name, _, rest in pairs]


def write_database(path, rows):
    path.unlink(missing_ok=True)
    columns = ", ".join(f"{column.field} {column.sqlite}" for column in table.STORED)
    with sqlite3.connect(path) as database:
        database.execute(f"create table packages ({columns}, unique (package, version, architecture))")
        database.executemany(f"insert into packages values ({', '.join('?' * len(table.FIELDS))})", rows)
    database.close()


def json_record(values):
    """The record as json-server serves it. Its numbers are doubles: the 63 bits stand there as text."""
    record = {column.field: column.to_json(value) for column, value in zip(table.STORED, values)}
    if record["hash"] is not None:
        record["hash"] = str(record["hash"])
    if record["megabytes"] is not None:
        record["megabytes"] = float(record["megabytes"])
    return record

