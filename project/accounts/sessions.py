"""Sessions in Redis. One that cannot be read now is not over."""

import logging
from typing import Any

from django.contrib.sessions.backends import cache
from redis.exceptions import RedisError

from workers.rest import ProblemError

logger = logging.getLogger(__name__)

DETAIL = (
    "Sessions cannot be read now: Redis does not respond. Nothing was done, and nobody is logged out by it. "
    "Try again in a few seconds."
)


class SessionStore(cache.SessionStore):
    """Django's own takes any error for the end of the session, and has the browser forget its cookie."""

    _cache: Any  # of Django's own; its stubs do not know it

    def load(self) -> dict[str, Any]:
        """Return what is kept; nothing when the session is over. Raises ProblemError without Redis."""
        try:
            kept: dict[str, Any] | None = self._cache.get(self.cache_key)
        except RedisError as exc:
            logger.warning("session state=not-read error=%s", exc)
            raise ProblemError(503, "sessions_unavailable", DETAIL, headers={"Retry-After": "1"}) from exc
        except Exception:  # what is no session is over, as to Django's own
            kept = None
        if kept is None:
            self._session_key = None
            return {}
        return kept
