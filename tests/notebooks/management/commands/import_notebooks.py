from tests.notebooks.views import NotebookSerializer
from workers.management.transfer import ImportCommand


class Command(ImportCommand):
    serializer_class = NotebookSerializer
