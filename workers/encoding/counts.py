"""Numbers of things in sentences."""


def counted(count: int, one: str, many: str = "") -> str:
    """Return `1 write`, `2 writes` or `1,000 writes`; `many` is said where it is more than `one` and an s."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def waiting(count: int) -> str:
    """Return how many accepted writes wait, as a clause."""
    return counted(count, "accepted write waits", "accepted writes wait")
