"""How views describe themselves in an OpenAPI schema, by drf-spectacular."""

from workers.extras import need

need("drf_spectacular", extra="rest", by=__name__)
