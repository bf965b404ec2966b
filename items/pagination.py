from rest_framework.pagination import CursorPagination


class ItemPagination(CursorPagination):
    """Pages by position in an index, so that a page's cost does not grow with its depth."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 1_000
    ordering = "id"
