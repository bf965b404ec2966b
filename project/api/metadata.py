"""What OPTIONS returns: DRF's description of a view, as much of it as can be made."""

import logging
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework.exceptions import APIException
from rest_framework.metadata import SimpleMetadata
from rest_framework.request import Request

from workers import is_cut_off, is_store_error

if TYPE_CHECKING:  # the module of the views imports this one
    from rest_framework.views import APIView

logger = logging.getLogger(__name__)


class Metadata(SimpleMetadata):
    """Leaves the fields out for a view whose serializer cannot be made, instead of failing.

    A view needs no serializer to do its work, or may choose one by what OPTIONS does not send.
    """

    def determine_actions(self, request: Request, view: "APIView") -> dict[str, Any]:
        try:
            return super().determine_actions(request, view)
        except (APIException, Http404, PermissionDenied):
            raise
        except Exception as exc:
            if is_cut_off(exc) or is_store_error(exc):
                raise
            # Not louder: anybody may ask, as often as they like.
            logger.debug("metadata view=%s state=without-fields", type(view).__name__, exc_info=True)
            return {}
