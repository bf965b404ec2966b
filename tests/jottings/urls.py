from django.urls import path
from rest_framework.routers import SimpleRouter

from tests.jottings.ordinary import change
from tests.jottings.views import BrokenView, DeadlyView, JottingViewSet, MeasurementViewSet, StrayWriteView
from workers import with_store_lock

router = SimpleRouter()
router.register("jottings", JottingViewSet, basename="jotting")
router.register("measurements", MeasurementViewSet, basename="measurement")
urlpatterns = [
    *router.urls,
    path("ordinary/", with_store_lock(change)),
    path("stray/", StrayWriteView.as_view()),
    path("deadly/", DeadlyView.as_view()),
    path("broken/", BrokenView.as_view()),
]
