"""Times for people to read."""

from datetime import UTC, datetime


def utc_text(moment: float | datetime) -> str:
    """Return a time as `2026-11-25 12:00:00 UTC`, from seconds since 1970 or a datetime with a time zone."""
    if not isinstance(moment, datetime):
        moment = datetime.fromtimestamp(moment, tz=UTC)
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
