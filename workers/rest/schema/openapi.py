"""How views of the write path describe themselves in an OpenAPI schema."""

import inspect
from typing import Any

from drf_spectacular.openapi import AutoSchema

SUMMARIES = {
    "list": "List {names}",
    "create": "Create {a} {name}",
    "retrieve": "Read {a} {name}",
    "update": "Replace {a} {name}",
    "partial_update": "Change {a} {name}",
    "destroy": "Delete {a} {name}",
}
DESCRIPTIONS = {
    "list": "A page of {names}. What the list does not know (a parameter, an ordering, a cursor) is refused.",
    "create": "The response comes once the {name} is committed; after the wait limit it is 202.",
    "retrieve": "The {name} as it is committed; `Read-After` waits for a write first.",
    "update": "All fields anew. The response comes once they are committed; after the wait limit it is 202.",
    "partial_update": "The fields that are sent. The response comes as for a replacement.",
    "destroy": "The response comes once the {name} is gone; after the wait limit it is 202.",
}


class WriteSchema(AutoSchema):
    """Gives each operation a summary and a description of its own, not those of the mixins behind it."""

    def get_summary(self) -> str | None:
        given: str | None = super().get_summary()
        return given or self._fill(SUMMARIES) or _first_line(self._own_doc())

    def get_description(self) -> str:  # type: ignore[override]  # the stubs are of DRF's schemas
        return self._own_doc() or self._fill(DESCRIPTIONS)

    def _own_doc(self) -> str:
        """Return the docstring of the operation's method, else that of a view without actions."""
        name = self._action() or self.method.lower()
        owner = next((base for base in type(self.view).__mro__ if name in vars(base)), object)
        if not owner.__module__.startswith(("rest_framework.", "workers.rest.")):
            method_doc = inspect.getdoc(vars(owner)[name])
            if method_doc:
                return method_doc
        return "" if self._action() in SUMMARIES else inspect.cleandoc(vars(type(self.view))["__doc__"] or "")

    def _action(self) -> str:
        return getattr(self.view, "action", None) or ""

    def _fill(self, texts: dict[str, str]) -> str:
        text = texts.get(self._action(), "")
        queryset: Any = getattr(self.view, "queryset", None)
        if not text or queryset is None:
            return ""
        options = queryset.model._meta
        name = str(options.verbose_name)
        article = "an" if name[:1].lower() in "aeiou" else "a"
        return text.format(a=article, name=name, names=options.verbose_name_plural)


def _first_line(text: str) -> str | None:
    return text.partition("\n")[0].rstrip(".") or None
