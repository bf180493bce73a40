"""The chat's pages. Its websockets are routed in mysite.asgi."""

from django.urls import path

from . import views

urlpatterns = [
    path("", views.chat, name="chat"),
    path("say/", views.say, name="say"),
    path("staff/", views.staff, name="staff"),
    path("staff/say/", views.staff_say, name="staff-say"),
]
