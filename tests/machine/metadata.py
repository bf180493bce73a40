"""A cloud's metadata server on this host, with a log of all that it was asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Literal

Token = Literal["none", "valid", "wrong"]
BODY_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Question:
    """One request.

    Attributes:
        method: GET, PUT, ...
        path: as written, with its query.
        headers: their names in lower case.
        body: what was sent with it, at most BODY_BYTES.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a cloud says to a request.

    Attributes:
        status: as HTTP has it.
        text: the body.
        token: what the request had to show, where the cloud asks for something.
        headers: besides the length of the body, which is plain text if none tells its type.
    """

    status: int
    text: str = ""
    token: Token = "none"  # a word about it
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A line of the log: a request, what it had to show, and the status that it got."""

    method: str
    path: str
    token: Token
    status: int
    body: bytes = b""


Service = Callable[[Question], Answer]


class MetadataServer:
    """Serves one machine's metadata on a free port of 127.0.0.1, from now until it is closed.

    Args:
        service: answers each request, in a thread of its own.

    Attributes:
        port: where it listens.
        log: what it was asked, in the order of its answers.
    """

    def __init__(self, service: Service) -> None:
        self.log: list[Asked] = []
        log = self.log

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                length = min(int(headers.get("content-length", 0)), BODY_BYTES)
                question = Question(
                    method=self.command,
                    path=self.path,
                    headers=headers,
                    body=self.rfile.read(length),
                )
                answer = service(question)
                log.append(
                    Asked(
                        method=question.method,
                        path=question.path,
                        token=answer.token,
                        status=answer.status,
                        body=question.body,
                    )
                )
                body = answer.text.encode()
                self.send_response(answer.status)
                for name, value in {"Content-Type": "text/plain", **(answer.headers or {})}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            # The names that http.server looks for.
            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815

            def log_message(self, *_arguments: object) -> None:
                """Say nothing: `log` has it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def close(self) -> None:
        """Stop; twice does no harm. The log stays."""
        self._server.shutdown()
        self._server.server_close()
