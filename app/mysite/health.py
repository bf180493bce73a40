"""Two health checks of each process, which accept any Host header.

/healthz  200 if this process serves. It uses neither the database nor the channel layer, so that
          a fault of those does not get every process restarted.
/readyz   200 if the database and the channel layer both answer, otherwise 503 with the reason:
          {"status": "unavailable", "database": "ok", "channel_layer": "TimeoutError"}.

A reason is the name of an exception only, because its text may contain addresses and user names.
The log has the text.
"""

import asyncio
import logging

from asgiref.sync import async_to_sync, iscoroutinefunction
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.http import HttpResponseNotAllowed, JsonResponse
from django.utils.decorators import sync_and_async_middleware

logger = logging.getLogger(__name__)

HEALTH_PATH = "/healthz"
READY_PATH = "/readyz"

# Seconds for the database and for the channel layer, which are checked at the same time. They
# answer in milliseconds. A prober often waits for 5 s, and should get our answer before that.
PART_TIMEOUT = 2


@sync_and_async_middleware
def health_middleware(get_response):
    """Answer the two paths, and pass on every other request."""
    if iscoroutinefunction(get_response):

        async def middleware(request):
            return await _answer(request) or await get_response(request)

    else:

        def middleware(request):
            if request.path_info in (HEALTH_PATH, READY_PATH):
                return async_to_sync(_answer)(request)
            return get_response(request)

    return middleware


async def _answer(request):
    if request.path_info not in (HEALTH_PATH, READY_PATH):
        return None
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD"])
    if request.path_info == HEALTH_PATH:
        response = JsonResponse({"status": "ok"})
    else:
        response = await _readiness()
    response.headers["Cache-Control"] = "no-store"
    return response


async def _readiness() -> JsonResponse:
    database, channel_layer = await asyncio.gather(
        _verdict("database", _query_database()),
        _verdict("channel layer", _cross_channel_layer()),
    )
    ready = database == channel_layer == "ok"
    return JsonResponse(
        {
            "status": "ok" if ready else "unavailable",
            "database": database,
            "channel_layer": channel_layer,
        },
        status=200 if ready else 503,
    )


async def _verdict(part: str, check) -> str:
    """Return "ok", or the name of the exception of `check`, which is TimeoutError if it is slow."""
    task = asyncio.ensure_future(check)
    # Not wait_for(): before Python 3.12, it waits until a cancelled task has cleaned up, which may
    # take for ever if a server hangs.
    done, _ = await asyncio.wait({task}, timeout=PART_TIMEOUT)
    if not done:
        task.cancel()
        logger.warning("not ready: the %s did not answer within %s s", part, PART_TIMEOUT)
        return "TimeoutError"
    error = task.exception()
    if error is not None:
        logger.warning("not ready: the %s answered %r", part, error)
        return type(error).__name__
    return "ok"


@database_sync_to_async
def _query_database() -> None:
    # Imported here, because Django loads middleware before models.
    from chat.models import Message

    # A real table: SELECT 1 works without the database's file, and without its tables.
    Message.objects.exists()


async def _cross_channel_layer() -> None:
    layer = get_channel_layer()
    channel = await layer.new_channel()
    try:
        await layer.send(channel, {"type": "readyz"})
        await layer.receive(channel)
    finally:
        # A layer forgets a channel when a receive() on it is cancelled, as happens at the end of a
        # consumer. Without this, each probe would leave a subscription behind.
        listener = asyncio.ensure_future(layer.receive(channel))
        await asyncio.sleep(0)
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)
