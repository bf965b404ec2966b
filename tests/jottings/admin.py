from django.contrib import admin

from tests.jottings.models import Jotting, Topic


class JottingInline(admin.TabularInline):
    model = Jotting
    fields = ["text"]


@admin.register(Topic)
class TopicAdmin(admin.ModelAdmin):
    inlines = [JottingInline]
