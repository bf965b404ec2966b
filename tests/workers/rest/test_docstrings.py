from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.plumbing import get_doc

from tests.jottings.views import MeasurementViewSet
from workers.rest import SharedFieldsMixin


def test_views_and_serializers_without_a_docstring_are_not_described_by_those_of_the_mixins() -> None:
    schema = SchemaGenerator().get_schema(request=None, public=True)

    operations = [one for path in schema["paths"].values() for one in path.values() if isinstance(one, dict)]
    texts = [one.get("description", "") for one in [*operations, *schema["components"]["schemas"].values()]]
    assert not [text for text in texts if "mixin" in text or "Stands before" in text or "All of them" in text]
    assert get_doc(MeasurementViewSet) == get_doc(type("Own", (SharedFieldsMixin,), {})) == ""
