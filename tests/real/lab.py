"""What the parts share: the data, servers that start when first asked for, and the exports that several parts look at."""
import contextlib
from functools import cached_property

import packages
import restlake
import servers

PARTITIONS = ["section", "multi_arch"]


class Lab:
    """Everything lies under `directory`; leaving the context stops the servers."""

    def __init__(self, caches, directory):
        self.caches = caches
        self.directory = directory
        self.stack = contextlib.ExitStack()
        self.database, self.document, self.count = packages.load(directory)

    def __enter__(self):
        return self

    def __exit__(self, *reason):
        return self.stack.__exit__(*reason)

    @cached_property
    def datasette(self):
        return self.stack.enter_context(servers.datasette(self.caches.python, self.database, self.directory))

    @cached_property
    def json_server(self):
        return self.stack.enter_context(servers.json_server(self.caches.node_modules, self.document, self.directory))

    @cached_property
    def moto(self):
        return self.stack.enter_context(servers.moto(self.caches.python, self.directory))

    @cached_property
    def azurite(self):
        return self.stack.enter_context(servers.azurite(self.caches.node_modules, self.directory))

    def datasette_config(self, destination, *, limit=servers.DATASETTE_CAP, **changes):
        """A config that exports from datasette, `limit` records asked for at a time."""
        paginator = {"type": "offset", "limit": limit, "total_path": "rows[0].total"}
        endpoint = {"path": "/page.json", "params": servers.datasette_params(), "data_selector": "rows", "paginator": paginator}
        return restlake.config(self.datasette, endpoint, destination, **changes)

    def partitioned_config(self, destination, **changes):
        return self.datasette_config(destination, resource={"partition_by": PARTITIONS}, **changes)

    @cached_property
    def partitioned(self):
        """The table's directory of the export that other parts compare theirs with."""
        lake = self.directory / "partitioned"
        outcome = restlake.export(self.directory, "partitioned", self.partitioned_config(lake), self.count)
        restlake.check_directory(lake / "packages", outcome.resource)
        return lake / "packages"
