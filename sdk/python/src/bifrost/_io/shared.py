"""What both senders have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from bifrost import __version__
from bifrost._core.settings import Settings
from bifrost._core.wire import Answer, Call, NoAnswer

#: The gateway gives up after 30 s; its answer must still get here.
TIMEOUT = httpx.Timeout(35.0, connect=5.0, pool=30.0)
LIMITS = httpx.Limits(max_connections=64, max_keepalive_connections=32, keepalive_expiry=30.0)


@dataclass(frozen=True)
class Pool:
    """Which pool of connections a call goes through."""

    #: On this machine no proxy of the environment has a place in between: the key would pass it in clear.
    trust_env: bool

    @classmethod
    def of(cls, settings: Settings) -> Pool:
        return cls(trust_env=not settings.is_local)

    def options(self) -> dict[str, Any]:
        """The arguments of the httpx client. It is shared by all keys, so it holds none, and keeps no cookies."""
        return {
            "timeout": TIMEOUT,
            "limits": LIMITS,
            "trust_env": self.trust_env,
            "follow_redirects": False,
            "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            "headers": {"user-agent": f"bifrost-python/{__version__}"},
        }


def arguments(settings: Settings, call: Call) -> dict[str, Any]:
    """A call as the arguments of httpx, the key among them."""
    headers = {"authorization": settings.authorization, "accept": "application/json"}
    if call.if_match is not None:
        headers["if-match"] = call.if_match
    given: dict[str, Any] = {
        "method": call.method,
        "url": settings.url + call.path,
        "params": dict(call.query),
        "headers": headers,
    }
    if call.body is not None:
        given["json"] = dict(call.body)
    return given


def answer_of(response: httpx.Response) -> Answer:
    headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, headers, response.content)


def silence_of(error: httpx.HTTPError) -> NoAnswer:
    """What became of a call without an answer. httpx's own error holds the request, and with it the key."""
    never_sent = isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
    return NoAnswer(f"{type(error).__name__}: {error}".rstrip(": "), sent=not never_sent)
