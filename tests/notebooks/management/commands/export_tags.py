from tests.notebooks.views import TagSerializer
from workers.management.transfer import ExportCommand


class Command(ExportCommand):
    serializer_class = TagSerializer
