from django.contrib import admin
from django.urls import include, path

from project import health
from project.docs import DocsView, SchemaView
from project.middleware import ADMIN_PATH
from project.root import RootView
from project.sessions import SessionA, SessionB
from workers.rest.views import WriteStatusView

urlpatterns = [
    path("", RootView.as_view(), name="root"),
    path("api/", include("items.urls")),
    path("api/writes/<int:write_id>/", WriteStatusView.as_view(), name="write-status"),
    path("api/schema/", SchemaView.as_view(), name="schema"),
    path("api/docs/", DocsView.as_view(url_name="schema"), name="docs"),
    path("session_a", SessionA.as_view(), name="session-a"),
    path("session_b", SessionB.as_view(), name="session-b"),
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path(ADMIN_PATH.removeprefix("/"), admin.site.urls),
]
handler400 = "project.exception_handler.bad_request"
handler403 = "project.exception_handler.permission_denied"
handler404 = "project.exception_handler.not_found"
handler500 = "project.exception_handler.server_error"
