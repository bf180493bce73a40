"""The chat's pages. mysite.asgi routes its websockets."""

from django.urls import path

from . import views

urlpatterns = [
    path("", views.chat, name="chat"),
    path("say/", views.say, name="say"),
    path("staff/", views.staff, name="staff"),
    path("staff/say/", views.staff_say, name="staff-say"),
]
