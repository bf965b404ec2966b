"""Whether this process lives, and whether the service can commit writes.

Everybody may ask. Whoever may view receipts and shows a token is told the reasons; others are told the part.
"""

from typing import Any

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.authentication import SessionAuthentication
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from workers import for_anyone, health_warnings, replica_state, why_not_ready
from workers.rest import ProblemError

Health = inline_serializer("Health", {"status": serializers.ChoiceField(["ok"])})
Readiness = inline_serializer(
    "Readiness",
    {
        "status": serializers.ChoiceField(["ok"]),
        "warnings": serializers.DictField(
            child=serializers.CharField(), help_text="What will stand in the way soon, by part."
        ),
        "replica": inline_serializer(
            "ReplicaState",
            {
                "state": serializers.ChoiceField(["ok", "impaired"]),
                "behind_bytes": serializers.IntegerField(allow_null=True),
                "behind_seconds": serializers.FloatField(allow_null=True),
            },
            required=False,
            help_text="With DATABASE_READ_URL: how far the replica is behind; null when it is away.",
        ),
    },
)


@extend_schema(
    operation_id="health_live", summary="Whether this process lives", responses={200: Health}, auth=[]
)
@api_view(["GET", "HEAD"])
@authentication_classes([])
@permission_classes([])
def live(request: Request) -> Response:
    """Say that this process takes requests."""
    return Response({"status": "ok"})


@extend_schema(
    operation_id="health_ready", summary="Whether writes are committed", responses={200: Readiness}, auth=[]
)
@api_view(["GET", "HEAD"])
@authentication_classes([])
@permission_classes([])
def ready(request: Request) -> Response:
    """Say whether writes are accepted and committed; else 503 with what stands in the way, by part.

    With a token of a user who may view receipts, `fields` and `warnings` have the reasons.
    """
    told = dict if _may_know(request) else for_anyone
    in_the_way = told(why_not_ready())
    if in_the_way:
        fields = {part: [reason] for part, reason in in_the_way.items()}
        detail = f"Not ready: {', '.join(in_the_way)}."
        raise ProblemError(503, "not_ready", detail, fields=fields, headers={"Retry-After": "1"})
    replica = replica_state()
    body: dict[str, Any] = {"status": "ok", "warnings": told(health_warnings(replica))}
    if replica is not None:
        behind = {"behind_bytes": replica.behind_bytes, "behind_seconds": replica.behind_seconds}
        body["replica"] = {"state": "impaired" if replica.warning else "ok", **behind}
    return Response(body)


def _may_know(request: Request) -> bool:
    """Return whether a token tells that this user may view receipts. Never raises: all may be away."""
    if "HTTP_AUTHORIZATION" not in request.META:
        return False
    for authenticator in APIView().get_authenticators():
        if isinstance(authenticator, SessionAuthentication):  # one that cannot be read would count as over
            continue
        try:
            found = authenticator.authenticate(request)
            if found is not None:
                return bool(found[0].has_perm("workers.view_receipt"))
        except Exception:  # a token that is no good is nobody's, and health is told all the same
            return False
    return False
