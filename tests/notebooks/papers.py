"""Uploads: stored before the write that names them, and removed when it takes no effect."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile

from workers.rest import ProblemError


def store(file: UploadedFile) -> str:
    """Store the upload and return its name, which is new."""
    return default_storage.save(file.name or "paper", file)


@contextmanager
def removed_unless_written(name: str) -> Iterator[None]:
    """Remove the file when the write was refused; it stays when it may yet be applied."""
    try:
        yield
    except ProblemError as exc:
        if exc.code != "acceptance_unknown":
            default_storage.delete(name)
        raise
