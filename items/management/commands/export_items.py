from items.serializers import ItemSerializer
from workers.management.transfer import ExportCommand


class Command(ExportCommand):
    serializer_class = ItemSerializer
