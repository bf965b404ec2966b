from django.contrib import admin
from django.urls import include, path

from project.admin.passwords import password_change
from project.api import health
from project.api.docs import DocsView, SchemaView
from project.api.index import index
from project.api.pages import ADMIN_PATH
from project.api.root import RootView
from project.demo.two_sessions_page import TwoSessionsView
from project.demo.views import SessionA, SessionB
from project.metrics import Metrics
from workers import with_store_lock

admin.site.site_title = admin.site.site_header = "One Writer"
admin.site.index_title = "The store"
admin.site.index_template = "workers/admin/index.html"

urlpatterns = [
    path("", RootView.as_view(), name="root"),
    path("api/", include("items.urls")),
    path("api/", include("workers.rest.urls")),
    path("api/schema/", SchemaView.as_view(), name="schema"),
    path("api/", index, name="api"),
    path("api/docs/", DocsView.as_view(url_name="schema"), name="docs"),
    path("session_a", SessionA.as_view(), name="session-a"),
    path("session_b", SessionB.as_view(), name="session-b"),
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("metrics", Metrics.as_view(), name="metrics"),
    path(
        f"{ADMIN_PATH.removeprefix('/')}password_change/",
        with_store_lock(admin.site.admin_view(password_change)),
    ),
    path(
        f"{ADMIN_PATH.removeprefix('/')}two_sessions/",
        admin.site.admin_view(TwoSessionsView.as_view()),
        name="two-sessions",
    ),
    path(ADMIN_PATH.removeprefix("/"), with_store_lock(admin.site.urls)),
]
handler400 = "project.api.pages.bad_request"
handler403 = "project.api.pages.permission_denied"
handler404 = "project.api.pages.not_found"
handler500 = "project.api.pages.server_error"
