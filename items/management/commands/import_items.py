from items.serializers import ItemSerializer
from workers.management.transfer import ImportCommand


class Command(ImportCommand):
    serializer_class = ItemSerializer
    write_function = "items.import"
    slice_lines = 100
