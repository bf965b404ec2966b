"""A view as any Django app has them: it writes where it stands, in a transaction, and knows of no writer."""

import json

from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from tests.jottings.models import Jotting, Topic


@csrf_exempt
@require_POST
def change(request: HttpRequest) -> JsonResponse:
    """Create, update or delete a topic, and note it: both or none."""
    try:
        asked = json.loads(request.body)
        label, operation, item = asked["label"], asked["operation"], asked["item"]
    except (ValueError, LookupError, TypeError):
        return JsonResponse({"error": "label, operation and item are needed"}, status=400)
    with transaction.atomic():
        if operation == "create":
            Topic.objects.create(name=f"{item} {label}")
        else:
            topic = get_object_or_404(Topic, name__startswith=f"{item} ")
            if operation == "delete":
                topic.delete()
            else:
                topic.name = f"{item} {label}"
                topic.save()
        noted = Jotting.objects.create(text=f"{label} {operation} {item}")
    return JsonResponse({"id": noted.pk})
