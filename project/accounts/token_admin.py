"""API tokens in the admin: Knox's page, with the scope of each, and without the hashes."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from knox.admin import AuthTokenAdmin, AuthTokenCreateForm
from knox.models import AuthToken

from project.accounts import tokens
from project.accounts.models import Scope, TokenScope


def _expiry() -> Any:
    return timezone.now() + timedelta(days=tokens.LIFE_DAYS)


def _scope_field(**options: Any) -> forms.ChoiceField:
    help_text = "Read: GET, HEAD and OPTIONS. Write includes read. The user's permissions limit both."
    return forms.ChoiceField(choices=Scope.choices, initial=Scope.WRITE, help_text=help_text, **options)


class NewTokenForm(AuthTokenCreateForm):
    """Knox's, which makes the token, with its scope. A token that never expires has to be asked for."""

    scope = _scope_field()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["expiry"].initial = _expiry


class TokenForm(forms.ModelForm):
    """A token that was made: whose it is stays, what it may do and for how long may change."""

    scope = _scope_field()

    class Meta:
        model = AuthToken
        fields = ["expiry"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["scope"].initial = tokens.scope_of(self.instance)


admin.site.unregister(AuthToken)


@admin.register(AuthToken)
class ScopedTokenAdmin(AuthTokenAdmin):
    add_form = NewTokenForm
    form = TokenForm
    list_display = ["token_key", "user", "scope", "created", "expiry"]
    list_filter = ["granted__scope"]
    list_select_related = ["user", "granted"]
    search_fields = ["token_key", "user__username"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["user", "scope", "expiry"] if obj is None else ["token_key", "user", "scope", "expiry"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if obj is None else ["token_key", "user"]

    @admin.display(ordering="granted__scope")
    def scope(self, token: Any) -> str:
        return str(tokens.scope_of(token).label)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        TokenScope.objects.update_or_create(token=obj, defaults={"scope": form.cleaned_data["scope"]})
