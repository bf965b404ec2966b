"""What keeps a store from being moved."""

from collections.abc import Sequence

from workers.exceptions import WritePathError


class NotMoved(WritePathError):
    """The store was not moved: the service goes on with it."""


class Unfit(NotMoved):
    """Rows of the source have values that the target would refuse."""

    def __init__(self, found: Sequence[str], *, is_all: bool) -> None:
        many = f"{len(found)} values do" if is_all else f"At least {len(found)} values do"
        super().__init__(
            f"{many} not fit into the target, and nothing was copied. Change these rows, then run it again:\n"
            + "\n".join(found)
        )
        self.found = found
