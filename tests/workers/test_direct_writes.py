"""Views that may write where others may not: WRITE_OUTSIDE_WRITER=refuse."""

import asyncio
import types
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import URLPattern, include, path
from django.urls.resolvers import RegexPattern, URLResolver
from django.views import View
from pytest_django.fixtures import Settings

from workers import Role, set_role, with_store_lock
from workers.middleware import store_lock
from workers.store import permission


@pytest.fixture(autouse=True)
def _refusing(settings: Settings) -> Iterator[None]:
    settings.WRITE_OUTSIDE_WRITER = "refuse"
    set_role(Role.WEB)
    yield
    set_role(Role.COMMAND)


def view(request: HttpRequest) -> HttpResponse:
    return HttpResponse("refused" if permission.is_refused() else "allowed")


async def async_view(request: HttpRequest) -> HttpResponse:
    return view(request)


class AsClass(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return view(request)


def respond(called: Any) -> str:
    response = called(RequestFactory().get("/"))
    if asyncio.iscoroutine(response):
        response = asyncio.run(response)
    return str(response.content.decode())


@pytest.mark.parametrize("each", [view, async_view, AsClass.as_view()])
def test_a_view_writes_while_it_runs_and_only_if_it_was_given_leave(each: Any) -> None:
    assert respond(each) == "refused"
    assert respond(with_store_lock(each)) == "allowed"
    assert permission.is_refused()


def test_all_urls_of_an_include_are_given_leave_and_other_includes_of_it_are_not() -> None:
    module: Any = types.ModuleType("urls")
    module.urlpatterns = [path("a/", view), path("b/", include([path("c/", AsClass.as_view())]))]

    allowed = URLResolver(RegexPattern(""), with_store_lock([path("x/", include(module))]))
    other = URLResolver(RegexPattern(""), [path("x/", include(module))])

    for url in ("x/a/", "x/b/c/"):
        assert respond(allowed.resolve(url).func) == "allowed"
        assert respond(other.resolve(url).func) == "refused"


def test_an_include_with_a_namespace_keeps_it() -> None:
    patterns, app_name, namespace = with_store_lock(include(([path("a/", view, name="a")], "app"), "space"))

    assert (app_name, namespace) == ("app", "space")
    assert respond(patterns[0].callback) == "allowed"


def test_the_admin_is_given_leave() -> None:
    def views(patterns: Any) -> Iterator[URLPattern]:
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                yield pattern
            else:
                yield from views(pattern.url_patterns)

    patterns, *names = with_store_lock(admin.site.urls)

    assert names == ["admin", "admin"]
    found = list(views(patterns))
    assert len(found) > 10
    assert all(getattr(pattern.callback, permission.ALLOWED, False) for pattern in found)


@pytest.mark.parametrize(("func", "expected"), [(with_store_lock(view), False), (view, True)])
def test_the_whole_request_of_such_a_view_may_write(func: Any, expected: bool) -> None:
    # ATOMIC_REQUESTS begins before the view, and middleware saves sessions after it.
    seen: list[bool] = []

    def respond(request: HttpRequest) -> HttpResponse:
        request.resolver_match = types.SimpleNamespace(func=func)  # type: ignore[assignment]
        seen.append(permission.is_refused())
        return HttpResponse()

    store_lock(respond)(RequestFactory().get("/"))

    assert seen == [expected]
    assert permission.is_refused()


def test_what_is_neither_a_view_nor_urls_is_named() -> None:
    with pytest.raises(TypeError, match="not 7"):
        with_store_lock(7)
