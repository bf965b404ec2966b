"""Which docstrings describe no API: those of the mixins, where a view or serializer has none of its own."""

from typing import Any

from drf_spectacular.plumbing import get_lib_doc_excludes

from workers import rest


def lib_doc_excludes() -> list[Any]:
    """Return the classes at which drf-spectacular stops to look. Its setting `GET_LIB_DOC_EXCLUDES`."""
    ours = [one for name in rest.__all__ if isinstance(one := getattr(rest, name), type)]
    bases = [base for one in ours for base in one.__mro__ if base.__module__.startswith("workers.rest.")]
    return [*get_lib_doc_excludes(), *dict.fromkeys(bases)]  # type: ignore[no-untyped-call]  # untyped in the library
