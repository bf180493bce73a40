"""Two questions a machine asks of each process, answered whatever the Host header says.

/healthz  this process serves. 200 at once, without touching the database or the channel layer,
          so that a fault of those does not get every process restarted.
/readyz   the database and the channel layer both answer: 200, or 503 with the reason, as
          {"status": "unavailable", "database": "ok", "channel_layer": "TimeoutError"}.

A reason is only ever the name of an exception: the text of one can hold addresses and user
names. The text is in the log.
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

# Seconds for each part, both asked at once. Local parts answer in milliseconds; a prober
# commonly waits 5 s, and should get our answer rather than its own timeout.
PART_TIMEOUT = 2


@sync_and_async_middleware
def health_middleware(get_response):
    """Answer the two paths, and hand every other request on."""
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
    """Return "ok", or the name of what `check` raised; "TimeoutError" if it was too slow."""
    task = asyncio.ensure_future(check)
    # Not wait_for(): before Python 3.12 it waits until a cancelled task has cleaned up, which a
    # hung server can delay for ever.
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
    # Imported here because middleware is loaded before the models can be.
    from chat.models import Message

    # A real table: SELECT 1 needs no file to read, and no migration to have run.
    Message.objects.exists()


async def _cross_channel_layer() -> None:
    layer = get_channel_layer()
    channel = await layer.new_channel()
    try:
        await layer.send(channel, {"type": "readyz"})
        await layer.receive(channel)
    finally:
        # A layer forgets a channel only when a receive() on it is cancelled, as happens to a
        # consumer's; without this each probe would leave a subscription behind.
        listener = asyncio.ensure_future(layer.receive(channel))
        await asyncio.sleep(0)
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)
