from argparse import ArgumentParser, BooleanOptionalAction
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from items.models import Item
from project.demo import server
from project.demo.load import Fate, Load, Report, Verdict, compare, name_prefix
from workers.management.console import console, whole_number


class Command(BaseCommand):
    help = (
        "Create items over HTTP in the running service, as fast as it responds, then look into the store "
        "whether every accepted request is there exactly once. Each connection sends its next request when "
        "the one before has its response; what is cut off or given 503 is sent again with the same "
        "Idempotency-Key. Run it with the DATA_DIR of the service. The items stay in the store. "
        "Exit status 0 when nothing is missing or there twice and every request was accepted, else 1."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--requests",
            type=whole_number(1, 10_000_000),
            default=50_000,
            metavar="N",
            help="items to create (default: 50000)",
        )
        parser.add_argument(
            "--connections",
            type=whole_number(1, 10_000),
            default=64,
            metavar="N",
            help="requests under way at once (default: 64)",
        )
        parser.add_argument(
            "--idempotency-keys",
            action=BooleanOptionalAction,
            default=True,
            help="send Idempotency-Keys, so that a request can be repeated safely. Without, one whose "
            "connection is cut is not repeated and counts as unknown, which is a failure (default: with)",
        )
        server.add_arguments(parser)

    def handle(
        self,
        *,
        requests: int,
        connections: int,
        idempotency_keys: bool,
        url: tuple[str, int] | None,
        token: str | None,
        **options: Any,
    ) -> None:
        service = server.from_options(url, token)
        _check_access(service)
        output = console(self, no_color=options["no_color"])
        load = Load(service, requests=requests, connections=connections, idempotency_keys=idempotency_keys)
        report = _run(load, output, requests)
        verdict = compare(report, stored_names(report.run))
        output.print(_table(report, verdict, service.url))
        problems = _problems(report, verdict)
        if problems:
            raise CommandError(f"Not as it must be: {', '.join(problems)}.{_hint(report, verdict)}")
        output.print(_praise(verdict.rows))


def stored_names(run: str) -> Iterator[str]:
    """Yield the names of this run's items, read from the store in one statement."""
    # A range instead of `startswith`, whose LIKE cannot use the index: "!" follows the space that ends it.
    prefix = name_prefix(run)
    names = Item.objects.filter(name__gte=prefix, name__lt=f"{prefix[:-1]}!").order_by()
    return names.values_list("name", flat=True).iterator(chunk_size=2_000)


def _check_access(service: server.Server) -> None:
    """Raise CommandError when the service is not there or would refuse every request."""
    service.check_responds()
    try:
        Item.objects.exists()
    except DatabaseError as exc:
        raise CommandError(f"{_store()} cannot be read ({exc}): set DATA_DIR as for the service.") from exc
    status, _ = service.request("GET", "/api/items/?page_size=1")
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        which = "refuses this token" if service.token else "needs a token"
        raise CommandError(
            f"{service.url} {which}: name one with --token; `manage.py create_token USERNAME` makes one."
        )


def _run(load: Load, console: Console, requests: int) -> Report:
    if not console.is_terminal:
        return load.run(lambda done: None)
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("POST /api/items/", total=requests)
        return load.run(lambda done: progress.update(task, completed=done))


def _table(report: Report, verdict: Verdict, url: str) -> Table:
    table = Table(show_header=False, title=f"Load run {report.run} on {escape(url)}", title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    rows: list[tuple[str, object]] = [
        ("Responses", f"{len(report.latencies)} in {report.seconds:.1f} s = {report.rate:.0f}/s"),
        ("Latency p50 · p99 · max", " · ".join(_milliseconds(report, p) for p in (50, 99, 100)) + " ms"),
        *((f"Responses {status}", count) for status, count in sorted(report.statuses.items())),
        *((f"Retries and errors: {kind}", count) for kind, count in sorted(report.events.items()) if count),
    ]
    for name, value in rows:
        table.add_row(escape(name), escape(str(value)))
    table.add_section()
    checked: list[tuple[str, int, bool]] = [
        ("Accepted", report.count(Fate.ACCEPTED) + report.count(Fate.QUEUED), False),
        ("Rows in the store", verdict.rows, False),
        ("Missing (accepted, no row)", verdict.missing, True),
        ("Duplicates (more than one row)", verdict.duplicates, True),
        ("Ended in error", report.count(Fate.ERROR), True),
        ("Unknown (cut off, not repeated)", report.count(Fate.UNKNOWN), True),
        ("Unknown but present", verdict.unknown_but_present, False),
    ]
    for name, count, is_problem in checked:
        style = "bold red" if is_problem and count else "green" if is_problem else None
        table.add_row(name, str(count), style=style)
    return table


def _milliseconds(report: Report, percent: float) -> str:
    return f"{report.percentile(percent) * 1000:.1f}"


def _problems(report: Report, verdict: Verdict) -> list[str]:
    counts = {
        "missing": verdict.missing,
        "duplicate": verdict.duplicates,
        "never asked for but present": verdict.unexpected,
        "ended in error": report.count(Fate.ERROR),
        "in error but present": verdict.error_but_present,
        "not settled": report.count(Fate.QUEUED),
        "unknown": report.count(Fate.UNKNOWN),
        "not sent": report.count(Fate.UNSENT),
    }
    problems = [f"{count} {what}" for what, count in counts.items() if count]
    return ["interrupted", *problems] if report.interrupted else problems


def _praise(rows: int) -> str:
    if rows == 1:
        return "The one accepted request is in the store, exactly once."
    return f"All {rows} accepted requests are in the store, each exactly once."


def _hint(report: Report, verdict: Verdict) -> str:
    if report.count(Fate.ACCEPTED) and not verdict.rows:
        return f" No row of this run is in {_store()}: is DATA_DIR the one that the service uses?"
    return ""


def _store() -> str:
    return str(connection.settings_dict["NAME"])
