"""What a receipt's write created or changed, found by its write function's model and its own key."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.db.models import Model

from workers import registry
from workers.admin.primary_keys import key_of
from workers.exceptions import UnknownWriteFunction
from workers.models import Receipt
from workers.writes import WriteStatus

Target = tuple[type[Model], Any]
"""A model and the primary key of one of its objects, in its own type."""


def targets_of(receipts: Iterable[Receipt]) -> dict[int, Target]:
    """Return what each committed write concerned, by the receipt's id, where that is one object."""
    found = ((receipt.pk, _target(receipt)) for receipt in receipts)
    return {write_id: target for write_id, target in found if target is not None}


def existing(targets: Iterable[Target]) -> set[Target]:
    """Return which of these are still there."""
    keys: dict[type[Model], set[Any]] = defaultdict(set)
    for model, key in targets:
        keys[model].add(key)
    return {
        (model, key)
        for model, some in keys.items()
        for key in model._default_manager.filter(pk__in=some).values_list("pk", flat=True)
    }


def _target(receipt: Receipt) -> Target | None:
    try:
        model = registry.find(receipt.function).model
    except UnknownWriteFunction:
        return None
    if model is None or receipt.status != WriteStatus.COMMITTED:
        return None
    key = receipt.key
    if key is None:
        body = receipt.json()
        key = body.get("id") if isinstance(body, dict) else None
    key = key_of(model, key)
    return None if key is None else (model, key)
