"""Who may do what with items, by Django's model permissions. The write functions name theirs themselves."""

from collections.abc import Mapping
from typing import Any

from rest_framework.permissions import DjangoModelPermissions
from rest_framework.request import Request

OF_OPERATIONS = {"create": "items.add_item", "update": "items.change_item", "delete": "items.delete_item"}
"""What each operation of a transaction needs."""


class ModelPermissions(DjangoModelPermissions):
    """DRF's, with the permission to view for reads, and a refusal that names what is missing."""

    perms_map = {
        **DjangoModelPermissions.perms_map,
        "GET": ["%(app_label)s.view_%(model_name)s"],
        "HEAD": ["%(app_label)s.view_%(model_name)s"],
    }

    def has_permission(self, request: Request, view: Any) -> bool:
        if super().has_permission(request, view):
            return True
        if request.method is not None and request.method in self.perms_map:
            needed = self.get_required_permissions(request.method, self._queryset(view).model)
            self.message = message_about(needed)
        return False


def of_transaction(arguments: Mapping[str, Any]) -> set[str]:
    """Return the permissions that the operations need, together."""
    return {OF_OPERATIONS[operation["op"]] for operation in arguments["operations"]}


def message_about(needed: Any) -> str:
    """Return what a refusal says."""
    named = ", ".join(sorted(needed))
    return f"This needs the permission {named}. An administrator gives it in the admin, to a user or a group."
