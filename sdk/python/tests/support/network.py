"""Leads the names of the external APIs to this machine, and lets nothing out to any other.

It sits below httpx, aiohttp and requests alike, where names become addresses and addresses are connected to, so that
what uses them, and TLS on top, stay what they are.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

#: An address of this machine that nothing else here uses.
STAND_IN = "127.84.84.84"

EXTERNAL_HOSTS = ("graph.microsoft.com", "api.halopsa.com", "api.pax8.com", "thief.example")

_LOCAL = ("localhost", "127.0.0.1", "::1", STAND_IN, None, "")


def redirect_external_apis(port: int) -> Callable[[], None]:
    """From now on port 443 of these hosts is this port here. Returns what undoes it."""
    getaddrinfo, connect, connect_ex = socket.getaddrinfo, socket.socket.connect, socket.socket.connect_ex

    def resolve(host: Any, *arguments: Any, **named: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name in EXTERNAL_HOSTS:
            return getaddrinfo(STAND_IN, *arguments, **named)
        if name not in _LOCAL:
            raise socket.gaierror(socket.EAI_NONAME, f"the tests let nobody out to {name}")
        return getaddrinfo(host, *arguments, **named)

    def elsewhere(address: Any) -> Any:
        return ("127.0.0.1", port) if address[:2] == (STAND_IN, 443) else address

    def connect_to(self: socket.socket, address: Any) -> None:
        return connect(self, elsewhere(address))

    def connect_ex_to(self: socket.socket, address: Any) -> int:
        return connect_ex(self, elsewhere(address))

    def put(*functions: Any) -> None:
        places = ((socket, "getaddrinfo"), (socket.socket, "connect"), (socket.socket, "connect_ex"))
        for (place, name), function in zip(places, functions, strict=True):
            setattr(place, name, function)

    put(resolve, connect_to, connect_ex_to)
    return lambda: put(getaddrinfo, connect, connect_ex)
