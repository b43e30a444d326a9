"""Stand-ins for the external APIs that the documentation's snippets call, over TLS with a certificate of our own.

They take no token but those that the provider has really handed out: each is shown to the provider's own API.
"""

from __future__ import annotations

import json
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import trustme

from support.front import Reply, Seen, Server, send
from support.network import EXTERNAL_HOSTS

USERS = [{"id": "u-1", "displayName": "Ada"}, {"id": "u-2", "displayName": "Grace"}]


@dataclass(frozen=True)
class Authority:
    """A certificate authority that nobody else trusts."""

    ca: trustme.CA
    file: Path

    @classmethod
    def in_folder(cls, folder: Path) -> Authority:
        ca = trustme.CA()
        file = folder / "authority.pem"
        ca.cert_pem.write_to_path(file)
        return cls(ca, file)


@dataclass
class Externals:
    """All of them, on one port; they are told apart by the host that was asked for."""

    provider: str
    port: int = 0
    seen: list[tuple[str, Seen]] = field(default_factory=list)
    #: Access tokens that are refused, although they are good at the provider.
    refused: set[str] = field(default_factory=set)
    #: What the next requests get in place of an answer.
    replies: list[Reply] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60, trust_env=False))

    def close(self) -> None:
        self._http.close()

    def answer(self, host: str, seen: Seen) -> Reply:
        with self._lock:
            self.seen.append((host, seen))
            if self.replies:
                return self.replies.pop(0)
        if host == "thief.example":
            return _json(200, {"thanks": "for the fish"})
        token = seen.headers.get("authorization", "").removeprefix("Bearer ")
        if not token:
            return _json(401, {"error": "no token"})
        if token in self.refused:
            return _json(401, {"error": "refused before its time"})
        me = self._http.get(f"{self.provider}/me", headers={"authorization": f"Bearer {token}"})
        if me.status_code != 200:
            return _json(401, {"error": "unknown token"})
        return self._serve(host, seen, me.json())

    def _serve(self, host: str, seen: Seen, me: dict[str, Any]) -> Reply:
        if seen.path == "/elsewhere":
            return Reply(302, headers={"location": "https://thief.example/loot"})
        if seen.path == "/echo":
            return _json(200, {"method": seen.method, "body": seen.body.decode(), "tenant": me["tenant"]})
        match host, seen.path:
            case "graph.microsoft.com", "/v1.0/users":
                return _json(200, {"value": USERS})
            case "graph.microsoft.com", "/v1.0/users/with-e3":
                return _json(200, {"id": "with-e3", "assignedLicenses": ["SPE_E3"]})
            case "graph.microsoft.com", "/v1.0/users/with-e5":
                return _json(200, {"id": "with-e5", "assignedLicenses": ["SPE_E5"]})
            case "api.halopsa.com", "/api/me":
                return _json(200, {"tenant": me["tenant"]})
            case "api.halopsa.com", "/api/customers":
                asked = seen.headers.get("x-tenant-id")
                if asked != me["tenant"]:
                    return _json(403, {"error": f"a token of {me['tenant']} does not open {asked}"})
                return _json(200, {"tenant": asked, "customers": ["Wayne Enterprises"]})
            case "api.pax8.com", "/v1/companies":
                return _json(200, {"content": []})
        return _json(404, {"error": "no such path"})


def serve(authority: Authority, externals: Externals) -> Server:
    """Serves them on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        timeout = 30

        def setup(self) -> None:
            # Here, in the connection's own thread: a slow handshake keeps nobody else waiting.
            self.request = context.wrap_socket(self.request, server_side=True)
            super().setup()

        def finish(self) -> None:
            super().finish()
            self.request.close()

        def _serve(self) -> None:
            body = self._body()
            headers = {name.lower(): value for name, value in self.headers.items()}
            host = (self.headers.get("host") or "").partition(":")[0]
            send(self, externals.answer(host, Seen(self.command, self.path, headers, body)))

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("content-length") or 0))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.ca.issue_cert(*EXTERNAL_HOSTS).configure_cert(context)

    server = Server(("127.0.0.1", 0), Handler)
    externals.port = server.server_port
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


def _json(status: int, body: dict[str, Any]) -> Reply:
    return Reply(status, json.dumps(body).encode(), {"content-type": "application/json"})
