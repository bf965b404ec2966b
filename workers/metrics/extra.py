"""Says what to install where a package is missing; imported before what needs it."""

from workers.extras import need

need("prometheus_client", extra="metrics", by="workers.metrics")
