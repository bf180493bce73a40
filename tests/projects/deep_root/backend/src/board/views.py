from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.shortcuts import render
from django.urls import reverse_lazy
from django.views.generic.edit import CreateView

from .models import Notice


def index(request):
    return render(request, "board/index.html", {"notices": Notice.objects.all()[:30]})


class UploadView(CreateView):
    model = Notice
    fields = ("title", "file")
    success_url = reverse_lazy("index")
    template_name = "board/upload.html"

    def form_valid(self, form):
        response = super().form_valid(form)
        notice = {"title": self.object.title, "url": self.object.file.url}
        async_to_sync(get_channel_layer().group_send)("board", {"type": "board.file", **notice})
        return response
