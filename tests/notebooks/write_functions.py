from django.db.models import F
from django.shortcuts import get_object_or_404
from rest_framework.exceptions import ValidationError

from tests.notebooks.models import Note
from workers import Result, Write, write_function


@write_function("notebooks.lock")
def lock(write: Write) -> Result:
    note = get_object_or_404(Note, pk=write.arguments["id"])
    if note.is_locked:
        raise ValidationError({"is_locked": "It is locked already."})
    note.is_locked = True
    note.save(update_fields=["is_locked", "changed_at"])
    return Result(body={"id": note.pk, "is_locked": True, "by": write.user.get_username()})


@write_function("notebooks.praise")
def praise(write: Write) -> Result:
    """Add to the number of a note, whoever asks."""
    Note.objects.filter(pk=write.arguments["id"]).update(number=F("number") + 1)
    return Result(body={"by": write.user.get_username()})


@write_function("notebooks.add_paper")
def add_paper(write: Write) -> Result:
    note = Note(owner=write.user, text=write.arguments["text"], paper=write.arguments["paper"])
    note.full_clean()
    note.save()
    return Result(http_status=201, body={"id": note.pk, "paper": note.paper.name})
