"""What takes the place of the shop's own receivers."""

from typing import Any

from workers import submit


def hand_over_view(sender: object, product: Any, user: Any, **kwargs: object) -> None:
    """Have a product's view counted. Raises NotAccepted or AcceptanceUnknown, as the direct way fails too."""
    submit("shop.view", {"product": product.pk, "user": user.pk}).accepted()


def hand_over_search(sender: object, query: str, user: Any, **kwargs: object) -> None:
    """Have a search kept, of somebody who is logged in."""
    if user.is_authenticated:
        submit("shop.search", {"query": query, "user": user.pk}).accepted()
