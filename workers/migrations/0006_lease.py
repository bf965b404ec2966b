"""Gives a store on PostgreSQL the table of its lease, see workers/store/postgresql/lease.py."""

from django.db import migrations

from workers.store import server


def give(apps, schema_editor):
    if schema_editor.connection.alias == "default" and schema_editor.connection.vendor == "postgresql":
        server.module("lease").ensure(schema_editor.connection)


def take(apps, schema_editor):
    if schema_editor.connection.alias == "default" and schema_editor.connection.vendor == "postgresql":
        server.module("lease").remove(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("workers", "0005_permissions_of_operators")]

    operations = [migrations.RunPython(give, take, elidable=False)]
