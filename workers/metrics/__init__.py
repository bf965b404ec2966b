"""The write path's figures for Prometheus, as any process of the service tells them."""

from workers.metrics import extra  # noqa: F401 - before what needs it

# isort: split
from workers.metrics.collector import Exposition, exposition

__all__ = ["Exposition", "exposition"]
