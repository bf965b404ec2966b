"""The shop: what a project that uses django-oscar adds to what `django-admin startproject` makes.

After django-oscar's own installation page; nothing of the application is changed.
"""

SETTINGS = """
from oscar.defaults import *

INSTALLED_APPS += [
    "django.contrib.sites",
    "django.contrib.flatpages",
    "oscar.config.Shop",
    "oscar.apps.analytics.apps.AnalyticsConfig",
    "oscar.apps.checkout.apps.CheckoutConfig",
    "oscar.apps.address.apps.AddressConfig",
    "oscar.apps.shipping.apps.ShippingConfig",
    "oscar.apps.catalogue.apps.CatalogueConfig",
    "oscar.apps.catalogue.reviews.apps.CatalogueReviewsConfig",
    "oscar.apps.communication.apps.CommunicationConfig",
    "oscar.apps.partner.apps.PartnerConfig",
    "oscar.apps.basket.apps.BasketConfig",
    "oscar.apps.payment.apps.PaymentConfig",
    "oscar.apps.offer.apps.OfferConfig",
    "oscar.apps.order.apps.OrderConfig",
    "oscar.apps.customer.apps.CustomerConfig",
    "oscar.apps.search.apps.SearchConfig",
    "oscar.apps.voucher.apps.VoucherConfig",
    "oscar.apps.wishlists.apps.WishlistsConfig",
    "oscar.apps.dashboard.apps.DashboardConfig",
    "oscar.apps.dashboard.reports.apps.ReportsDashboardConfig",
    "oscar.apps.dashboard.users.apps.UsersDashboardConfig",
    "oscar.apps.dashboard.orders.apps.OrdersDashboardConfig",
    "oscar.apps.dashboard.catalogue.apps.CatalogueDashboardConfig",
    "oscar.apps.dashboard.offers.apps.OffersDashboardConfig",
    "oscar.apps.dashboard.partners.apps.PartnersDashboardConfig",
    "oscar.apps.dashboard.pages.apps.PagesDashboardConfig",
    "oscar.apps.dashboard.ranges.apps.RangesDashboardConfig",
    "oscar.apps.dashboard.reviews.apps.ReviewsDashboardConfig",
    "oscar.apps.dashboard.vouchers.apps.VouchersDashboardConfig",
    "oscar.apps.dashboard.communications.apps.CommunicationsDashboardConfig",
    "oscar.apps.dashboard.shipping.apps.ShippingDashboardConfig",
    "sorl.thumbnail",
    "widget_tweaks",
    "haystack",
    "treebeard",
    "django_tables2",
]
SITE_ID = 1
MIDDLEWARE += [
    "oscar.apps.basket.middleware.BasketMiddleware",
    "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware",
]
TEMPLATES[0]["OPTIONS"]["context_processors"] += [
    "oscar.apps.search.context_processors.search_form",
    "oscar.apps.checkout.context_processors.checkout",
    "oscar.apps.communication.notifications.context_processors.notifications",
    "oscar.core.context_processors.metadata",
]
AUTHENTICATION_BACKENDS = [
    "oscar.apps.customer.auth_backends.EmailBackend",
    "django.contrib.auth.backends.ModelBackend",
]
HAYSTACK_CONNECTIONS = {"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}}
MEDIA_ROOT = BASE_DIR / "media"
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
"""

URLS = """
from django.apps import apps
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include(apps.get_app_config("oscar").urls[0])),
]
"""

FILL = """
from decimal import Decimal
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from oscar.apps.catalogue.categories import create_from_breadcrumbs
from oscar.core.loading import get_model

Country, Partner = get_model("address", "Country"), get_model("partner", "Partner")
Product, ProductClass = get_model("catalogue", "Product"), get_model("catalogue", "ProductClass")
StockRecord = get_model("partner", "StockRecord")

Country.objects.create(
    iso_3166_1_a2="GB", iso_3166_1_a3="GBR", iso_3166_1_numeric="826",
    name="United Kingdom", printable_name="United Kingdom", is_shipping_country=True,
)
partner = Partner.objects.create(name="Warehouse")
kind = ProductClass.objects.create(name="Book", requires_shipping=True, track_stock=True)
categories = [create_from_breadcrumbs(f"Books > Shelf {number}") for number in range(10)]
for number in range(1, PRODUCTS + 1):
    product = Product.objects.create(
        title=f"Book {number}", upc=f"upc-{number}", product_class=kind, description="A book. " * 20,
    )
    product.categories.add(categories[number % 10])
    StockRecord.objects.create(
        product=product, partner=partner, partner_sku=f"sku-{number}",
        price=Decimal("9.99"), num_in_stock=1_000_000,
    )
password = make_password(PASSWORD)
for number in range(CLIENTS):
    is_keeper = number % 4 == 0
    get_user_model().objects.create(
        username=f"client{number}", email=f"client{number}@example.org", password=password,
        is_staff=is_keeper, is_superuser=is_keeper,
    )
"""
