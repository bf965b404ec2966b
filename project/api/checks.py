"""System checks of what this service reads from its environment."""

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Tags, register


@register(Tags.security)
def check_hsts(**_: Any) -> list[CheckMessage]:
    """Name a setting without effect: Django sends the header over HTTPS alone, which the proxy speaks."""
    if not settings.SECURE_HSTS_SECONDS or settings.SECURE_PROXY_SSL_HEADER:
        return []
    return [
        checks.Warning(
            f"HSTS_SECONDS is {settings.SECURE_HSTS_SECONDS}, and no response will have that header: every "
            "request counts as plain HTTP.",
            hint="Set TRUST_X_FORWARDED_PROTO=1 behind a proxy that sets X-Forwarded-Proto itself, or let "
            "the proxy send Strict-Transport-Security.",
            id="project.W001",
        )
    ]
