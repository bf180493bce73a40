from django.contrib.auth.mixins import LoginRequiredMixin
from django.urls import path
from django.views.generic import ListView, TemplateView

from .models import Remark


class Lounge(LoginRequiredMixin, ListView):
    queryset = Remark.objects.select_related("member").order_by("-made")[:50]
    template_name = "members/lounge.html"


urlpatterns = [
    path("", TemplateView.as_view(template_name="members/welcome.html"), name="welcome"),
    path("lounge/", Lounge.as_view(), name="lounge"),
]
