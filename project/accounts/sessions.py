"""Sessions in Redis. One that cannot be read now is not over."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.sessions.backends import cache
from redis.exceptions import RedisError

from workers.rest import ProblemError

logger = logging.getLogger(__name__)

NOT_READ = (
    "Sessions cannot be read now: Redis does not respond. Nothing was done, and nobody is logged out by it. "
    "Try again in a few seconds."
)


NOT_KEPT = (
    "The session could not be kept: Redis does not respond. Whatever else the request did is done. "
    "Look before you try again."
)


class SessionStore(cache.SessionStore):
    """Django's own takes any error for the end of the session, and has the browser forget its cookie."""

    _cache: Any  # of Django's own; its stubs do not know it

    def load(self) -> dict[str, Any]:
        """Return what is kept; nothing when the session is over. Raises ProblemError without Redis."""
        kept: dict[str, Any] | None = None
        with _unavailable("not-read", NOT_READ):
            try:
                kept = self._cache.get(self.cache_key)
            except RedisError:
                raise
            except Exception:  # what is no session is over, as to Django's own
                logger.debug("session state=over", exc_info=True)
        if kept is None:
            self._session_key = None
            return {}
        return kept

    def save(self, must_create: bool = False) -> None:
        """Keep it. Raises CreateError, UpdateError, and ProblemError without Redis."""
        with _unavailable("not-kept", NOT_KEPT):
            super().save(must_create)

    def delete(self, session_key: str | None = None) -> None:
        """End it. Raises ProblemError without Redis."""
        with _unavailable("not-ended", NOT_KEPT):
            super().delete(session_key)


@contextmanager
def _unavailable(state: str, detail: str) -> Iterator[None]:
    try:
        yield
    except RedisError as exc:
        logger.warning("session state=%s error=%s", state, exc)
        raise ProblemError(503, "sessions_unavailable", detail, headers={"Retry-After": "1"}) from exc
