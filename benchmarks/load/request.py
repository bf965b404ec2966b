"""What a contestant is asked: one kind of request, and the answer that counts as a success."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A POST that creates items, each with a name that no other request has."""

    port: int
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    expected_status: int = 201
    items: int = 1
    """How many items one request creates."""
    before: str = ""
    """The body up to the first item."""
    item_front: str = '{"name": "'
    """An item up to its name."""
    item_back: str = '"}'
    """An item from behind its name."""
    after: str = ""
    """The body after the last item."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"

    def all_headers(self) -> dict[str, str]:
        return {"Content-Type": "application/json", "Accept": "application/json"} | dict(self.headers)

    def body(self, names: list[str]) -> bytes:
        """Return the body that creates items of these names."""
        items = ", ".join(f"{self.item_front}{name}{self.item_back}" for name in names)
        return f"{self.before}{items}{self.after}".encode()


def name_prefix(run: str) -> str:
    """Return what the names of all items of a run begin with."""
    return f"bench {run} "
