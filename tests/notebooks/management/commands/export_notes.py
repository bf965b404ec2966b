from tests.notebooks.management.commands.import_notes import ColumnsSerializer
from workers.management.transfer import ExportCommand


class Command(ExportCommand):
    serializer_class = ColumnsSerializer
