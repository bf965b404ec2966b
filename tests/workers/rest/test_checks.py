"""What a project's views and routes lack is said by `manage.py check`, by id and with a hint."""

from typing import Any

import pytest
from django.core.checks import run_checks
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from rest_framework import generics, serializers
from rest_framework.decorators import api_view
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView
from rest_framework.viewsets import ModelViewSet, ReadOnlyModelViewSet

from tests.jottings.models import Jotting
from tests.jottings.views import JottingSerializer
from tests.jottings.write_functions import measure
from workers import with_store_lock
from workers.rest import QueuedCreateMixin, QueuedWriteMixin, QueuedWritesMixin, queued
from workers.rest.checks import check_views
from workers.rest.views import WriteStatusView

STATUS = path("writes/<int:write_id>/", WriteStatusView.as_view(), name="write-status")


class Good(QueuedWritesMixin, ModelViewSet):
    queryset = Jotting.objects.all()
    serializer_class = JottingSerializer
    create_function = "jottings.measure"
    update_function = "jottings.correct"
    destroy_function = "jottings.forget"


class Typo(Good):
    create_function = "jottings.mesure"


class FunctionForName(Good):
    create_function = measure  # type: ignore[assignment]


class TypoThatNoRouteReaches(Good):
    update_function = "far off"
    http_method_names = ["get", "post"]


class NamesNone(QueuedWritesMixin, ModelViewSet):
    queryset = Jotting.objects.all()
    serializer_class = JottingSerializer


class OwnDestroy(NamesNone):
    update_function = "jottings.correct"

    def destroy(self, *args: Any, **kwargs: Any) -> Any:
        return self.perform_write("jottings.forget", {})


class TypoInACall(OwnDestroy):
    def destroy(self, *args: Any, **kwargs: Any) -> Any:
        return self.perform_write("jottings.forgot", {})


class ReadOnly(ReadOnlyModelViewSet):
    queryset = Jotting.objects.all()
    serializer_class = JottingSerializer
    parser_classes = [JSONParser]


class GenericNamesNone(QueuedCreateMixin, generics.CreateAPIView):
    serializer_class = JottingSerializer


MadeAtRunTime = type("Made", (NamesNone,), {"http_method_names": ["get", "post"]})


class GenericOwn(QueuedCreateMixin, generics.GenericAPIView):
    def post(self, *args: Any) -> Any:
        return self.perform_write("jottings.add", {})


class UnboundedJSON(Good):
    parser_classes = [JSONParser, MultiPartParser]


class InnerSerializer(serializers.Serializer):
    photo = serializers.ImageField()
    shown = serializers.FileField(read_only=True)


class FileSerializer(serializers.Serializer):
    inner = InnerSerializer(many=True)


class Files(Good):
    serializer_class = FileSerializer  # type: ignore[assignment]


class MoneySerializer(serializers.Serializer):
    small = serializers.DecimalField(max_digits=15, decimal_places=2)
    large = serializers.DecimalField(max_digits=16, decimal_places=2)


class Money(Good):
    serializer_class = MoneySerializer  # type: ignore[assignment]


class NeedsARequest(Good):
    class Demanding(JottingSerializer):
        def get_fields(self) -> Any:
            return {self.context["request"].user.name: serializers.CharField()}

    serializer_class = Demanding


class Plain(QueuedWriteMixin, generics.GenericAPIView):
    pass


def urls(*views: Any, status: bool = True) -> type:
    """Return a URLconf with these views and viewsets."""
    router = SimpleRouter()
    plain = []
    for view in views:
        if hasattr(view, "get_extra_actions"):
            router.register(view.__name__.lower(), view, basename=view.__name__)
        else:
            plain.append(path(view.__name__, view.as_view()))
    patterns = [path("api/", include((router.urls, "inner"))), *plain, *([STATUS] if status else [])]
    return type("URLs", (), {"urlpatterns": patterns})


def found(*views: Any, status: bool = True) -> dict[str | None, str]:
    """Return what the check says, by id."""
    with override_settings(ROOT_URLCONF=urls(*views, status=status)):
        messages = check_views()
    assert all(message.hint for message in messages)
    assert len({message.id for message in messages}) == len(messages)
    return {message.id: f"{message.msg} {message.hint}" for message in messages}


