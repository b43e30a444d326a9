"""Where a call goes, and whose scope it means."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bifrost._core.settings import Settings


@dataclass(frozen=True)
class Place:
    """The API and the key to it, and a scope; `None` is the key's own."""

    settings: Settings
    scope: str | None


@dataclass(frozen=True)
class Origin:
    """Where credentials came from, so that refreshing them reaches the very same grant.

    `place` gets lost when it is pickled: the key stays in this process. What comes out elsewhere is refreshed with the
    key that is set there.
    """

    place: Place | None
    scope: str | None
    #: The integration whose mapping fills the placeholders of the connection's URLs.
    integration: str | None

    def __reduce__(self) -> tuple[object, ...]:
        return (Origin, (None, self.scope, self.integration))

    def __deepcopy__(self, memo: object) -> Origin:
        return self

    def at(self, ambient: Place) -> Place:
        """The place itself, else the ambient one with the same scope as there was."""
        return self.place or replace(ambient, scope=self.scope)
