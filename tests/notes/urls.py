from django.urls import path
from rest_framework.routers import SimpleRouter

from tests.notes.views import BrokenView, DeadlyView, NoteViewSet, StrayWriteView

router = SimpleRouter()
router.register("notes", NoteViewSet, basename="note")
urlpatterns = [
    *router.urls,
    path("stray/", StrayWriteView.as_view()),
    path("deadly/", DeadlyView.as_view()),
    path("broken/", BrokenView.as_view()),
]
