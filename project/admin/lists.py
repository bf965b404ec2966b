"""What the admin's lists are asked through their address, taken as strictly as the API takes it."""

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from workers import is_request_error
from workers.rest import BoundedSearchFilter

MAX_WORDS, MAX_CHARACTERS = BoundedSearchFilter.max_words, BoundedSearchFilter.max_characters


if TYPE_CHECKING:
    Base = ModelAdmin
else:
    Base = object  # it stands before ModelAdmin, or a subclass, in the bases


class StrictLists(Base):
    """Refuses what no list can be made of. Stands before ModelAdmin in the bases."""

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list, read already. Raises IncorrectLookupParameters, which leads to the whole list."""
        try:
            changes = super().get_changelist_instance(request)
            # Here and not in the template: what a value from the address does, it does now.
            len(changes.result_list)
        except Exception as exc:
            if is_request_error(exc):
                raise IncorrectLookupParameters(exc) from exc
            raise
        return changes

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """Search for so many words at most: each is looked for in every row."""
        if len(search_term) <= MAX_CHARACTERS and len(search_term.split()) <= MAX_WORDS:
            return super().get_search_results(request, queryset, search_term)
        limit = f"Search for at most {MAX_WORDS} words of {MAX_CHARACTERS} characters together."
        self.message_user(request, limit, messages.ERROR)
        request.is_search_refused = True  # type: ignore[attr-defined]  # a note of our own on the request
        return queryset.none(), False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        response: HttpResponse = super().changelist_view(request, extra_context)
        if getattr(request, "is_search_refused", False):
            response.status_code = 400
        return response

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Return whether the address may ask for this. Not for patterns: a short one takes hours."""
        if lookup.endswith(("__regex", "__iregex")):
            return False
        return super().lookup_allowed(lookup, value, request)
