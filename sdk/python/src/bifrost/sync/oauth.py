"""`bifrost.oauth` without asyncio."""

from __future__ import annotations

from pydantic import PrivateAttr

from bifrost import context
from bifrost._core import operations
from bifrost._core.models import Credentials
from bifrost._core.place import Origin
from bifrost._io import synchronous
from bifrost._io.flight import Turnstile

__all__ = ["OAuthCredentials", "get_connection", "get_token"]


class OAuthCredentials(Credentials):
    """`bifrost.OAuthCredentials`, refreshed without asyncio. Threads may share it."""

    _turnstile: Turnstile = PrivateAttr(default_factory=Turnstile)

    def refresh(self) -> OAuthCredentials:
        """As `bifrost.OAuthCredentials.refresh`; of many threads that want it at once, one causes an exchange."""
        self._turnstile.pass_once(self._refresh)
        return self

    def replace(self, refused: str) -> None:
        """The same, unless the token is another one than this already."""
        self._turnstile.pass_once(self._refresh, lambda: self.access_token != refused)

    def _refresh(self) -> None:
        origin = self._origin or Origin(None, context.get_scope(), None)
        place = origin.place or origin.at(context.place())
        synchronous.run(place, operations.refresh(place, self, origin))


def get_token(name: str, org_id: str | None = None, *, integration: str | None = None) -> OAuthCredentials:
    """As `bifrost.oauth.get_token`."""
    place = context.place(org_id)
    return synchronous.run(place, operations.get_token(place, name, integration, OAuthCredentials))


def get_connection(
    name: str, org_id: str | None = None, *, integration: str | None = None
) -> OAuthCredentials:
    """The same as `get_token`."""
    return get_token(name, org_id, integration=integration)
