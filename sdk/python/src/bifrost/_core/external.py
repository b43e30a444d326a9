"""Calls to an external API with an integration's token: when it is renewed, and when to try again. Without I/O."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from bifrost._core.models import Credentials, Integration
from bifrost._core.retry import Pauses
from bifrost._core.settings import checked_url
from bifrost._core.wire import seconds_of
from bifrost.errors import ConfigurationError, NotConnectedError

C = TypeVar("C", bound=Credentials)

#: The key of an integration's config that says where its API is.
BASE_URL = "base_url"


class Send:
    """Send the request."""


@dataclass(frozen=True)
class Replace:
    """Have the token refreshed that was refused."""

    refused: str = field(repr=False)


#: A step of a conversation; a number is a pause in seconds.
Step = Send | Replace | float


@dataclass(frozen=True)
class Api:
    """An external API: where it is, what opens it, and how long to wait when it says that it is too much."""

    base_url: str
    credentials: Credentials
    longest_pause: float
    home: httpx.URL = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "home", httpx.URL(self.base_url))

    def conversation(self, request: httpx.Request) -> Generator[Step, httpx.Response | None, None]:
        """All that one request leads to. Each `Send` is answered with the response to it.

        A 401 of the token that was sent leads to one refresh of it, unless somebody else's is done already; then the
        request is repeated. A 429 is waited for. Requests to any other origin go without the token, and what another
        origin answers, after a redirect, means nothing here.
        """
        if not same_origin(request.url, self.home):
            yield Send()
            return
        pauses = Pauses(longest=self.longest_pause, budget=2 * self.longest_pause)
        refreshed = False
        while True:
            sent = self.credentials.access_token
            request.headers["authorization"] = self.credentials.get_auth_header()
            response = yield Send()
            if response is None or not same_origin(response.url, self.home):
                return
            if response.status_code == 401 and not refreshed:
                refreshed = True
                if sent is not None:
                    yield Replace(sent)
                if self.credentials.access_token == sent:
                    return
            elif response.status_code == 429:
                pause = pauses.next(seconds_of(response.headers.get("retry-after")))
                if pause is None:
                    return
                yield pause
            else:
                return
            # A body that was streamed is gone.
            if not isinstance(request.stream, httpx.ByteStream):
                return


def usable(credentials: C | None) -> C:
    """Credentials that have a token. Raises NotConnectedError, or what else keeps the token away."""
    if credentials is None:
        raise NotConnectedError(
            "The integration has no connection, so there is no token to call with",
            code="not-connected",
            fix="Let an administrator link a connection, or call the API with what config holds.",
        )
    if credentials.access_token is None:
        raise credentials.unavailable()
    return credentials


def api_of(
    integration: Integration, credentials: Credentials, base_url: str | None, longest_pause: float
) -> Api:
    """The API of an integration.

    Raises ConfigurationError when it is not known where the API is, or the token would travel in clear.
    """
    configured = integration.config.get(BASE_URL)
    where = base_url if base_url is not None else configured
    if not isinstance(where, str) or not where.strip():
        raise ConfigurationError(
            "It is not known where the API is",
            code="configuration",
            fix=f"Set {BASE_URL} in the integration's config, or give it: client(base_url=...).",
        )
    return Api(checked_url(where, BASE_URL), credentials, longest_pause)


def options_of(api: Api, given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of the httpx client, without the authorization."""
    options: dict[str, Any] = {"base_url": api.base_url, **given}
    # On this machine no proxy has a place in between: the token would pass it in clear.
    if api.home.scheme == "http":
        options.setdefault("trust_env", False)
    return options


def same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    """Scheme, host and port."""
    return (one.scheme, one.host, _port(one)) == (other.scheme, other.host, _port(other))


def _port(url: httpx.URL) -> int | None:
    return url.port if url.port is not None else {"http": 80, "https": 443}.get(url.scheme)
