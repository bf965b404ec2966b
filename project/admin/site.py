"""The admin site: people look at everything here, and nothing in it writes the store from a web process."""

from collections.abc import Iterable
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.forms import AdminPasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse

from project.accounts import attempts, passwords
from project.admin.lists import StrictLists
from workers import WritePathError, WriteStatus, submit
from workers.conf import settings


class ReadOnly(StrictLists):
    """Takes away every permission to change; the views of ModelAdmin then only show."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class QueuedPasswordChangeForm(AdminPasswordChangeForm):
    """Changes one's own password through the writer. Whoever guesses the old one is counted for the user."""

    def clean_old_password(self) -> str:
        old: str = self.cleaned_data["old_password"]
        with attempts.counted(self.user.get_username(), f"user {self.user.pk}") as attempt:
            is_right, _ = passwords.check(old, self.user.password)
            if is_right:
                attempt.succeed()
        if not is_right:
            raise ValidationError(self.error_messages["password_incorrect"], code="password_incorrect")
        return old

    def clean(self) -> dict[str, Any]:
        """Hand the new hash over once all is valid, so that a refusal shows as an error of the form."""
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors:
            self._change(cleaned["new_password1"])
        return cleaned

    def save(self, commit: bool = True) -> Any:
        return self.user

    def _change(self, password: str) -> None:
        try:
            self.user.password = passwords.make(password)
            arguments = {"id": self.user.pk, "hash": self.user.password}
            outcome = submit("accounts.change_password", arguments, principal=str(self.user.pk)).wait(
                settings.WRITE_WAIT_SECONDS
            )
        except WritePathError as exc:
            raise ValidationError(str(exc)) from exc
        if outcome is None or outcome.status is not WriteStatus.COMMITTED:
            raise ValidationError(
                "The change is not committed yet. Log in again in a minute to see whether it is."
            )


class ReadOnlyAdminSite(admin.AdminSite):
    """Registers every model read-only, also those of other apps."""

    site_title = site_header = "One writer"
    index_title = "The store"

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Do what Django's does, with a form that goes through the writer; it has no hook for that."""
        view = PasswordChangeView.as_view(
            form_class=QueuedPasswordChangeForm,
            success_url=reverse("admin:password_change_done", current_app=self.name),
            extra_context={**self.each_context(request), **(extra_context or {})},
        )
        return cast(TemplateResponse, view(request))  # a redirect when the form is valid, as Django's own

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: type[admin.ModelAdmin] | None = None,
        **options: Any,
    ) -> None:
        base = admin_class or admin.ModelAdmin
        read_only = type(base.__name__, (ReadOnly, base), {})
        super().register(model_or_iterable, read_only, **options)