def test_this_project_and_its_tests_have_nothing_to_be_said_of() -> None:
    assert check_views() == []


@pytest.mark.parametrize(
    "view",
    [Good, NamesNone, GenericNamesNone, OwnDestroy, ReadOnly, GenericOwn, Plain, NeedsARequest],
)
def test_a_view_that_lacks_nothing_is_fine(view: Any) -> None:
    assert found(view) == {}


@pytest.mark.parametrize(
    ("view", "expected", "said"),
    [
        (Typo, "workers.E010", "Typo.create_function names the write function 'jottings.mesure'"),
        (Typo, "workers.E010", "Is it 'jottings.measure'?"),
        (FunctionForName, "workers.E010", "Is it 'jottings.measure'?"),
        (TypoThatNoRouteReaches, "workers.E010", "'far off'"),
        (TypoInACall, "workers.E010", "'jottings.forgot'"),
        (MadeAtRunTime, "workers.E011", "Made has no create_function, and the writer cannot do without: the"),
        (UnboundedJSON, "workers.W010", "takes JSON by JSONParser"),
        (Files, "workers.W011", "FileSerializer.inner.photo takes files"),
        pytest.param(
            Money, "workers.W012", "MoneySerializer.large has up to 16 digits", marks=pytest.mark.sqlite
        ),
    ],
)
def test_what_a_view_lacks_is_said(view: Any, expected: str, said: str) -> None:
    messages = found(view)

    assert list(messages) == [expected]
    assert said in messages[expected]


def test_what_a_route_gives_to_a_view_is_not_known_to_the_writer() -> None:
    given = path("x/", NamesNone.as_view({"post": "create", "put": "update"}, lookup_field="text"))
    with override_settings(ROOT_URLCONF=type("URLs", (), {"urlpatterns": [given, STATUS]})):
        messages = check_views()

    assert [message.id for message in messages] == ["workers.E011"] * 2
    assert ["create_function" in messages[0].msg, "update_function" in messages[1].msg] == [True, True]
    assert all("lookup_field" in message.msg for message in messages)


def test_a_function_may_be_given_where_the_view_is_routed() -> None:
    given = path("x/", Typo.as_view({"post": "create"}, create_function="jottings.add"))
    with override_settings(ROOT_URLCONF=type("URLs", (), {"urlpatterns": [given, STATUS]})):
        assert check_views() == []


def test_without_the_route_of_the_status_202_would_lead_nowhere() -> None:
    missing = found(Good, status=False)

    assert list(missing) == ["workers.E012"]
    assert 'include("workers.rest.urls")' in missing["workers.E012"]
    assert found(ReadOnly, status=False) == {}


@pytest.mark.django_db  # some of Django's checks ask the database
def test_the_check_is_one_of_those_that_django_runs() -> None:
    with override_settings(ROOT_URLCONF=urls(Typo)):
        assert "workers.E010" in {message.id for message in run_checks()}


@queued
def as_function(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


class AsMethod(View):
    @queued
    def post(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse()


class OfBase(AsMethod):
    pass


class InViewSet(ModelViewSet):
    queryset = Jotting.objects.all()
    serializer_class = JottingSerializer

    @queued
    def create(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        return super().create(request, *args, **kwargs)


class Decorated(APIView):
    @method_decorator(queued)
    def post(self, request: Any) -> Any:
        return Response()


@pytest.mark.parametrize(
    "view",
    [
        as_function,
        csrf_exempt(with_store_lock(as_function)),
        AsMethod.as_view(),
        OfBase.as_view(),
        InViewSet.as_view({"post": "create"}),
        Decorated.as_view(),
        api_view(["POST"])(as_function),
    ],
)
@pytest.mark.parametrize(("more", "expected"), [([], ["workers.E012"]), ([STATUS], [])])
def test_what_is_queued_alone_needs_the_route_of_the_status_too(
    view: Any, more: list[Any], expected: list[str]
) -> None:
    patterns = [path("x/", include([path("y/", view)])), *more]
    with override_settings(ROOT_URLCONF=type("URLs", (), {"urlpatterns": patterns})):
        assert [message.id for message in check_views()] == expected
