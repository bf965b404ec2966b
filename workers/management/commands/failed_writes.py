import json
from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError
from rich.markup import escape
from rich.table import Table

from workers.conf import settings
from workers.encoding.counts import counted
from workers.encoding.times import utc_text
from workers.management.console import console, print_whole, whole_number
from workers.models import Receipt
from workers.operations import retries
from workers.operations.retries import Families
from workers.submission.submission import Submission
from workers.writes import WriteStatus

LIST_FIELDS = ("write_id", "function", "principal", "status", "committed_at")


def _write_id(value: str) -> int:
    if not value.isdecimal() or not 0 < int(value) < 2**63:
        raise ArgumentTypeError(f"{value!r} is not a write's id; `failed_writes` lists them")
    return int(value)


class Command(BaseCommand):
    help = (
        "List the writes that failed, show one with its traceback and arguments, or try some again: each "
        "retry is a new write with the same function, arguments and principal. "
        "Exit status 1 when a retry was not committed."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        action = parser.add_mutually_exclusive_group()
        action.add_argument(
            "--show", type=_write_id, metavar="ID", help="print everything about one failed write"
        )
        action.add_argument(
            "--retry", type=_write_id, nargs="+", metavar="ID", help="try these again, in order"
        )
        action.add_argument(
            "--retry-all",
            action="store_true",
            help="try again, in order, all that can be and are not settled",
        )
        parser.add_argument(
            "--limit",
            type=whole_number(1, 10_000),
            default=20,
            metavar="N",
            help="how many to list, newest first (default: 20)",
        )
        parser.add_argument(
            "--json",
            action="store_true",
            dest="as_json",
            help="print the list, or what --show shows, as JSON",
        )

    def handle(self, *, limit: int, as_json: bool, **options: Any) -> None:
        try:
            if options["show"]:
                self._show(_find(options["show"]), as_json=as_json)
            elif options["retry"]:
                self._retry(list(dict.fromkeys(options["retry"])))
            elif options["retry_all"]:
                self._retry_all()
            else:
                self._list(limit, as_json=as_json, no_color=options["no_color"])
        except DatabaseError as exc:
            raise CommandError(f"The receipts cannot be read ({exc}). Is `manage.py migrate` due?") from exc

    def _list(self, limit: int, *, as_json: bool, no_color: bool) -> None:
        failed = Receipt.objects.filter(status=WriteStatus.FAILED)
        receipts, total, known = list(failed[:limit]), failed.count(), retries.families()
        if as_json:
            self.stdout.write(_json([_summary(receipt, known) for receipt in receipts]))
        elif not receipts:
            self.stdout.write("No write has failed.")
        else:
            output = console(self, no_color=no_color)
            print_whole(output, _table(receipts, known))
            output.print(
                f"{len(receipts)} of {total}. See one with --show ID; retry with --retry ID or --retry-all."
            )

    def _show(self, receipt: Receipt, *, as_json: bool) -> None:
        if receipt.status != WriteStatus.FAILED:
            raise CommandError(f"Write {receipt.pk} is not failed but {receipt.status}.")
        everything = _everything(receipt, retries.families())
        if as_json:
            self.stdout.write(_json(everything))
            return
        for name, value in everything.items():
            if name not in ("arguments", "traceback"):
                self.stdout.write(
                    f"{name.replace('_', ' ').capitalize():<14} {'-' if value in (None, '') else value}"
                )
        arguments = json.dumps(everything["arguments"], indent=2, ensure_ascii=False)
        self.stdout.write(
            f"\nArguments\n{arguments}\n\nTraceback\n{receipt.traceback or 'none was recorded'}"
        )

    def _retry(self, write_ids: Sequence[int]) -> None:
        receipts, known = [_find(write_id) for write_id in write_ids], retries.families()
        refused = [
            f"Write {receipt.pk} cannot be retried: {reason}."
            for receipt in receipts
            if (reason := retries.refusal(receipt, known).rstrip("."))
        ]
        if len({known.root(receipt.pk) for receipt in receipts}) < len(receipts):
            refused.append("Some of these are retries of one another: name one of each.")
        if refused:
            raise CommandError(" ".join([*refused, "Nothing was retried."]))
        self._submit(receipts, known)

    def _retry_all(self) -> None:
        known = retries.families()
        failed = (
            Receipt.objects.filter(status=WriteStatus.FAILED).order_by("write_id").defer("traceback", "body")
        )
        eligible = (receipt for receipt in failed.iterator() if not retries.refusal(receipt, known))
        receipts = retries.latest_of_each_family(eligible, known)
        if not receipts:
            self.stdout.write("No failed write is left to retry.")
            return
        self._submit(receipts, known)

    def _submit(self, receipts: Sequence[Receipt], known: Families) -> None:
        counts: Counter[str] = Counter()
        for start in range(0, len(receipts), retries.AT_ONCE):
            some = receipts[start : start + retries.AT_ONCE]
            for word, line in _outcomes([(receipt, retries.retry(receipt, known)) for receipt in some]):
                counts[word] += 1
                self.stdout.write(line)
        total = ", ".join(f"{count} {word}" for word, count in counts.items())
        self.stdout.write(f"{len(receipts)} retried: {total}.")
        if counts["committed"] < len(receipts):
            raise CommandError(
                "Not all were committed: see why with --show and the new id. To retry those that wait or are "
                "unknown once more does no harm: each takes effect once."
            )


def _find(write_id: int) -> Receipt:
    receipt = Receipt.objects.filter(pk=write_id).first()
    if receipt is None:
        raise CommandError(f"No receipt has the id {write_id}: it was pruned, never issued, or still waits.")
    return receipt


def _outcomes(submissions: Sequence[tuple[Receipt, Submission]]) -> Iterator[tuple[str, str]]:
    """Yield a word and a line for what became of each retry."""
    for receipt, submission in submissions:
        word, clause = retries.outcome_in_words(submission, settings.WRITE_WAIT_SECONDS)
        yield word, f"{receipt.pk} {receipt.function}: {clause}."


def _summary(receipt: Receipt, known: Families) -> dict[str, Any]:
    summary = {name: getattr(receipt, name) for name in LIST_FIELDS}
    retried = [write_id for write_id in known.members(receipt.pk) if write_id > receipt.pk]
    return summary | {
        "code": receipt.json().get("code", ""),
        "retry_of": receipt.retry_of,
        "retried_as": retried,
        "committed_as": known.committed(receipt.pk),
    }


def _everything(receipt: Receipt, known: Families) -> dict[str, Any]:
    return _summary(receipt, known) | {
        "accepted_at": receipt.accepted_at,
        "token": receipt.token,
        "fingerprint": receipt.fingerprint,
        "detail": receipt.json().get("detail", ""),
        "arguments": orjson.loads(receipt.arguments) if receipt.arguments else None,
        "traceback": receipt.traceback,
    }


def _table(receipts: Sequence[Receipt], known: Families) -> Table:
    """Return two lines for each, so that what may be copied has room in 80 columns."""
    table = Table(title="Failed writes", title_justify="left", show_lines=True, pad_edge=False)
    for heading in ("Write, and when", "Function, and why", "By user"):
        table.add_column(heading, no_wrap=True)
    for receipt in receipts:
        one = _summary(receipt, known)
        table.add_row(
            f"{receipt.pk}\n{utc_text(receipt.committed_at).removesuffix(' UTC')}",
            f"{escape(receipt.function) or '(undecodable)'}\n{', '.join(_why(one))}",
            escape(receipt.principal) or "-",
        )
    return table


def _why(one: Mapping[str, Any]) -> Iterator[str]:
    """Yield the error's code, and what became of it since."""
    yield escape(one["code"]) or "-"
    if one["committed_as"]:
        yield f"[green]committed as {one['committed_as']}[/green]"
    elif one["retried_as"]:
        yield f"retried {counted(len(one['retried_as']), 'time')}"


def _json(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder)
