from django.contrib import admin
from django.urls import path
from station import views

urlpatterns = [
    path("", views.latest, name="latest"),
    path("admin/", admin.site.urls),
]
