from django.urls import path
from rest_framework.routers import SimpleRouter

from items.views import BulkCreateView, ItemViewSet, TransactionView

router = SimpleRouter()
router.register("items", ItemViewSet, basename="item")
urlpatterns = [
    *router.urls,  # first, as most requests are for these
    path("items/bulk/", BulkCreateView.as_view(), name="items-bulk"),
    path("transactions/", TransactionView.as_view(), name="transactions"),
]
