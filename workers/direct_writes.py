"""Views that write the store themselves where other views must not: see WRITE_OUTSIDE_WRITER."""

from collections.abc import Callable
from copy import copy
from functools import wraps
from typing import Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction
from django.urls import URLPattern, URLResolver

from workers.store import permission

T = TypeVar("T")


def with_store_lock(target: T) -> T:
    """Let a view write with the store lock, or all views of a list of URLs, such as `admin.site.urls`.

    A decorator for views, and for what `path()` and `include()` take. Without effect where every view may.
    """
    if isinstance(target, URLPattern):
        # Copies: the same module may be included elsewhere, where its views may not write.
        allowed = copy(target)
        allowed.callback = _allowed(target.callback)
        return allowed
    if isinstance(target, URLResolver):
        patterns = with_store_lock(target.url_patterns)
        kind = type(target)
        return kind(target.pattern, patterns, target.default_kwargs, target.app_name, target.namespace)
    if isinstance(target, list):
        return cast(T, [with_store_lock(each) for each in target])
    if isinstance(target, tuple):  # of include(), or of a site: patterns, app's name, namespace
        patterns, *names = target
        return cast(T, (with_store_lock(getattr(patterns, "urlpatterns", patterns)), *names))
    if callable(target):
        return cast(T, _allowed(target))
    raise TypeError(f"with_store_lock takes a view or URL patterns, not {target!r}.")


def _allowed(view: Callable[..., Any]) -> Callable[..., Any]:
    if iscoroutinefunction(view):

        @wraps(view)
        async def wait_for(*args: Any, **kwargs: Any) -> Any:
            with permission.allowed():
                return await view(*args, **kwargs)

        vars(wait_for)[permission.ALLOWED] = True
        return wait_for

    @wraps(view)
    def serve(*args: Any, **kwargs: Any) -> Any:
        with permission.allowed():
            return view(*args, **kwargs)

    vars(serve)[permission.ALLOWED] = True
    return serve
