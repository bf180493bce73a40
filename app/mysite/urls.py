"""The site's URLs. /healthz and /readyz are answered earlier, by mysite.health."""

from django.contrib import admin
from django.contrib.staticfiles.urls import staticfiles_urlpatterns
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("chat.urls")),
    # Empty unless DEBUG: nginx serves STATIC_ROOT otherwise.
    *staticfiles_urlpatterns(),
]
