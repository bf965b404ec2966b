from tests.notebooks.views import TagSerializer
from workers.management.transfer import ImportCommand


class Command(ImportCommand):
    serializer_class = TagSerializer
