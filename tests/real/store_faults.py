"""The store fails while the program runs: each run ends well or with an error that says so, the same command again on a
store that is well gives the table that was to be, and a table is never wrong.

`RESTLAKE_STORE_FAULTS` says how many runs there are of each disposition (20 without it). `RESTLAKE_FAULTS_SEED` repeats the
choice of faults; which request meets which one also depends on the order of requests.
"""
import collections
import concurrent.futures
import contextlib
import os
import time

import faulty
import generations
import lakes
import s3

RUNS = int(os.environ.get("RESTLAKE_STORE_FAULTS", 20))
# So many tables share the runs of a disposition, side by side.
TABLES = 2
SHARE = 0.05
# In turn, the first request of such a kind takes effect and its answer is lost.
TARGETS = [None, "commit", "copy"]
# The codes of a fault that passes, and of what somebody should look at.
CLEAR = {1, 3}
OUTAGES = {
    "at the start": (lambda kind, number: number >= 1, False),
    "after 15 requests": (lambda kind, number: number > 15, False),
    "at the commit, which is not made": (lambda kind, number: kind == "commit", False),
    "at the commit, which is made": (lambda kind, number: kind == "commit", True),
    "at a copy": (lambda kind, number: kind == "copy", True),
}


class Tally:
    def __init__(self):
        self.faults, self.requests, self.ends = collections.Counter(), 0, collections.Counter()

    def add(self, plan, outcome):
        self.faults.update(plan.faults)
        self.requests += plan.requests
        error = outcome.resource["error"]
        self.ends[f"exit {outcome.code}" + (f" {error['code']}" if error else "")] += 1

    def join(self, other):
        self.faults.update(other.faults)
        self.requests += other.requests
        self.ends.update(other.ends)

    def told(self):
        kinds = collections.Counter()
        for (kind, _), count in self.faults.items():
            kinds[kind] += count
        ends = ", ".join(f"{count} × {end}" for end, count in sorted(self.ends.items()))
        return f"{self.faults.total()} faults in {self.requests} requests ({dict(sorted(kinds.items()))}): {ends}"


def check_store_faults(lab):
    seed = int(os.environ.get("RESTLAKE_FAULTS_SEED", time.time_ns() % 1_000_000))
    with contextlib.suppress(s3.client(lab.moto).exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(lab.moto, s3.BUCKET)
    print(f"  seed {seed}", flush=True)
    dispositions = generations.DISPOSITIONS
    # Who waits for a store that is down costs nothing.
    with concurrent.futures.ThreadPoolExecutor(len(dispositions) * (len(OUTAGES) + TABLES)) as workers:
        outages = [workers.submit(during_outage, lab, name, outage, seed) for name in dispositions for outage in OUTAGES]
        chains = {
            name: [workers.submit(now_and_then, lab, name, number, seed) for number in range(TABLES)] for name in dispositions
        }
        for name, started in chains.items():
            tell(name, started)
        tally = collections.Counter(outage.result() for outage in outages)
    for (outage, end), count in sorted(tally.items()):
        print(f"  outage {outage}: {count} × {end}", flush=True)


def tell(disposition, chains):
    tally = Tally()
    for chain in chains:
        tally.join(chain.result())
    print(f"  {disposition}, {tally.ends.total()} runs: {tally.told()}", flush=True)
    hit = {kind for (kind, fault), _ in tally.faults.items() if fault.takes_effect}
    assert {"commit", "copy"} <= hit, f"{disposition}: only the answers to these requests were lost: {sorted(hit)}"


@contextlib.contextmanager
def table(lab, disposition, prefix):
    """A table's history and the proxy that its runs go through; the test itself looks at the store past the proxy."""
    with faulty.before(lab.moto) as proxy:
        lake = lakes.Bucket(lab.moto, prefix)
        lake.options = s3.options(proxy.endpoint)
        history = generations.History(lab.directory, lake, disposition)
        with history.serving():
            yield history, proxy


def now_and_then(lab, disposition, number, seed):
    """Run after run on one table while some of the requests fail."""
    tally = Tally()
    with table(lab, disposition, f"faults/{disposition}-{number}") as (history, proxy):
        for run in range(RUNS // TABLES):
            plan = faulty.Plan(f"{seed}-{disposition}-{number}-{run}", SHARE, TARGETS[run % len(TARGETS)])
            run_until_done(history, proxy, plan, tally)
        history.known.clear()
        history.check()
        history.verify()
    return tally


def during_outage(lab, disposition, outage, seed):
    """The store goes away in the middle of a run, and comes back after it; (which outage, how the run ended)."""
    begins, takes_effect = OUTAGES[outage]
    tally = Tally()
    with table(lab, disposition, f"outages/{disposition}-{list(OUTAGES).index(outage)}") as (history, proxy):
        first = history.run()
        assert first.code == 0, f"{history.name()}: {first.text()[-2000:]}"
        plan = faulty.Plan(f"{seed}-{disposition}-{outage}", outage=begins, outage_takes_effect=takes_effect)
        run_until_done(history, proxy, plan, tally)
        assert plan.is_down, f"{history.name()}: the run ended before the outage {outage}"
        history.verify()
    (end,) = tally.ends
    return outage, end


def run_until_done(history, proxy, plan, tally):
    """One run with the plan's faults, and after a failure another one without any; the table must be right then."""
    versions = history.versions()
    proxy.plan = plan
    outcome = history.run()
    proxy.plan = faulty.HEALTHY
    tally.add(plan, outcome)
    if outcome.code != 0:
        check_failure(history, outcome, versions)
        again = history.again()
        assert again.code == 0, f"{history.name()}: the run after the faults: exit {again.code}: {again.text()[-2000:]}"
    history.check()


def check_failure(history, outcome, versions):
    """The error is clear, and what was there is untouched if nothing was committed."""
    place = f"{history.name()}: exit {outcome.code}: {outcome.text()[-2000:]}"
    assert outcome.code in CLEAR, place
    assert f"s3://{s3.BUCKET}/" in outcome.resource["error"]["message"], f"the error does not name the store: {place}"
    assert s3.SECRET_KEY not in outcome.text(), "the secret key is in the output"
    if history.versions() == versions:
        history.check(history.before)
