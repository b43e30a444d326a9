"""The ambient scope: whose data is meant where nothing else is said, by `integrations` and `oauth` alike.

It is kept in a context variable. A task that sets it changes it for itself and for the tasks that it starts afterwards,
never for its siblings. Threads of a pool start without it: hand them the scope as an argument.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from bifrost._core.place import Place
from bifrost._core.settings import SCOPE_VARIABLE, Settings
from bifrost.errors import InvalidInputError

__all__ = ["get_scope", "scoped", "set_access", "set_scope"]

_scope: ContextVar[str | None] = ContextVar("bifrost_scope", default=None)
_access: ContextVar[Settings | None] = ContextVar("bifrost_access", default=None)


def set_scope(scope: str | None) -> None:
    """Sets the scope of all calls from here on: an organization's UUID, or `"global"`.

    `None` goes back to what the engine said (`BIFROST_SCOPE`), else to the key's own organization.
    """
    _scope.set(_checked(scope))


def get_scope() -> str | None:
    """The ambient scope; `None` is the key's own."""
    return _scope.get() or os.environ.get(SCOPE_VARIABLE) or None


@contextmanager
def scoped(scope: str | None) -> Iterator[None]:
    """The same as `set_scope`, until the end of a `with` block."""
    before = _scope.set(_checked(scope))
    try:
        yield
    finally:
        _scope.reset(before)


def set_access(url: str, key: str) -> None:
    """Sets the API's URL and the key of all calls from here on, in place of `BIFROST_URL` and `BIFROST_KEY`.

    For engines that run the workflows of many keys in one process; it holds as `set_scope` does.
    Raises ConfigurationError: the URL would send the key in clear, or one of them can't be one.
    """
    _access.set(Settings.parse(url, key))


def place(scope: str | None = None) -> Place:
    """Where a call goes and whose scope it means: the given one, else the ambient one, else the key's own."""
    return Place(_access.get() or Settings.from_environment(), _checked(scope) or get_scope())


def _checked(scope: str | None) -> str | None:
    # An empty variable must not become somebody else's scope.
    if scope is not None and not scope.strip():
        raise InvalidInputError(
            "The scope is empty",
            code="invalid-input",
            fix='Give an organization\'s UUID or "global", or None for the ambient scope.',
        )
    return scope
