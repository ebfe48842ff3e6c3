"""The crate's own suite of the table formats, against a store that is not made for it; `cargo test` leaves it out without one."""
import os
import re
import subprocess

import restlake

CARGO_SECONDS = 1200
# The suite has about fifty tests for plain Parquet and nearly as many for Delta; fewer mean that the filter no longer fits
# their names, or that one of the formats has dropped out.
FEWEST = 90


def run(name, variable, endpoint):
    """Runs the ignored tests with `name` in their path, with the endpoint in the environment's `variable`."""
    environment = {**os.environ, variable: endpoint}
    argv = ["cargo", "test", "--test", "it", "--", "--ignored", name]
    child = subprocess.run(argv, cwd=restlake.ROOT, env=environment, capture_output=True, encoding="utf-8", timeout=CARGO_SECONDS)
    passed = re.search(r"test result: ok\. (\d+) passed", child.stdout)
    assert child.returncode == 0 and passed, f"cargo test failed: {child.stdout[-3000:]}{child.stderr[-3000:]}"
    assert int(passed[1]) >= FEWEST, f"only {passed[1]} ignored tests with `{name}` in their names ran"
    print(f"  {passed[1]} tests of the table formats passed", flush=True)
