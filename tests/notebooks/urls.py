from rest_framework.routers import SimpleRouter

from tests.notebooks.views import (
    NotebookViewSet,
    NoteViewSet,
    PaperViewSet,
    TagViewSet,
    TwoSerializersViewSet,
)

router = SimpleRouter()
router.register("tags", TagViewSet, basename="tag")
router.register("notebooks", NotebookViewSet, basename="notebook")
router.register("notes", NoteViewSet, basename="note")
router.register("papers", PaperViewSet, basename="paper")
router.register("two", TwoSerializersViewSet, basename="two")
urlpatterns = router.urls
