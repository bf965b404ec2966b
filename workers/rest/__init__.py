"""The REST side of the write path: views whose writes go to the writer, and the headers they understand."""

from workers.rest import extra  # noqa: F401 - before what needs it

# isort: split
from workers.exceptions import NON_FIELD, messages_by_field
from workers.rest.errors import ProblemError, problem_of
from workers.rest.lists.filters import BoundedSearchFilter, KnownParameters, StrictOrderingFilter
from workers.rest.lists.pagination import KeysetPagination, StableListMixin
from workers.rest.many import at, check_many, check_one
from workers.rest.mixins import (
    QueuedCreateMixin,
    QueuedDestroyMixin,
    QueuedUpdateMixin,
    QueuedWriteMixin,
    QueuedWritesMixin,
    ReadAfterMixin,
)
from workers.rest.negotiation import PlainNegotiation
from workers.rest.parsers import BoundedJSONParser
from workers.rest.queued import queued
from workers.rest.renderers import JSONRenderer
from workers.rest.responses import principal_of, queued_response, raise_unless_committed
from workers.rest.serializers import SharedFieldsMixin, StrictCharField
from workers.rest.validation import FieldErrors, unknown_fields

__all__ = [
    # Views
    "QueuedCreateMixin",
    "QueuedDestroyMixin",
    "QueuedUpdateMixin",
    "QueuedWriteMixin",
    "QueuedWritesMixin",
    "ReadAfterMixin",
    "SharedFieldsMixin",
    "StrictCharField",
    "queued",
    # Lists
    "BoundedSearchFilter",
    "KeysetPagination",
    "KnownParameters",
    "StableListMixin",
    "StrictOrderingFilter",
    # Validation
    "NON_FIELD",
    "FieldErrors",
    "at",
    "check_many",
    "check_one",
    "messages_by_field",
    "unknown_fields",
    # Responses
    "principal_of",
    "queued_response",
    "raise_unless_committed",
    # Wire format
    "BoundedJSONParser",
    "JSONRenderer",
    "PlainNegotiation",
    # Errors
    "ProblemError",
    "problem_of",
]
