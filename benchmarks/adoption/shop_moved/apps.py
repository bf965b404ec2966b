from django.apps import AppConfig


class ShopMovedConfig(AppConfig):
    name = "benchmarks.adoption.shop_moved"
    label = "shop_moved"

    def ready(self) -> None:
        from oscar.apps.analytics import receivers as direct
        from oscar.apps.catalogue.signals import product_viewed
        from oscar.apps.search.signals import user_search

        from benchmarks.adoption.shop_moved import receivers

        product_viewed.disconnect(direct.receive_product_view)
        product_viewed.connect(receivers.hand_over_view)
        user_search.disconnect(direct.receive_product_search)
        user_search.connect(receivers.hand_over_search)
