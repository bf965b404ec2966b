"""Users in the admin: Django's own page, which hashes a new user's password before it keeps the store."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse

from project.accounts import passwords, token_admin  # noqa: F401 - one registers the tokens

HASHED = "_hashed_for_new_user"
"""Attribute of a request: a user who is not saved, with the new password."""


class HashedCreationForm(AdminUserCreationForm):
    """Django's, for a password that was hashed before."""

    hashed: User | None = None

    def set_password_and_save(self, user: User, commit: bool = True, **options: Any) -> User:
        if self.hashed is None or not self.cleaned_data["set_usable_password"]:
            return super().set_password_and_save(user, commit=commit, **options)
        # All that User.set_password sets: the second one is for the validators, once the user is saved.
        user.password = self.hashed.password
        vars(user)["_password"] = vars(self.hashed)["_password"]
        if commit:
            user.save()
        return user


admin.site.unregister(User)


@admin.register(User)
class HashingUserAdmin(UserAdmin):
    """Django's adds a user in one transaction, in which nobody else could write while it hashes."""

    add_form = HashedCreationForm

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Add a user. Raises ProblemError when too many passwords are being hashed."""
        if request.method == "POST" and self.has_add_permission(request):
            password = request.POST.get("password1")
            if password and password == request.POST.get("password2"):
                user = User()
                passwords.set_for(user, password)
                vars(request)[HASHED] = user
        return super().add_view(request, form_url, extra_context)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        form = super().get_form(request, obj, change=change, **options)
        if issubclass(form, HashedCreationForm):
            form.hashed = vars(request).get(HASHED)  # the class is made for this request
        return form
