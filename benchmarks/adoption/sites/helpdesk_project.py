"""The help desk: what a project that uses django-helpdesk adds to what `django-admin startproject` makes.

After django-helpdesk's own installation page; nothing of the application is changed.
"""

SETTINGS = """
INSTALLED_APPS += [
    "django.contrib.sites",
    "django.contrib.humanize",
    "rest_framework",
    "helpdesk",
]
SITE_ID = 1
HELPDESK_TEAMS_MODE_ENABLED = False
LOGIN_URL = "/helpdesk/login/"
LOGIN_REDIRECT_URL = "/helpdesk/dashboard/"
MEDIA_ROOT = BASE_DIR / "media"
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
"""

URLS = """
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("helpdesk/", include("helpdesk.urls")),
]
"""

FILL = """
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from helpdesk.models import KBCategory, KBItem, Queue, Ticket

queues = [
    Queue.objects.create(title=f"Queue {number}", slug=f"queue{number}", allow_public_submission=True)
    for number in range(4)
]
category = KBCategory.objects.create(title="Questions", name="Questions", slug="questions", description="-")
for number in range(20):
    KBItem.objects.create(category=category, title=f"Q {number}", question=f"Why {number}?", answer="So.")
for number in range(TICKETS):
    Ticket.objects.create(
        title=f"Old ticket {number}", queue=queues[number % 4], description="It does not work. " * 10,
        submitter_email="old@example.org",
    )
password = make_password(PASSWORD)
for number in range(CLIENTS):
    is_staff = number % 4 != 3
    get_user_model().objects.create(
        username=f"client{number}", email=f"client{number}@example.org", password=password,
        is_staff=is_staff, is_superuser=is_staff,
    )
"""
