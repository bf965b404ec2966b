"""Import and export of a model by its serializer: CSV and JSON Lines, in constant memory.

What write functions need of it. The commands are in workers/management/transfer: docs/import-export.md of the
repository tells how to have them for a model.
"""

from workers.rest import extra  # noqa: F401 - before what needs it

# isort: split
from workers.transfer.applying import imported, restored

__all__ = ["imported", "restored"]
