import json
from argparse import ArgumentParser
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import redis
from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError
from django.utils import timezone
from rich.markup import escape
from rich.table import Table

from workers.doctor.finding import size
from workers.encoding.counts import counted
from workers.encoding.times import utc_text
from workers.exceptions import QueueUnavailable
from workers.management.console import console, print_whole, whole_number
from workers.management.watching import until_interrupted
from workers.models import Receipt
from workers.operations import absence
from workers.operations.sizes import sizes
from workers.operations.status import queue_status
from workers.store.lease import of_store as lease_of_store
from workers.writes import WriteStatus

STYLES = {WriteStatus.COMMITTED: "green", WriteStatus.REJECTED: "yellow", WriteStatus.FAILED: "red"}


class Command(BaseCommand):
    help = (
        "Show how many accepted writes wait and for how long, who the writer is and when it committed last, "
        "who took the lease last, what room everything takes, and what became of the most recent writes. "
        "Exit status 0 when Redis responds and a writer is at work and can commit, else 1."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--receipts",
            type=whole_number(0, 1_000),
            default=10,
            metavar="N",
            help="how many of the most recent receipts to show (default: 10)",
        )
        parser.add_argument(
            "--json",
            action="store_true",
            dest="as_json",
            help="print one JSON object instead; times in it are seconds since 1970, or ISO 8601",
        )
        parser.add_argument(
            "--watch",
            action="store_true",
            help="show the last minutes instead, live, until Ctrl-C; no terminal: a line for each 5 s, "
            "and for each problem",
        )

    def handle(self, *, receipts: int, as_json: bool, watch: bool, **options: Any) -> None:
        if watch and as_json:
            raise CommandError("--watch prints no JSON: ask for one of the two.")
        if watch:
            until_interrupted(console(self, no_color=options["no_color"]))
            return
        state = _state(receipts)
        if as_json:
            self.stdout.write(json.dumps(state, cls=DjangoJSONEncoder))
        else:
            output = console(self, no_color=options["no_color"])
            output.print(_overview(state))
            output.print(_sizes_table(state["sizes"]))
            if state["receipts"]:
                print_whole(output, _receipts_table(state["receipts"]))
        if state["problems"]:
            raise CommandError(" ".join(state["problems"]))


def _state(receipts: int) -> dict[str, Any]:
    """Return everything that is shown, in JSON's types but for times of receipts."""
    state: dict[str, Any] = {"length": None, "oldest_age_seconds": None, "writer": None, "problems": []}
    state["lease_is_held"] = holder = None
    try:
        status = queue_status()
    except QueueUnavailable as exc:
        state["problems"].append(str(exc))
    else:
        state |= asdict(status)
        try:
            state["problems"] += absence.problems_of(status)
        except redis.RedisError as exc:
            state["problems"].append(f"Redis does not respond: {exc}")
    with suppress(DatabaseError):
        holder = lease_of_store().holder()
    state["lease"] = holder and asdict(holder)
    with suppress(OSError):
        state["lease_is_held"] = absence.holder() is not None
    state["sizes"] = asdict(sizes())
    fields = ("write_id", "function", "status", "http_status", "principal", "committed_at")
    try:
        state["receipts"] = list(Receipt.objects.values(*fields)[:receipts])
    except DatabaseError as exc:
        state["receipts"] = []
        state["problems"].append(f"The receipts cannot be read ({exc}). Is `manage.py migrate` due?")
    return state


def _overview(state: dict[str, Any]) -> Table:
    table = Table(show_header=False, title="Write path", title_justify="left")
    table.add_column(style="bold")
    if state["length"] is None:
        table.add_row("Redis", "[red]does not respond[/red]")
    else:
        age = state["oldest_age_seconds"]
        table.add_row("Waiting writes", str(state["length"]))
        table.add_row("Oldest has waited", "-" if age is None else _duration(age))
        for name, value in _writer_rows(state["writer"]):
            table.add_row(name, value)
    lease = state["lease"]
    if state["lease_is_held"]:
        table.add_row("Lease held by", _lease(lease) if lease else "a process that is not known")
    else:
        table.add_row("Lease", f"free; last taken by {_lease(lease)}" if lease else "free")
    return table


def _lease(lease: dict[str, Any]) -> str:
    since = lease["since"]
    return f"{lease['purpose']}, pid {lease['pid']}" + ("" if since is None else f", {_moment(since)}")


def _writer_rows(writer: dict[str, Any] | None) -> list[tuple[str, str]]:
    if writer is None:
        return [("Writer", "[red]none at work[/red]")]
    committed_at = writer["committed_at"]
    return [
        ("Writer", f"pid {writer['pid']} on {writer['host']}"),
        ("At work since", _moment(writer["since"])),
        ("Last progress", _moment(writer["progress_at"])),
        ("Last commit", "none yet" if committed_at is None else _moment(committed_at)),
        ("Committed", _committed(writer)),
    ]


def _committed(writer: dict[str, Any]) -> str:
    return f"{counted(writer['writes'], 'write')} in {counted(writer['commits'], 'transaction')}"


def _sizes_table(found: dict[str, Any]) -> Table:
    table = Table(title="Sizes", title_justify="left")
    for heading in ("Of", "Now", "Limit"):
        table.add_column(heading, no_wrap=heading == "Of", overflow="fold")
    disk = f"{_size(found['disk_free_bytes'])} free on the disk"
    rewritten = found["redis_log_limit_bytes"]
    rows = [
        ("Store", f"{_size(found['store_bytes'])}, {_size(found['store_free_bytes'])} of it unused", disk),
        ("Its log", _size(found["log_bytes"]), f"emptied from {_size(found['log_limit_bytes'])}"),
        (
            "Receipts",
            f"about {_count(found['receipts'])}, {_size(found['receipts_bytes'])} of the store",
            f"{_count(found['receipts_limit'])}, or {found['receipts_days']} days",
        ),
        (
            "Waiting writes",
            f"{_count(found['stream_length'])}, {_size(found['stream_bytes'])}",
            f"{_count(found['stream_limit'])}, or {_size(found['stream_limit_bytes'])}",
        ),
        (
            "Redis's log",
            _size(found["redis_log_bytes"]),
            "none" if rewritten is None else f"rewritten at {_size(rewritten)}",
        ),
        (
            "Backups",
            f"{_count(found['backups'])}, {_size(found['backups_bytes'])}",
            _count(found["backups_limit"]),
        ),
    ]
    for row in rows:
        table.add_row(*row)
    return table


def _size(count: int | None) -> str:
    return "-" if count is None else size(count)


def _count(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def _receipts_table(receipts: list[dict[str, Any]]) -> Table:
    table = Table(title="Most recent receipts", title_justify="left")
    for heading in ("Write", "Function, and outcome", "By user", "When"):
        table.add_column(heading, no_wrap=True)
    for receipt in receipts:
        style = STYLES[WriteStatus(receipt["status"])]
        outcome = f"[{style}]{receipt['status']}, {receipt['http_status']}[/{style}]"
        table.add_row(
            str(receipt["write_id"]),
            f"{escape(receipt['function'])}\n{outcome}",
            escape(receipt["principal"]) or "-",
            f"{_age(receipt['committed_at'])} ago",
        )
    return table


def _moment(seconds_since_1970: float) -> str:
    return f"{utc_text(seconds_since_1970)} ({_age(datetime.fromtimestamp(seconds_since_1970, tz=UTC))} ago)"


def _age(moment: datetime) -> str:
    # Another machine's clock can be ahead.
    return _duration(max(0.0, (timezone.now() - moment).total_seconds()))


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = int(seconds) // 60
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"
