"""Run the benchmark: `python -m benchmarks --help`."""

import argparse
import json
import os
import shutil
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from benchmarks import load, machine
from benchmarks.bench import Bench
from benchmarks.contestants import Contestant, all_contestants
from benchmarks.figures import APART, NAMES, TOGETHER
from benchmarks.processes import BASE_DIR
from benchmarks.report import markdown
from benchmarks.run import Run
from benchmarks.stage import stage

QUICK_FIGURES = ("table", "lone", "quiet")
QUICK_CONTESTANTS = (
    *("noop", "direct-full", "direct-full-gevent", "direct-full-granian", "django-bolt", "postgres"),
    *("celery-task", "one-writer", "one-writer-async"),
)


def main() -> int:
    options = _options()
    # A supervisor's SIGTERM ends everything as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    bench = Bench(
        python=os.path.abspath(options.python),
        peers_python=os.path.abspath(options.peers_python),
        parent=options.directory,
        cache=options.cache,
    )
    try:
        with bench:
            return _measure(bench, options)
    except KeyboardInterrupt:
        print("interrupted: everything that was started is ended", file=sys.stderr)
        return 130


def _measure(bench: Bench, options: argparse.Namespace) -> int:
    run = Run(bench=bench, rounds=options.rounds, seconds=options.seconds, only=frozenset(options.only))
    contestants = all_contestants(bench)
    results: dict[str, Any] = {
        "machine": machine.describe(bench),
        "options": {"rounds": run.rounds, "seconds": run.seconds},
        "contestants": {
            name: {"label": one.label, "durability": one.durability, "is_durable": one.is_durable}
            for name, one in contestants.items()
        },
        "skipped": run.skipped,
        "figures": {},
    }
    run.say(f"load from {load.driver()}; stores in {bench.directory}")
    chosen = {name: one for name, one in contestants.items() if run.takes_part(name)}
    together = [name for name in TOGETHER if name in options.figures]
    if together:
        _together(run, chosen, together, results["figures"])
    for name in [name for name in APART if name in options.figures]:
        _figure(run, name, results["figures"])
    _write(results, options.output)
    return 1 if any(name in run.skipped for name in options.figures) else 0


def _together(run: Run, chosen: dict[str, Contestant], names: list[str], figures: dict[str, Any]) -> None:
    run.say(f"starting {len(chosen)} contestants")
    with stage(chosen.values(), run.skipped) as ready:
        by_name = {one.name: one for one in ready}
        for name in names:
            _figure(run, name, figures, by_name)


def _figure(run: Run, name: str, figures: dict[str, Any], *ready: dict[str, Contestant]) -> None:
    """Measure one figure. A fault in it is told, and does not keep the others from being measured."""
    run.say(f"-- {name}")
    measure: Any = TOGETHER.get(name) or APART[name]
    try:
        figures[name] = measure(run, *ready)
    except Exception as exc:
        traceback.print_exc()
        run.skipped[name] = f"{type(exc).__name__}: {exc}"


def _write(results: dict[str, Any], output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    (output / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    plots: list[str] = []
    try:
        from benchmarks.report.plots import draw
    except ImportError as exc:
        print(f"no plots: {exc}")
    else:
        plots = draw(results, output)
    text = markdown.document(results, plots)
    (output / "results.md").write_text(text)
    print(f"\n{text}\nwritten to {output}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2 rounds of 2 s, core contestants and figures")
    parser.add_argument("--rounds", type=int, help="rounds (default: 5)")
    parser.add_argument("--seconds", type=float, help="length of a measurement, whole seconds (default: 4)")
    parser.add_argument("--only", type=_names, help="contestants, separated by commas (default: all)")
    parser.add_argument("--figures", type=_names, help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--output", type=Path, default=BASE_DIR / "benchmarks" / "results")
    parser.add_argument("--directory", type=Path, default=Path("/var/tmp"), help="stores are made below it")
    parser.add_argument(
        "--cache", type=Path, default=BASE_DIR / "var" / "bench-cache", help="keeps big stores"
    )
    parser.add_argument("--python", default=str(BASE_DIR / ".venv" / "bin" / "python"), help="the service's")
    parser.add_argument("--peers-python", default=sys.executable, help="the one with the peers' packages")
    options = parser.parse_args()
    quick = options.quick
    options.rounds = options.rounds or (2 if quick else 5)
    options.seconds = options.seconds or (2.0 if quick else 4.0)
    options.only = options.only or (QUICK_CONTESTANTS if quick else ())
    options.figures = options.figures or (QUICK_FIGURES if quick else NAMES)
    unknown = set(options.figures) - set(NAMES)
    if unknown:
        parser.error(f"no such figures: {', '.join(sorted(unknown))}")
    if shutil.which(options.python) is None:
        parser.error(f"{options.python} is missing: `make bench` makes it")
    return options


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


if __name__ == "__main__":
    sys.exit(main())
