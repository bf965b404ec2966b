"""One's own password, changed in the admin: guesses at the old one are limited, and hashed one at a time."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.forms import AdminPasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse

from project.accounts import attempts, passwords


class LimitedPasswordChangeForm(AdminPasswordChangeForm):
    """The admin's, which counts no guesses. Whoever guesses the old password is counted for its user."""

    def clean_old_password(self) -> str:
        old: str = self.cleaned_data["old_password"]
        with attempts.counted(self.user.get_username(), f"user {self.user.pk}") as attempt:
            is_right, _ = passwords.check(old, self.user.password)
            if is_right:
                attempt.succeed()
        if not is_right:
            raise ValidationError(self.error_messages["password_incorrect"], code="password_incorrect")
        return old

    def save(self, commit: bool = True) -> Any:
        # Hashed before anything is written, and so not while the store is kept from others.
        passwords.set_for(self.user, self.cleaned_data["new_password1"])
        if commit:
            self.user.save(update_fields=["password"])
        return self.user


def password_change(request: HttpRequest) -> HttpResponseBase:
    """Do what the admin site's own view does, with this form: the site has no hook for that."""
    view = PasswordChangeView.as_view(
        form_class=LimitedPasswordChangeForm,
        success_url=reverse("admin:password_change_done"),
        extra_context=admin.site.each_context(request),
    )
    return view(request)
