"""The site's URLs. The middleware of mysite.health answers /healthz and /readyz."""

from django.contrib import admin
from django.contrib.staticfiles.urls import staticfiles_urlpatterns
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("chat.urls")),
    # Empty without DEBUG: nginx serves STATIC_ROOT.
    *staticfiles_urlpatterns(),
]
