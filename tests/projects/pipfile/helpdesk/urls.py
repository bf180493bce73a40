from django.contrib import admin
from django.http import JsonResponse
from django.urls import path
from tickets.models import Ticket
from tickets.views import TicketList


def health(request):
    return JsonResponse({"status": "ok", "open": Ticket.objects.filter(closed=None).count()})


urlpatterns = [
    path("", TicketList.as_view()),
    path("health/", health),
    path("admin/", admin.site.urls),
]
