from django.views.generic import ListView

from .models import Ticket


class TicketList(ListView):
    queryset = Ticket.objects.filter(closed=None).order_by("-opened")
    template_name = "tickets.html"
