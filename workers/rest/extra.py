"""Imported before the rest of this package: says what to install where Django REST framework is missing."""

from workers.extras import need

need("rest_framework", extra="rest", by="workers.rest")
