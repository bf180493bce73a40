"""The applications that a server under test serves; they answer with what they get, as JSON.

A copy of this file is the project's code.
"""

import asyncio
import json
import os
import time

FLOOD = 300  # messages of 1 MB
sent = 0  # of them, to the last client of /flood


def report(**more):
    """The pid of this process, and `more`."""
    return json.dumps({"pid": os.getpid(), **more})


async def asgi(scope, receive, send):
    """Pages and websockets, but no lifespan, like Channels' routers."""
    answer = {"http": page, "websocket": echo}.get(scope["type"])
    if answer is None:
        raise ValueError(f"No application configured for scope type {scope['type']!r}")
    client = (scope.get("client") or [""])[0]
    await answer(scope, receive, send, {"client": client, "scheme": scope.get("scheme")})


async def page(scope, receive, send, more):
    """Answers with the path and the size of the body; `/hang` takes a minute.

    `/stream` has no Content-Length; `/sent` is about /flood.
    """
    size, goes_on = 0, True
    while goes_on:
        event = await receive()
        size, goes_on = size + len(event.get("body", b"")), event.get("more_body", False)
    if scope["path"] == "/hang":
        await asyncio.sleep(60)
    text = report(path=scope["path"], size=size, sent=sent, **more).encode()
    streamed = scope["path"] == "/stream"
    headers = [] if streamed else [(b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})


async def echo(scope, receive, send, more):
    """Sends what it got, then echoes; `/late` accepts after 6 s.

    `/flood` then sends FLOOD large messages. `/slow` reads after 3 s, and answers to a text with
    the number of messages.
    """
    await receive()
    if scope["path"] == "/late":
        await asyncio.sleep(6)
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": report(**more)})
    if scope["path"] == "/flood":
        await flood(send)
    if scope["path"] == "/slow":
        await asyncio.sleep(3)
    count = 0
    while (event := await receive())["type"] == "websocket.receive":
        count += 1
        if scope["path"] != "/slow":
            await send({**event, "type": "websocket.send"})
        elif event.get("text"):
            await send({"type": "websocket.send", "text": str(count)})


async def flood(send):
    """Sends as fast as the server takes it."""
    global sent
    sent = 0
    while sent < FLOOD:
        await send({"type": "websocket.send", "bytes": b"x" * 1_000_000})
        sent += 1


def wsgi(environ, start_response):
    """The same pages for a server of WSGI."""
    size = len(environ["wsgi.input"].read())
    if environ["PATH_INFO"] == "/hang":
        time.sleep(60)
    text = report(
        path=environ["PATH_INFO"],
        size=size,
        client=environ["REMOTE_ADDR"],
        scheme=environ["wsgi.url_scheme"],
    ).encode()
    start_response("200 OK", [("Content-Length", str(len(text)))])
    return [text]
