"""The table that every export must yield: its columns, their types for each reader, and SQLite's values as Python's.

A value's Python form is the same for all readers: a timestamp is the number of its microseconds, JSON text is what it means.
"""
import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def same(value):
    return value


def micros(text):
    return (datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z") - EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True)
class Type:
    restlake: str
    sqlite: str
    duckdb: str
    spark: str
    # From SQLite's value, which is never null here.
    parse: callable = same
    # Whether SQLite's text is JSON that the API serves as a value and not as text.
    structured: bool = False


STRING = Type("string", "text", "VARCHAR", "string")
INT64 = Type("int64", "integer", "BIGINT", "bigint")
FLOAT64 = Type("float64", "real", "DOUBLE", "double")
BOOL = Type("bool", "text", "BOOLEAN", "boolean", json.loads, structured=True)
DECIMAL = Type("decimal(18,6)", "text", "DECIMAL(18,6)", "decimal(18,6)", Decimal)
BINARY = Type("binary", "text", "BLOB", "binary", bytes.fromhex)
DATE = Type("date", "text", "DATE", "date", date.fromisoformat)
TIMESTAMP = Type("timestamp", "text", "TIMESTAMP WITH TIME ZONE", "timestamp", micros)
STRINGS = Type("list<string>", "text", "VARCHAR[]", "array<string>", json.loads, structured=True)
MAP = Type("map<string, string>", "text", "MAP(VARCHAR, VARCHAR)", "map<string,string>", json.loads, structured=True)
JSON = Type("json", "text", "VARCHAR", "string")
RELATIONS = Type(
    "list<struct<name: string, rest: string>>",
    "text",
    'STRUCT("name" VARCHAR, rest VARCHAR)[]',
    "array<struct<name:string,rest:string>>",
    json.loads,
    structured=True,
)


@dataclass(frozen=True)
class Column:
    """A column of the lake's table; `field` is its name in SQLite and in the API."""

    name: str
    type: Type
    field: str
    nullable: bool = True
    format: str | None = None

    @property
    def sqlite(self):
        return self.type.sqlite + (" primary key" if self.field == "id" else "")

    def declared(self):
        """The column as a config's schema declares it."""
        declaration = {"name": self.name, "type": self.type.restlake}
        if self.field != self.name:
            declaration["source"] = self.field
        if not self.nullable:
            declaration["nullable"] = False
        if self.format:
            declaration["format"] = self.format
        return declaration

    def parse(self, value):
        return None if value is None else self.type.parse(value)

    def to_json(self, value):
        """What the API serves for SQLite's value."""
        return json.loads(value) if value is not None and self.type.structured else value


STORED = [
    Column("id", INT64, "id", nullable=False),
    Column("name", STRING, "package", nullable=False),
    Column("version", STRING, "version", nullable=False),
    Column("architecture", STRING, "architecture", nullable=False),
    Column("section", STRING, "section"),
    Column("priority", STRING, "priority"),
    Column("multi_arch", STRING, "multi_arch"),
    Column("maintainer", STRING, "maintainer"),
    Column("description", STRING, "description"),
    Column("homepage", STRING, "homepage"),
    Column("source", STRING, "source"),
    Column("any_architecture", BOOL, "any_architecture"),
    Column("essential", BOOL, "essential"),
    Column("size_bytes", INT64, "size"),
    Column("installed_bytes", INT64, "installed_bytes"),
    Column("megabytes", DECIMAL, "megabytes"),
    Column("compression", FLOAT64, "compression"),
    Column("sha256", BINARY, "sha256", format="hex"),
    Column("hash", INT64, "hash"),
    Column("snapshot", DATE, "snapshot"),
    Column("stamp", TIMESTAMP, "stamp"),
    Column("tags", STRINGS, "tags"),
    Column("suggests", STRINGS, "suggests"),
    Column("depends", RELATIONS, "depends"),
    Column("others", MAP, "others"),
]
RAW = Column("raw", JSON, "$")
COLUMNS = [*STORED, RAW]
FIELDS = [column.field for column in STORED]
PRIMARY_KEY = ["name", "version", "architecture"]


def schema():
    return {"columns": [column.declared() for column in COLUMNS]}


def record(values):
    """The record as an API that serves SQLite's rows as they are would serve it."""
    return {column.field: column.to_json(value) for column, value in zip(STORED, values)}


def expected(values, raw):
    """A row of the table from a row of SQLite, and the record that the API served for it."""
    return [column.parse(value) for column, value in zip(STORED, values)] + [raw]
