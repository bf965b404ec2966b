"""Run the scenarios, one after another, on one set of hosts, and report. `make hosts ARGS="--only redis"`."""

import argparse
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests import clusters
from tests.hosts import commits, network, report
from tests.hosts.report import Done
from tests.hosts.scenarios import ALL, Moments, Scenario
from tests.hosts.service import PORT, Hosts
from tests.torture import checker, clients, history, snapshot
from tests.torture.facts import Violation

DRAIN_SECONDS = 60.0
INTERRUPTED = 130


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Runs:
    """Runs scenarios on the same hosts and the same store, and checks all that was ever sent after each."""

    def __init__(self, hosts: Hosts, *, seed: str, count: int) -> None:
        self._hosts = hosts
        self._seed = seed
        self._count = count
        self._logs: list[Path] = []
        self._seen: set[str] = set()

    def run(self, scenario: Scenario, trials: int) -> Done:
        """Raises AssertionError when the hosts do not come to rest in time."""
        started, hosts = time.monotonic(), self._hosts
        if hosts.replicas_to_accept != scenario.replicas_to_accept:
            hosts.replicas_to_accept = scenario.replicas_to_accept
            hosts.restart_web()
        hosts.until_steady()
        logs = [hosts.home / f"client-{len(self._logs) + n}.jsonl" for n in range(self._count)]
        commands = [
            clients.command(
                len(self._logs) + n,
                log,
                host=hosts.proxy.address,
                port=PORT,
                token=hosts.token,
                seed=self._seed,
            )
            for n, log in enumerate(logs)
        ]
        self._logs += logs
        with clients.running(commands):
            moments = [self._trial(scenario, number) for number in range(trials)]
            hosts.until_committed(time.time())
        hosts.until_drained(DRAIN_SECONDS)
        return Done(
            scenario=scenario,
            moments=moments,
            history=history.load(logs),
            commits=commits.read(hosts.database.watched),
            violations=self._check(),
            seconds=time.monotonic() - started,
        )

    def _trial(self, scenario: Scenario, number: int) -> Moments:
        self._hosts.until_steady()
        self._hosts.until_committed(time.time())
        moments = scenario.trial(self._hosts, Random(f"{self._seed}/{scenario.name}/{number}"))
        say(f"  {scenario.name}, {number + 1}: {moments.well_at - moments.broken_at:.2f} s")
        self._hosts.until_steady()
        return moments

    def _check(self) -> list[Violation]:
        """Return what was found that was not found after an earlier scenario."""
        url = self._hosts.database.watched
        found = checker.check(history.load(self._logs), snapshot.read_server(url))
        found += commits.check(commits.read(url))
        new = [violation for violation in found if str(violation) not in self._seen]
        self._seen.update(map(str, new))
        return new


def run_all(home: Path, options: argparse.Namespace) -> int:
    """Run what was asked for, and return the exit status."""
    network.prepare()
    hosts = Hosts.make(home)
    started = time.monotonic()
    hosts.start_all()
    say(f"seed {options.seed}; {len(hosts.everyone)} hosts after {time.monotonic() - started:.0f} s")
    runs = Runs(hosts, seed=options.seed, count=options.clients)
    done: list[Done] = []
    try:
        for scenario in chosen(options.only):
            done.append(runs.run(scenario, options.trials or scenario.trials))
            say("\n".join([report.row(done[-1]), *report.evidence(done[-1])]))
    finally:
        say("\n".join(["", report.HEAD, *map(report.row, done)]))
    return 1 if any(one.is_bad for one in done) else 0


def chosen(only: Sequence[str]) -> list[Scenario]:
    return [one for one in ALL if not only or any(text.lower() in one.name.lower() for text in only)]


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.hosts", description=__doc__)
    parser.add_argument(
        "--only", action="append", default=[], help="Part of a scenario's name; may be repeated."
    )
    parser.add_argument("--trials", type=int, help="Trials of each scenario, instead of its own number.")
    parser.add_argument("--clients", type=int, default=2, help="Client processes, of 3 connections each.")
    parser.add_argument("--seed", default="")
    parser.add_argument("--home", type=Path, help="Directory for stores and logs; kept afterwards.")
    parser.add_argument("--minutes", type=int, default=60, help="Longest run; then it is stopped, and fails.")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.seed = options.seed or secrets.token_hex(4)
    if not chosen(options.only):
        parser.error(f"--only names none of: {'; '.join(one.name for one in ALL)}")
    return options


def main() -> int:
    arguments = sys.argv[1:]
    options = parse(arguments)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by what a shell has in the background
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    if options.inside:
        signal.alarm(options.minutes * 60)
        try:
            return run_all(options.home, options)
        except KeyboardInterrupt:
            return INTERRUPTED
    if reason := network.unavailable() or clusters.unavailable():
        say(f"Not run: {reason}.")
        return 2
    for name in [name for name in os.environ if name.startswith(("WRITE_", "DATABASE_", "REDIS_"))]:
        del os.environ[name]  # the service runs with the settings of this package
    home = options.home or Path(tempfile.mkdtemp(prefix="hosts-"))
    home.mkdir(exist_ok=True)
    status = INTERRUPTED
    try:
        status = network.enter([*arguments, "--home", os.fspath(home), "--seed", options.seed])
    except KeyboardInterrupt:
        say("Interrupted.")
    finally:
        if options.home is None and status in {0, INTERRUPTED}:
            shutil.rmtree(home, ignore_errors=True)
        else:
            say(f"stores and logs: {home}")
    return status


if __name__ == "__main__":
    sys.exit(main())
