from django.urls import path
from rest_framework.routers import SimpleRouter

from tests.notebooks import views

router = SimpleRouter()
router.register("tags", views.TagViewSet, basename="tag")
router.register("many-tags", views.ManyTagsViewSet, basename="many-tags")
router.register("notebooks", views.NotebookViewSet, basename="notebook")
router.register("notes", views.NoteViewSet, basename="note")
router.register("own", views.OwnFunctionsViewSet, basename="own")
router.register("unguarded", views.UnguardedViewSet, basename="unguarded")
router.register("guarded-tags", views.GuardedTagViewSet, basename="guarded-tags")
router.register("papers", views.PaperViewSet, basename="paper")
router.register("two", views.TwoSerializersViewSet, basename="two")
urlpatterns = [*router.urls, path("self/", views.SelfView.as_view())]
