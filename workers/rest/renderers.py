"""JSON for clients."""

from collections.abc import Mapping
from typing import Any

from rest_framework.renderers import BaseRenderer

from workers.encoding.exact_json import to_json


class JSONRenderer(BaseRenderer):
    """Renders JSON; bytes are JSON already."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if isinstance(data, bytes):
            return data
        if data is None:
            return b""
        return to_json(data, other=str)
