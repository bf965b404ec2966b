"""The REST side of the write path: views whose writes go to the writer, and the headers they understand."""

from workers.rest.answers import principal_of, queued_response, result_of
from workers.rest.codec import BoundedJSONParser, JSONRenderer
from workers.rest.errors import ProblemError, problem_of
from workers.rest.mixins import (
    QueuedCreateMixin,
    QueuedDestroyMixin,
    QueuedUpdateMixin,
    QueuedWriteMixin,
    QueuedWritesMixin,
    ReadAfterMixin,
)

__all__ = [
    # Views
    "QueuedCreateMixin",
    "QueuedDestroyMixin",
    "QueuedUpdateMixin",
    "QueuedWriteMixin",
    "QueuedWritesMixin",
    "ReadAfterMixin",
    # Answers
    "principal_of",
    "queued_response",
    "result_of",
    # Wire format
    "BoundedJSONParser",
    "JSONRenderer",
    # Errors
    "ProblemError",
    "problem_of",
]
