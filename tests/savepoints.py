"""Django's savepoints by the name that the version at hand gives them."""

from django.db import transaction

# Django 6.1 has renamed it, and warns of the former name.
savepoint_create = getattr(transaction, "savepoint_create", transaction.savepoint)
