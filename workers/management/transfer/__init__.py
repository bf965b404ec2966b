"""The base classes of commands that import and export a model:

class Command(ImportCommand):  # notes/management/commands/import_notes.py
    serializer_class = NoteSerializer

class Command(ExportCommand):  # notes/management/commands/export_notes.py
    serializer_class = NoteSerializer
"""

from workers.rest import extra  # noqa: F401 - before what needs it

# isort: split
from workers.management.transfer.export_command import ExportCommand
from workers.management.transfer.import_command import ImportCommand

__all__ = ["ExportCommand", "ImportCommand"]
