"""The pages of the API's description, with errors and OPTIONS in JSON as everywhere else."""

from typing import Any

from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from workers.rest import JSONRenderer


class _JSONBesides(APIView):
    """Renders in the view's own form only what GET and HEAD succeed with: HTML and YAML have no other."""

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        if isinstance(response, Response) and (response.exception or request.method not in {"GET", "HEAD"}):
            response.accepted_renderer = JSONRenderer()
            response.accepted_media_type = JSONRenderer.media_type
        return response


class SchemaView(_JSONBesides, SpectacularAPIView):
    pass


class DocsView(_JSONBesides, SpectacularSwaggerSplitView):
    """Its script is a file too: the content security policy forbids those that stand in a page."""

    template_name = "api/docs.html"
