"""What the mixins of this package are mixed into, for the type checker.

At run time they have no base: DRF's views import this package for their parsers and renderers.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rest_framework.pagination import CursorPagination as PaginatorBase
    from rest_framework.viewsets import GenericViewSet as ViewBase
else:
    PaginatorBase = ViewBase = object

__all__ = ["PaginatorBase", "ViewBase"]
