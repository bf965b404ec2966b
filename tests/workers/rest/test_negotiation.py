import pytest
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from workers.rest import JSONRenderer, PlainNegotiation


class TextRenderer(JSONRenderer):
    media_type = "text/plain"
    format = "txt"


def chosen(negotiation: DefaultContentNegotiation, request: Request, renderers: list[BaseRenderer]) -> object:
    try:
        return negotiation.select_renderer(request, renderers)
    except NotAcceptable:
        return "refused"


@pytest.mark.parametrize("renderers", [[JSONRenderer()], [JSONRenderer(), TextRenderer()]])
@pytest.mark.parametrize("path", ["/", "/?format=json", "/?format=txt", "/?name=x"])
@pytest.mark.parametrize(
    "accept",
    [
        None,
        "*/*",
        "",
        "application/json",
        "application/*",
        "text/plain",
        "text/html, */*;q=0.1",
        "application/json; indent=4",
        "image/png",
        "nonsense",
    ],
)
def test_what_is_chosen_is_what_drf_would_choose(
    accept: str | None, path: str, renderers: list[BaseRenderer]
) -> None:
    request = Request(APIRequestFactory().get(path, **({} if accept is None else {"HTTP_ACCEPT": accept})))  # type: ignore[arg-type]

    def with_(negotiation: DefaultContentNegotiation) -> object:
        try:
            return chosen(negotiation, request, renderers)
        except Exception as exc:  # a format that no renderer has is 404 in both
            return repr(exc)

    assert with_(PlainNegotiation()) == with_(DefaultContentNegotiation())
