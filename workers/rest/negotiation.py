"""Which renderer a response gets."""

from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request


class PlainNegotiation(DefaultContentNegotiation):
    """DRF's own, short where the client takes anything and the view renders one thing, as nearly always."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[Any, str]:
        meta = request._request.META  # not `request.headers`, which parses all of them
        if len(renderers) == 1 and not format_suffix and not meta.get("QUERY_STRING"):
            media_type = renderers[0].media_type
            if meta.get("HTTP_ACCEPT", "*/*") in {"*/*", media_type}:
                return renderers[0], media_type
        chosen: tuple[Any, str] = super().select_renderer(request, renderers, format_suffix)
        return chosen
