"""How long the web server may take to stop."""

import math

from workers.conf import settings


def graceful_seconds() -> int:
    """Return how long the web server, told to stop, may take to finish what is waiting."""
    return max(30, math.ceil(settings.WRITE_WAIT_SECONDS) + 5)
