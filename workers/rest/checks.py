"""What the routes and views of a project lack for its writes: said at start, not met by the first client."""

import ast
import difflib
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Error
from django.db import connection
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse
from rest_framework import generics, serializers
from rest_framework.parsers import BaseParser

from workers import registry
from workers.rest.mixins import (
    QueuedCreateMixin,
    QueuedDestroyMixin,
    QueuedUpdateMixin,
    QueuedWriteMixin,
)
from workers.rest.parsers import BoundedJSONParser
from workers.rest.queued import HANDED_OVER
from workers.stream import celery_app

HANDLERS: dict[str, tuple[Any, str]] = {
    "create": (QueuedCreateMixin.create, "create_function"),
    "update": (QueuedUpdateMixin.update, "update_function"),
    "partial_update": (QueuedUpdateMixin.partial_update, "update_function"),
    "destroy": (QueuedDestroyMixin.destroy, "destroy_function"),
}
"""By action: who handles it in the mixins, and the attribute that names its write function."""

ACTIONS = {"post": "create", "put": "update", "patch": "partial_update", "delete": "destroy"}
"""Of DRF's generic views, which are no viewsets."""

ROUTERS_OPTIONS = {"basename", "description", "detail", "name", "suffix"}
"""What a router gives to `as_view()`, on which no write depends."""

SQLITE_DECIMAL_DIGITS = 15
"""SQLite keeps decimals as floats, and Django reads so many of their digits."""


def check_views(**_: object) -> list[CheckMessage]:
    """Look at every view in the URLconf that hands writes over."""
    found: dict[tuple[str, str | None], CheckMessage] = {}  # a viewset has several routes
    routed = list(_views(get_resolver().url_patterns))
    views = [view for view in routed if issubclass(getattr(view, "cls", object), QueuedWriteMixin)]
    for view in views:
        for message in (*_functions(view), *_parsers(view.cls), *_fields(view.cls)):
            found.setdefault((message.msg, message.id), message)
    if not views and not any(map(_is_queued, routed)):
        return []
    # Of write functions another check says so.
    no_app = [] if registry.is_used() else celery_app.missing()
    return [*found.values(), *_status_route(), *no_app]


def _views(patterns: list[URLPattern | URLResolver]) -> Iterator[Any]:
    """Yield the callables behind the routes."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _views(pattern.url_patterns)
        else:
            yield pattern.callback


def _is_queued(view: Any) -> bool:
    """Return whether the view, or a method of it, is `@queued`."""
    kind = getattr(view, "cls", None) or getattr(view, "view_class", None)  # DRF's, and Django's own
    methods = [method for owner in getattr(kind, "__mro__", ()) for method in vars(owner).values()]
    # DRF's `api_view` says of its function no more than that its handlers close over it.
    inner = [cell.cell_contents for method in methods for cell in getattr(method, "__closure__", None) or ()]
    return any(HANDED_OVER in getattr(one, "__dict__", ()) for one in (view, *methods, *inner))


def _functions(view: Any) -> Iterator[CheckMessage]:
    """Say which write functions are missing, or are not known by the name that the view has for them."""
    options = getattr(view, "initkwargs", {})
    needed = {HANDLERS[action][1] for action in _actions(view)}
    for attribute in sorted({attribute for _, attribute in HANDLERS.values()}):
        name = options.get(attribute, getattr(view.cls, attribute, None))
        if name is not None:
            yield from _known(name, f"{_name(view.cls)}.{attribute}")
        elif attribute in needed and (why := _why_not_in_the_writer(view)):
            yield Error(
                f"{_name(view.cls)} has no {attribute}, and the writer cannot do without: {why}.",
                hint=f"Make it a class in a module that says all of it, or name one in {attribute}.",
                id="workers.E011",
            )
    for name in _handed_over(view.cls):
        yield from _known(name, f"{_name(view.cls)} hands over a write, and")


def _why_not_in_the_writer(view: Any) -> str:
    """Return why the writer cannot make this view once more to apply its writes, or nothing."""
    if registry.name_of(view.cls) is None:
        return "the view is made at run time, so it cannot be imported"
    options = getattr(view, "initkwargs", {}).keys() - ROUTERS_OPTIONS
    return f"it does not know what as_view() is given, {', '.join(sorted(options))}" if options else ""


def _actions(view: Any) -> Iterator[str]:
    """Yield the actions of a view that a route reaches and the mixins handle."""
    allowed = view.cls.http_method_names
    routed = getattr(view, "actions", None)
    if routed is None:
        generic = (method for method in ACTIONS if _is_generic(getattr(view.cls, method, None)))
        routed = {method: ACTIONS[method] for method in generic}
    for method, action in routed.items():
        handler = HANDLERS.get(action, (None, ""))[0]
        if method in allowed and handler is not None and getattr(view.cls, action, None) is handler:
            yield action


def _is_generic(handler: Any) -> bool:
    return getattr(handler, "__module__", None) == generics.__name__


def _known(name: str, where: str) -> Iterator[CheckMessage]:
    if name in registry.names():
        return
    name = str(getattr(name, "name", name))  # the function itself, where its name is asked for
    near = difflib.get_close_matches(name, registry.names(), n=1)
    yield Error(
        f"{where} names the write function {name!r}, which does not exist.",
        hint=f"Is it {near[0]!r}?"
        if near
        else "Register it in the module write_functions of an installed app.",
        id="workers.E010",
    )


def _handed_over(cls: type) -> Iterator[str]:
    """Yield the names in calls of `perform_write` within the class, where they are written out."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError, SyntaxError):  # without a source there is nothing to be read
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "perform_write" and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value


