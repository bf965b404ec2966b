"""Edits in the admin that see the changes of others: what was read at one version is not saved over the next.

Django's admin saves what a form holds, whatever was saved since the form was opened. Here each form carries
the version that it shows, and is refused when that is no longer the stored one. The stored one is read in the
transaction that saves, which holds SQLite's lock on writes, so nothing comes in between.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected
from django.contrib.admin.utils import unquote
from django.db import router, transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString

if TYPE_CHECKING:
    Base = admin.ModelAdmin
else:
    Base = object  # it stands before ModelAdmin in the bases

SEEN = "seen_version"
"""The field in which a form has the version that it shows; that of a deletion has `key:version` of each."""

NAMED = 5
"""Objects that are named at most, of those that have changed."""


class VersionedForm(forms.ModelForm):
    """A form of an object with a `version`, valid only while that is the one it was opened at."""

    seen_version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._stored = None if self.instance._state.adding else self.instance.version
        self.initial[SEEN] = self._stored

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self._stored is not None and cleaned.pop(SEEN, None) != self._stored:
            raise forms.ValidationError(self._conflict(), code="conflict")
        return cleaned

    def _conflict(self) -> SafeString:
        """Say what has changed, and what to do; what was typed stays in the form, to be copied."""
        now = {name: getattr(self.instance, name) for name in self.fields if name != SEEN}
        return format_html(
            "This {} has changed since you opened the form: it is at version {} now. Nothing was saved. "
            "Stored are: {}. <a href>Open the form again</a> and make your change there.",
            self.instance._meta.verbose_name,
            self._stored,
            "; ".join(f"{name} = “{value}”" for name, value in now.items()),
        )


class VersionedAdmin(Base):
    """Refuses to save and to delete what has changed since it was shown.

    For models with a `version` that grows with each change. Stands before ModelAdmin in the bases.
    """

    form = VersionedForm
    actions = ["delete_selected"]
    delete_confirmation_template = "items/admin/delete_confirmation.html"
    delete_selected_confirmation_template = "items/admin/delete_selected_confirmation.html"

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        """Save it, unless nothing was changed: that makes no new version."""
        if not change or form.has_changed():
            super().save_model(request, obj, form, change)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        if request.method != "POST":
            return super().delete_view(request, object_id, extra_context)
        with transaction.atomic(using=router.db_for_write(self.model)):
            obj = self.get_object(request, unquote(object_id))
            if obj is not None and self._refused(request, [obj]):
                return HttpResponseRedirect(request.get_full_path())
            return super().delete_view(request, object_id, extra_context)

    @admin.action(permissions=["delete"], description="Delete selected %(verbose_name_plural)s")
    def delete_selected(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        """Do what Django's action does, in one transaction, and to none when one has changed since shown."""
        if not request.POST.get("post"):
            len(queryset)  # read once, so that the page has the versions of what it shows
            return delete_selected(self, request, queryset)
        with transaction.atomic(using=router.db_for_write(self.model)):
            return None if self._refused(request, queryset) else delete_selected(self, request, queryset)

    def _refused(self, request: HttpRequest, objects: Iterable[Any]) -> bool:
        """Return whether any of the objects has another version than the page that was sent; then say so."""
        seen = set(request.POST.get(SEEN, "").split())
        changed = [obj for obj in objects if f"{obj.pk}:{obj.version}" not in seen]
        if changed:
            some = ", ".join(f"“{obj}” (now at version {obj.version})" for obj in changed[:NAMED])
            more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
            text = f"Changed since this was shown: {some}{more}. Nothing was deleted. Look again."
            self.message_user(request, text, messages.ERROR)
        return bool(changed)
