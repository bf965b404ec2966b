"""Gives the store an identity of its own, see workers/store/identity.py."""

from django.db import migrations

from workers.store import identity


def give(apps, schema_editor):
    if schema_editor.connection.alias == "default":
        identity.ensure(schema_editor.connection)


def take(apps, schema_editor):
    if schema_editor.connection.alias == "default":
        identity.remove(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("workers", "0001_initial")]

    operations = [migrations.RunPython(give, take, elidable=False)]
