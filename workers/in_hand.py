"""What this thread or fiber is busy with: the request, or the write, by which log lines find each other."""

from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from typing import Protocol


class InHand(Protocol):
    """A request, or in the writer a write."""

    @property
    def request_id(self) -> str:
        """What the request is called in all logs; empty where there was none."""

    @property
    def write_id(self) -> int:
        """0 for what is no write yet."""


@dataclass(slots=True)  # frozen, it would take three times as long to make
class Request:
    """A request, as far as others have to know it."""

    request_id: str
    traceparent: str = ""
    """Its place in a trace, as it came (https://www.w3.org/TR/trace-context/); empty for none."""
    write_id: int = 0


in_hand: ContextVar[InHand | None] = ContextVar("in_hand", default=None)

OF_REQUEST = "workers.in_hand"
"""The key of a Request in `META` of Django's."""


def request_in_hand() -> Request | None:
    """Return the request that is being served; None in the writer, in commands and in tasks."""
    found = in_hand.get()
    return found if isinstance(found, Request) else None


def context_of(hand: InHand | None) -> Context:
    """Return a copy of the context in which this is in hand, or nothing."""
    context = copy_context()
    context.run(in_hand.set, hand)
    return context
