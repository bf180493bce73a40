from django.contrib import admin
from django.urls import path
from talk import views

urlpatterns = [
    path("", views.index),
    path("events/", views.events),
    path("slow/", views.slow),
    path("admin/", admin.site.urls),
]
