from django.urls import path
from rest_framework.routers import SimpleRouter

from items.views import BulkCreateView, ItemViewSet

router = SimpleRouter()
router.register("items", ItemViewSet, basename="item")
urlpatterns = [
    path("items/bulk/", BulkCreateView.as_view(), name="items-bulk"),
    *router.urls,
]
