"""Spark, in local mode, opens the partitioned table: partition discovery, types, nulls, every value."""
import contextlib
import json

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

import compare
import lab as labs
import table


@contextlib.contextmanager
def session(directory):
    """A local Spark, stopped in the end."""
    session = (
        SparkSession.builder.master("local[2]")
        .appName("restlake")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        # A job that lists directories costs more than the listing.
        .config("spark.sql.sources.parallelPartitionDiscovery.threshold", "10000")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.memory", "3g")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.sql.warehouse.dir", str(directory / "warehouse"))
        .config("spark.log.level", "OFF")
        .getOrCreate()
    )
    try:
        yield session
    finally:
        session.stop()


def check_spark(lab):
    with session(lab.directory) as spark:
        frame = spark.read.parquet(str(lab.partitioned))
        check_partitions(frame)
        compare.check("Spark", Spark(frame), lab.database, compare.served(lab.count))


def check_partitions(frame):
    """Spark puts the columns that it discovers in directory names behind those of the files."""
    discovered = frame.columns[-len(labs.PARTITIONS) :]
    assert discovered == labs.PARTITIONS, f"Spark discovered {discovered}, not {labs.PARTITIONS}"


class Spark:
    """A table as Spark reads it."""

    dialect = "spark"

    def __init__(self, frame):
        self.frame = frame

    def types(self):
        return {field.name: field.dataType.simpleString() for field in self.frame.schema}

    def nulls(self):
        counts = [f.sum(f.col(column.name).isNull().cast("long")).alias(column.name) for column in table.COLUMNS]
        return self.frame.agg(*counts).first().asDict()

    def rows(self):
        found = self.frame.orderBy("id").select(*[self.expression(column) for column in table.COLUMNS]).collect()
        return [self.row(row.asDict(recursive=True)) for row in found]

    def expression(self, column):
        return f.unix_micros(column.name).alias(column.name) if column.type is table.TIMESTAMP else f.col(column.name)

    def row(self, values):
        digest = values["sha256"]
        values["sha256"] = None if digest is None else bytes(digest)
        values["raw"] = json.loads(values["raw"])
        return [values[column.name] for column in table.COLUMNS]
