#!/usr/bin/env python3
"""Exports from servers and data that this project did not write, and compares what readers find with the source.

    tests/real/run.py [PART…]      all parts without arguments; --list prints their names
"""
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

import caches

INSIDE = "RESTLAKE_REAL_INSIDE"


def parts():
    """Name → check, in the order in which they run. Imported late: they need what the virtual environment holds."""
    import azurite
    import children
    import delta
    import exports
    import kills
    import kinto_api
    import links
    import migration
    import oauth
    import readers
    import s3
    import spark
    import store_faults
    import wrong_input

    return {
        "datasette": exports.check_datasette,
        "capped-pages": exports.check_capped_pages,
        "json-server": exports.check_json_server,
        "concurrency": exports.check_concurrency,
        "next-url": links.check_next_url,
        "link-header": links.check_link_header,
        "kinto": kinto_api.check_kinto,
        "oauth": oauth.check_oauth,
        "dlt-lists": migration.check_dlt_lists,
        "dlt-traps": migration.check_dlt_traps,
        "dlt-holes": migration.check_dlt_holes,
        "dlt-post": children.check_dlt_post,
        "dlt-children": children.check_dlt_children,
        "dlt-actions": children.check_dlt_actions,
        "dlt-steps": children.check_dlt_steps,
        "dlt-incremental": migration.check_dlt_incremental,
        "import-dlt": migration.check_import_dlt,
        "spark": spark.check_spark,
        "delta": delta.check_delta,
        "s3": s3.check_s3,
        "conditional-writes": s3.check_conditional_writes,
        "azure": azurite.check_azure,
        "store-faults": store_faults.check_store_faults,
        "kills": kills.check_kills,
        "readers": readers.check_readers,
        "unknown-partition-column": wrong_input.check_unknown_partition_column,
        "wrong-type": wrong_input.check_wrong_type,
        "unreachable-server": wrong_input.check_unreachable_server,
        "missing-bucket": wrong_input.check_missing_bucket,
    }


def main(arguments):
    if INSIDE not in os.environ:
        enter_the_virtual_environment(arguments)
    checks = parts()
    if arguments == ["--list"]:
        print("\n".join(checks))
        return 0
    unknown = [name for name in arguments if name not in checks]
    if unknown:
        print(f"no such part: {', '.join(unknown)}; the parts are {', '.join(checks)}", file=sys.stderr)
        return 2
    chosen = {name: check for name, check in checks.items() if not arguments or name in arguments}
    with tempfile.TemporaryDirectory(prefix="restlake-real-") as directory:
        return run(chosen, Path(directory))


def enter_the_virtual_environment(arguments):
    """Starts anew with the Python that has the readers' packages; stops in this one if they can't be installed."""
    python = str(caches.prepare().python)
    os.environ[INSIDE] = "1"
    os.execv(python, [python, os.path.abspath(__file__), *arguments])


def run(checks, directory):
    """Runs each part, also after one that failed; 1 if any did."""
    from lab import Lab

    failed = []
    with Lab(caches.prepare(), directory) as lab:
        print(f"{lab.count} packages in {lab.database.stat().st_size >> 20} MiB of SQLite", flush=True)
        for name, check in checks.items():
            print(f"{name}", flush=True)
            started = time.monotonic()
            try:
                check(lab)
            except AssertionError as failure:
                failed.append(name)
                print(f"  FAILED: {failure}", flush=True)
            except Exception:
                failed.append(name)
                print(f"  FAILED: {traceback.format_exc()}", flush=True)
            print(f"  {time.monotonic() - started:.1f} s", flush=True)
    print(f"failed: {', '.join(failed)}" if failed else "all parts passed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
