"""Two public applications, unchanged, in several ways to write: `python -m benchmarks.adoption --help`."""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.adoption.markdown import document
from benchmarks.adoption.project import Project
from benchmarks.adoption.sites import SITES
from benchmarks.adoption.ways import WAYS, Way
from benchmarks.processes import BASE_DIR
from benchmarks.stage import in_turn

PACKAGES = ("django", "djangorestframework", "gunicorn")


def main() -> int:
    options = _options()
    # A supervisor's SIGTERM ends everything as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="owa-", dir=options.directory) as directory:
        try:
            results = _measure(options, Path(directory))
        except KeyboardInterrupt:
            print("interrupted: everything that was started is ended", file=sys.stderr)
            return 130
    options.output.mkdir(parents=True, exist_ok=True)
    place = options.output / "adoption"
    place.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
    text = document(results)
    place.with_suffix(".md").write_text(text)
    print(f"\n{text}\nwritten to {options.output}")
    return 0


def _measure(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    ways = [*(WAYS[name] for name in options.ways), *options.also]
    projects = {
        name: Project(
            site=SITES[name],
            python=options.python,
            directory=directory,
            clients=options.clients,
            threads=options.threads,
            cache=options.cache,
        )
        for name in options.sites
    }
    results: dict[str, Any] = {
        "machine": machine.hardware(directory, "python -m benchmarks.adoption")
        | {"software": machine.versions(options.python, PACKAGES)},
        "options": {
            name: getattr(options, name) for name in ("clients", "threads", "rounds", "warm_up", "seconds")
        },
        "ways": {way.name: way.label for way in ways},
        "sites": {
            name: {
                "package": project.site.package,
                "version": machine.versions(options.python, [project.site.package]).rpartition(" ")[2],
                "samples": [],
            }
            for name, project in projects.items()
        },
    }
    for project in projects.values():
        for way in [way for way in ways if way.fits(project.site.name)]:
            print(f"making {project.site.name}, {way.name}", flush=True)
            project.template(way)
    started = time.monotonic()
    for number in range(options.rounds):
        for name, project in projects.items():
            for way in in_turn([way for way in ways if way.fits(name)], number):
                sample = project.measure(way, warm_up=options.warm_up, seconds=options.seconds) | {
                    "way": way.name,
                    "round": number,
                }
                results["sites"][name]["samples"].append(sample)
                print(_line(time.monotonic() - started, number, options.rounds, name, sample), flush=True)
    return results


def _line(seconds: float, number: int, rounds: int, site: str, sample: dict[str, Any]) -> str:
    check = sample["check"]
    return (
        f"{int(seconds // 60):>2}:{int(seconds % 60):02} {number + 1}/{rounds}  {site:<9} {sample['way']:<12}"
        f" {sample['rate']:>6.1f} ok/s  p50 {sample['p50']:>5.2f}  p99 {sample['p99']:>5.2f}"
        f"  max {sample['max']:>5.2f} s  5xx {sample['server_errors']}  no response {sample['no_response']}"
        f"  unexpected {sample['unexpected']}  looked for {check['looked_for']}  lost {check['lost']}"
        f"  duplicate {check['duplicates']}  failed yet done {check['failed_yet_done']}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.adoption", description=__doc__)
    parser.add_argument("--sites", type=_names(SITES), default=list(SITES), help=f"of {', '.join(SITES)}")
    parser.add_argument("--ways", type=_names(WAYS), default=list(WAYS), help=f"of {', '.join(WAYS)}")
    parser.add_argument(
        "--also",
        type=_way,
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="a way of your own: settings in a file",
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each way in each round")
    parser.add_argument("--warm-up", type=float, default=10.0, help="seconds before them, not timed")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--threads", type=int, default=32, help="of each of the two web processes")
    parser.add_argument("--output", type=Path, default=BASE_DIR / "benchmarks" / "results")
    parser.add_argument("--directory", type=Path, default=Path("/var/tmp"), help="projects are made below it")
    parser.add_argument(
        "--cache", type=Path, default=BASE_DIR / "var" / "adoption-cache", help="keeps filled stores"
    )
    parser.add_argument(
        "--python",
        default=str(BASE_DIR / ".venv-adoption" / "bin" / "python"),
        help="the one with the applications",
    )
    options = parser.parse_args()
    if shutil.which(options.python) is None:
        parser.error(f"{options.python} is missing: `make adoption` makes it")
    return options


def _names(known: Any) -> Any:
    def names(text: str) -> list[str]:
        found = [name.strip() for name in text.split(",") if name.strip()]
        if unknown := set(found) - set(known):
            raise argparse.ArgumentTypeError(f"there is no {', '.join(sorted(unknown))}")
        return found

    return names


def _way(text: str) -> Way:
    name, _, path = text.partition("=")
    try:
        return Way(name=name, label=name, lines="\n" + Path(path).read_text())
    except OSError as exc:
        raise argparse.ArgumentTypeError(f"{text}: {exc}") from exc


if __name__ == "__main__":
    sys.exit(main())
