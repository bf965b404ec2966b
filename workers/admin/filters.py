"""By what operators narrow the list of receipts. None of these reads all receipts to know its own choices."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from workers import registry
from workers.admin.users import names_of

Choices = Iterable[tuple[str, str]]

USERS_SHOWN = 20
"""Where there are more, a user is found by a click on the name in the list, or by the search."""

ANONYMOUS = "-"
"""Stands for nobody in the address, where an empty value is none."""

PERIODS = {
    "hour": ("Past hour", timedelta(hours=1)),
    "day": ("Past 24 hours", timedelta(days=1)),
    "week": ("Past 7 days", timedelta(days=7)),
    "month": ("Past 30 days", timedelta(days=30)),
}


class FunctionFilter(admin.SimpleListFilter):
    """The write functions that this version has, and the one that is asked for, which may be of a former."""

    title = "function"
    parameter_name = "function"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(name, name) for name in _with_asked(registry.names(), self.value())]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(function=self.value()) if self.value() else queryset


class UserFilter(admin.SimpleListFilter):
    """Who asked: the users where there are few, else oneself; nobody; and whoever is asked for."""

    title = "user"
    parameter_name = "principal"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        users = get_user_model()._default_manager.order_by("pk").values_list("pk", flat=True)
        some = [str(pk) for pk in users[: USERS_SHOWN + 1]]
        if len(some) > USERS_SHOWN:
            some = [str(request.user.pk)]
        asked = self.value()
        shown = _with_asked(some, None if asked == ANONYMOUS else asked)
        names = names_of(shown)
        return [*((one, names.get(one, one)) for one in shown), (ANONYMOUS, "Nobody")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        asked = self.value()
        return queryset.filter(principal="" if asked == ANONYMOUS else asked) if asked else queryset


class AcceptedFilter(admin.SimpleListFilter):
    """When it was accepted: the primary key is that moment, so a short time is found at once."""

    title = "time of acceptance"
    parameter_name = "accepted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(name, text) for name, (text, _) in PERIODS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() not in PERIODS:
            return queryset
        since = timezone.now() - PERIODS[self.value()][1]  # type: ignore[index]  # no None is in PERIODS
        return queryset.filter(write_id__gte=int(since.timestamp() * 1e6))


def _with_asked(values: list[str], asked: str | None) -> list[str]:
    return [*values, asked] if asked and asked not in values else values
