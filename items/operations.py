"""The body of a transaction, turned into the arguments of one write."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from rest_framework.exceptions import ValidationError

from items.bodies import REQUIRED, list_of, unknown_key
from items.serializers import ItemSerializer
from workers.conf import settings
from workers.rest import FieldErrors, ProblemError, at, check_one

TRANSACTION_MAX_OPERATIONS = 100
REF_PATTERN = "[A-Za-z0-9_-]{1,64}"
LARGEST_INTEGER = 2**63 - 1
"""Of an id or a version: SQLite has no larger one."""

KEYS = {
    "create": {"op", "ref", "data"},
    "update": {"op", "id", "version", "data"},
    "delete": {"op", "id", "version"},
}


def transaction_arguments(body: Any) -> dict[str, Any]:
    """Return the arguments of `items.transact`.

    Raises ValidationError, and ProblemError for a change without the condition that WRITE_REQUIRE_IF_MATCH
    asks for.
    """
    operations = list_of(body, "operations", {"operations"}, at_most=TRANSACTION_MAX_OPERATIONS)
    checker = _OperationChecker()
    checked = [checker.check(number, operation) for number, operation in enumerate(operations)]
    if checker.errors:
        raise ValidationError(checker.errors)
    if settings.WRITE_REQUIRE_IF_MATCH:
        _refuse_unconditional(checked)
    return {"operations": checked}


def _refuse_unconditional(operations: Iterable[Mapping[str, Any]]) -> None:
    """Raise ProblemError for the first change of an item that existed before, without its version."""
    for number, operation in enumerate(operations):
        # What this transaction creates cannot have been changed by anybody else.
        if operation["op"] != "create" and operation["version"] is None and type(operation["id"]) is int:
            detail = "Send the version that you read."
            raise ProblemError(
                428,
                "precondition_required",
                f"Operation {number}: {detail}",
                fields={f"operations.{number}.version": [detail]},
            )


class _OperationChecker:
    """Checks the operations of one transaction in order, and gathers what is wrong with them."""

    def __init__(self) -> None:
        self.errors: FieldErrors = {}
        self._refs: dict[str, int] = {}
        self._whole = ItemSerializer()
        self._partial = ItemSerializer(partial=True)

    def check(self, number: int, operation: Any) -> dict[str, Any]:
        """Return the operation as `items.transact` takes it; of no use once there are errors."""
        place = f"operations.{number}"
        if not isinstance(operation, dict):
            self.errors[place] = ["Expected an object."]
            return {}
        op = operation.get("op")
        keys = KEYS.get(op) if isinstance(op, str) else None
        if keys is None:
            self.errors[f"{place}.op"] = [f"Must be one of {', '.join(KEYS)}."]
            return {}
        if unknown := unknown_key(operation, keys):
            self.errors[place] = [unknown]
        if op == "create":
            data = self._data(place, operation, self._whole)
            return {"op": op, "data": data} | self._ref(number, operation)
        target = {"op": op, "id": self._id(place, operation), "version": self._version(place, operation)}
        if op == "delete":
            return target
        return target | {"data": self._data(place, operation, self._partial)}

    def _data(self, place: str, operation: Mapping[str, Any], serializer: ItemSerializer) -> dict[str, Any]:
        if "data" not in operation:
            self.errors[f"{place}.data"] = [REQUIRED]
            return {}
        data, errors = check_one(serializer, operation["data"])
        self.errors |= at(f"{place}.data", errors)
        return data

    def _ref(self, number: int, operation: Mapping[str, Any]) -> dict[str, str]:
        """Return the name by which later operations refer to what this one creates, if it has one."""
        if "ref" not in operation:
            return {}
        ref, place = operation["ref"], f"operations.{number}.ref"
        if not isinstance(ref, str) or not re.fullmatch(REF_PATTERN, ref):
            self.errors[place] = ["Must be a text of 1 to 64 letters, digits, _ and -."]
            return {}
        if ref in self._refs:
            self.errors[place] = [f"{ref!r} is the ref of operation {self._refs[ref]} already."]
        self._refs.setdefault(ref, number)
        return {"ref": ref}

    def _id(self, place: str, operation: Mapping[str, Any]) -> Any:
        """Return the target: the id of an item, or `{"ref": ...}` for what an earlier operation creates."""
        target, place = operation.get("id"), f"{place}.id"
        if "id" not in operation:
            self.errors[place] = [REQUIRED]
        elif isinstance(target, dict) and target.keys() == {"ref"} and isinstance(target["ref"], str):
            if target["ref"] not in self._refs:
                self.errors[place] = [f"No earlier operation creates the ref {target['ref'][:64]!r}."]
        elif not _is_positive(target):
            self.errors[place] = ['Must be the id of an item, or {"ref": "..."} of an earlier create.']
        return target

    def _version(self, place: str, operation: Mapping[str, Any]) -> int | None:
        """Return the version that the target must have, None for any."""
        if "version" not in operation:
            return None
        if not _is_positive(operation["version"]):
            self.errors[f"{place}.version"] = ["Must be a whole number, at least 1."]
        version: int = operation["version"]
        return version


def _is_positive(value: Any) -> bool:
    return type(value) is int and 1 <= value <= LARGEST_INTEGER  # true and false are int too
