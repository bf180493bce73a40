import asyncio

from channels.layers import get_channel_layer
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render

from .models import Line

# Seconds; the office's proxy cuts a request off at 30.
LONGEST_WAIT = 25


async def index(request):
    lines = [line async for line in Line.objects.order_by("-pk")[:20]]
    return render(request, "talk/index.html", {"lines": lines})


async def events(request):
    """Answer with the room's next message, or with 204 if there is none for a while.

    For the office, where websockets don't get through.
    """
    group = f"room.{request.GET.get('room', 'lobby')}"
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(group, channel)
    heard = asyncio.get_running_loop().create_future()
    listener = asyncio.create_task(_listen(layer, channel, heard))
    try:
        await asyncio.wait({heard}, timeout=LONGEST_WAIT)
    finally:
        await layer.group_discard(group, channel)
        listener.cancel()
    if not heard.done():
        return HttpResponse(status=204)
    return JsonResponse({"text": heard.result()["text"]})


async def _listen(layer, channel, heard):
    # Goes on after the first message: the layer gives a channel up when a receive is cancelled.
    while True:
        message = await layer.receive(channel)
        if not heard.done():
            heard.set_result(message)


async def slow(request):
    await asyncio.sleep(2)
    return HttpResponse("That took a while.\n", content_type="text/plain")
