from django.urls import path
from django.views.generic import ListView

from .models import Choice

urlpatterns = [
    path("", ListView.as_view(model=Choice, ordering="text"), name="poll"),
]
