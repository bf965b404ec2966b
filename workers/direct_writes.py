"""Views that write the store themselves where other views must not: see WRITE_OUTSIDE_WRITER."""

from collections.abc import Callable
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
        target.callback = _allowed(target.callback)
        return target
    if isinstance(target, URLResolver):
        for pattern in target.url_patterns:
            with_store_lock(pattern)
        return target
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

        return wait_for

    @wraps(view)
    def serve(*args: Any, **kwargs: Any) -> Any:
        with permission.allowed():
            return view(*args, **kwargs)

    return serve
