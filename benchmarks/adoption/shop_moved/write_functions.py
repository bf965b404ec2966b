"""They call the shop's own receivers, in the writer."""

from django.contrib.auth import get_user_model
from oscar.apps.analytics import receivers
from oscar.core.loading import get_model

from workers import Result, Write, write_function


@write_function("shop.view")
def view(write: Write) -> Result:
    """Count a view of a product, as the shop does it."""
    product = get_model("catalogue", "Product").objects.get(pk=write.arguments["product"])
    user = get_user_model().objects.filter(pk=write.arguments["user"]).first()
    receivers.receive_product_view(sender=None, product=product, user=user)
    return Result(http_status=204)


@write_function("shop.search")
def search(write: Write) -> Result:
    """Keep what somebody searched for, as the shop does it."""
    user = get_user_model().objects.get(pk=write.arguments["user"])
    receivers.receive_product_search(sender=None, query=write.arguments["query"], user=user)
    return Result(http_status=204)
