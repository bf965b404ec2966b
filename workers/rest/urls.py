"""Where clients ask what became of a write: include it below the API's own path, as `api/`."""

from django.urls import path

from workers.rest.views import WriteStatusView

urlpatterns = [path("writes/<int:write_id>/", WriteStatusView.as_view(), name="write-status")]
