from django.shortcuts import render

from .models import Reading


def latest(request):
    return render(
        request, "station/latest.html", {"readings": Reading.objects.order_by("-taken")[:24]}
    )
