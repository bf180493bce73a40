"""The metadata server of an emulated cloud, on this host, with a log of its requests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Union


@dataclass(frozen=True, kw_only=True)
class Request:
    """An HTTP request.

    Attributes:
        path: as the client wrote it, with the query.
        headers: by their names in lower case.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Logged(Request):
    """A request in the log, with the status of the response."""

    status: int


@dataclass(frozen=True, kw_only=True)
class Response:
    """An HTTP response."""

    status: int
    text: str = ""


Service = Callable[[Request], Response]

# Folders and texts, as EC2 lays out its metadata. A key "0=name" is listed with its name, and
# requested by its number.
Tree = Mapping[str, Union[str, "Tree"]]


def pages_of(tree: Tree, path: str = "") -> dict[str, str]:
    """Return each text of `tree` and the listing of each folder, by path."""
    listing = (
        name if isinstance(below, str) or "=" in name else f"{name}/"
        for name, below in tree.items()
    )
    pages = {path: "\n".join(listing)}
    for name, below in tree.items():
        where = f"{path}/{name.partition('=')[0]}"
        pages |= {where: below} if isinstance(below, str) else pages_of(below, where)
    return pages


def serve_pages(pages: Mapping[str, str]) -> Service:
    """Return a service that knows these texts, by path without a slash at the end."""

    def serve(request: Request) -> Response:
        if request.method != "GET":
            return Response(status=405)
        text = pages.get(request.path.rstrip("/"))
        return Response(status=404) if text is None else Response(status=200, text=text)

    return serve


class MetadataServer:
    """Serves one machine's metadata on a free port of 127.0.0.1 until it is closed.

    Args:
        service: called for each request, in a thread of its own.

    Attributes:
        log: the requests, in the order of their responses.
        silent: whether every request is answered with 404, as if the cloud had no metadata.
    """

    def __init__(self, service: Service) -> None:
        self.log: list[Logged] = []
        self.silent = False
        log, server = self.log, self

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                request = Request(
                    method=self.command,
                    path=self.path,
                    headers={name.lower(): value for name, value in self.headers.items()},
                    body=self.rfile.read(int(self.headers.get("Content-Length", 0))),
                )
                response = Response(status=404) if server.silent else service(request)
                log.append(Logged(**vars(request), status=response.status))
                body = response.text.encode()
                self.send_response(response.status)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            # The names that http.server looks for.
            do_GET = do_PUT = do_POST = _serve  # noqa: N815

            def log_message(self, *_arguments: object) -> None:
                """Write nothing on stderr: `log` has it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def close(self) -> None:
        """Stop serving; the log stays. A second call has no effect."""
        self._server.shutdown()
        self._server.server_close()
