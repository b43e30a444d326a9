"""Tokens of connections, by the connection's name.

Both functions give the same: credentials whose token is fresh. A name that there is not, and a connection without a
usable token, are errors that say so and what to do.
"""

from __future__ import annotations

from pydantic import PrivateAttr

from bifrost import context
from bifrost._core import operations
from bifrost._core.models import Credentials, OAuthProblem
from bifrost._core.place import Origin
from bifrost._io import asynchronous
from bifrost._io.flight import Flight

__all__ = ["OAuthCredentials", "OAuthProblem", "get_connection", "get_token"]


class OAuthCredentials(Credentials):
    """What is needed to call an API in an organization's name; `credentials["access_token"]` is the attribute.

    `repr` shows no secret.
    """

    _flight: Flight = PrivateAttr(default_factory=Flight)

    async def refresh(self) -> OAuthCredentials:
        """Exchanges the token for a new one, of the very grant that this one is of, and updates everything in place.

        Many that refresh the same object at once cause one exchange; so do many processes that hold the same token.
        A key that may not edit the connection causes one exchange in 30 s at most, else gets the current token, and
        `warning` says so.
        Raises TokenUnavailableError: there is none to be had.
        """
        await self._flight.join(self._refresh)
        return self

    async def replace(self, refused: str) -> None:
        """The same, unless the token is another one than this already."""
        if self.access_token == refused:
            await self.refresh()

    async def _refresh(self) -> None:
        origin = self._origin or Origin(None, context.get_scope(), None)
        place = origin.place or origin.at(context.place())
        await asynchronous.run(place, operations.refresh(place, self, origin))


async def get_token(
    name: str, org_id: str | None = None, *, integration: str | None = None
) -> OAuthCredentials:
    """The credentials of a connection, with a fresh token.

    `org_id` is the scope: an organization's UUID or `"global"`; `None` the ambient one, else the key's own.
    `integration` is the one whose mapping fills placeholders in the connection's URLs, where it is not called as the
    connection is.
    Raises NotFoundError: no such connection; TokenUnavailableError: it has no usable token.
    """
    place = context.place(org_id)
    return await asynchronous.run(place, operations.get_token(place, name, integration, OAuthCredentials))


async def get_connection(
    name: str, org_id: str | None = None, *, integration: str | None = None
) -> OAuthCredentials:
    """The same as `get_token`."""
    return await get_token(name, org_id, integration=integration)
