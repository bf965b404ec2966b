from django.contrib import admin

from items.edits import VersionedAdmin
from items.models import Item


@admin.register(Item)
class ItemAdmin(VersionedAdmin, admin.ModelAdmin):
    list_display = ["id", "name", "version", "created_at", "updated_at"]
    list_display_links = ["id", "name"]
    list_filter = ["created_at"]
    search_fields = ["name"]
    ordering = ["-id"]
    readonly_fields = ["version", "created_at", "updated_at"]
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they count all items, once for each choice

    class Media:
        css = {"all": ["items/admin.css"]}