def _parsers(cls: Any) -> Iterator[CheckMessage]:
    for parser in cls.parser_classes:
        if _takes_json(parser) and not issubclass(parser, BoundedJSONParser):
            yield checks.Warning(
                f"{_name(cls)} takes JSON by {parser.__name__}, which bounds neither its size nor its depth.",
                hint="Use workers.rest.BoundedJSONParser in parser_classes or DEFAULT_PARSER_CLASSES.",
                id="workers.W010",
            )


def _takes_json(parser: type[BaseParser]) -> bool:
    return str(getattr(parser, "media_type", "")).endswith("json")


def _fields(cls: Any) -> Iterator[CheckMessage]:
    """Say what of a serializer's fields cannot be kept."""
    try:
        serializer = cls.serializer_class()
        fields = list(_writable(serializer.fields.items()))
    except Exception:  # one that cannot be made without a request is not looked at, and none is no error
        return
    for name, field in fields:
        where = f"{_name(cls.serializer_class)}.{name}"
        if isinstance(field, serializers.FileField):
            yield checks.Warning(
                f"{where} takes files, which {_name(cls)} cannot hand over: they get 415.",
                hint="Store the file in a view of its own, and hand over its name.",
                id="workers.W011",
            )
        digits = getattr(field, "max_digits", None)
        if digits and digits > SQLITE_DECIMAL_DIGITS and connection.vendor == "sqlite":
            yield checks.Warning(
                f"{where} has up to {digits} digits, of which SQLite keeps {SQLITE_DECIMAL_DIGITS}.",
                hint="Keep it as an integer of the smallest unit, or as a text.",
                id="workers.W012",
            )


def _writable(fields: Any) -> Iterator[tuple[str, Any]]:
    for name, field in fields:
        inner = getattr(field, "child", field)
        if field.read_only:
            continue
        if isinstance(inner, serializers.Serializer):
            yield from ((f"{name}.{below}", one) for below, one in _writable(inner.fields.items()))
        else:
            yield name, inner


def _status_route() -> Iterator[CheckMessage]:
    try:
        reverse("write-status", args=[1])
    except NoReverseMatch:
        yield Error(
            "No route is named write-status, so that nobody who gets 202 can ask what became of the write.",
            hint='Add path("api/", include("workers.rest.urls")) to the URLconf, in no namespace and '
            "below no version: the path may have the write's id alone.",
            id="workers.E012",
        )


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
