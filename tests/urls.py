from django.urls import include, path

from project.urls import *  # noqa: F403 - the error handlers too
from project.urls import urlpatterns as project_urlpatterns

urlpatterns = [
    *project_urlpatterns,
    path("api/", include("tests.jottings.urls")),
    path("api/", include("tests.notebooks.urls")),
]
