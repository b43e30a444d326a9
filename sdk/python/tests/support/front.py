"""A front: a server that passes everything on to another one, counts it, and meddles where a test wants it to.

It makes happen what the local stack and its provider don't do by themselves: throttling, timeouts of the gateway,
redirects, answers that are not JSON. Whatever no test meddles with is the real answer.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Seen:
    """A request that came in."""

    method: str
    #: With the query.
    target: str
    #: By lower-case name.
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path


@dataclass(frozen=True)
class Reply:
    """An answer in place of the real one. `None` for the status closes the connection without one."""

    status: int | None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


#: What a test does to a request: a reply in place of the real answer, or nothing.
Meddler = Callable[[Seen], Reply | None]


class Server(ThreadingHTTPServer):
    """One that a crowd can come to at once."""

    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_: Any) -> None:
        """Clients go away in the middle of things; tests notice by what they get."""


class Front:
    """A running one."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.seen: list[Seen] = []
        self.meddlers: list[Meddler] = []
        #: Seconds that every answer is late.
        self.delay = 0.0
        self._server = Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def count(self, path: str, method: str | None = None) -> int:
        """How many requests came for a path."""
        return sum(1 for seen in self.seen if seen.path == path and method in (None, seen.method))

    @contextmanager
    def meddling(self, meddler: Meddler) -> Iterator[None]:
        self.meddlers.append(meddler)
        try:
            yield
        finally:
            self.meddlers.remove(meddler)

    @contextmanager
    def replying(self, *replies: Reply) -> Iterator[None]:
        """The next requests get these, in this order; then the real answers come again."""
        left, lock = list(replies), threading.Lock()

        def next_one(_seen: Seen) -> Reply | None:
            with lock:
                return left.pop(0) if left else None

        with self.meddling(next_one):
            yield
        assert not left, f"nobody came for {left}"

    def answer(self, seen: Seen) -> Reply:
        self.seen.append(seen)
        if self.delay:
            time.sleep(self.delay)
        for meddler in list(self.meddlers):
            if (reply := meddler(seen)) is not None:
                return reply
        return self.pass_on(seen)

    def pass_on(self, seen: Seen) -> Reply:
        """The real answer."""
        upstream = urlsplit(self.upstream)
        connection = http.client.HTTPConnection(upstream.netloc, timeout=60)
        kept = {name: value for name, value in seen.headers.items() if name not in ("host", "connection")}
        try:
            connection.request(seen.method, seen.target, seen.body or None, {**kept, "host": upstream.netloc})
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        unwanted = ("transfer-encoding", "connection", "content-length", "date")
        headers = {name: value for name, value in response.getheaders() if name.lower() not in unwanted}
        return Reply(response.status, body, headers)


def _handler(front: Front) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            send(self, front.answer(Seen(self.command, self.path, headers, body)))

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    """Writes a reply."""
    if reply.status is None:
        handler.close_connection = True
        return
    handler.send_response(reply.status)
    for name, value in reply.headers.items():
        handler.send_header(name, value)
    if reply.status not in (204, 304):
        handler.send_header("content-length", str(len(reply.body)))
    handler.end_headers()
    if reply.status not in (204, 304):
        handler.wfile.write(reply.body)
