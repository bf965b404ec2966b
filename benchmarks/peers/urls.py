from django.conf import settings
from django.urls import include, path
from rest_framework.routers import SimpleRouter

from benchmarks.peers import views

router = SimpleRouter()
router.register("items", views.VIEWS[settings.PEER_VIEW], basename="item")
urlpatterns = [path("api/", include(router.urls))]
handler404 = "project.api.pages.not_found"
handler500 = "project.api.pages.server_error"
