"""What goes wrong, as types.

Every error says what happened (`detail`), a code to decide by (`code`, as `infra/PROBLEMS.md` lists them) and what the
reader can do about it (`fix`). None of them holds a request, a header or a key, so all of them may be logged.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "BifrostError",
    "ConfigurationError",
    "ConflictError",
    "FieldError",
    "ForbiddenError",
    "InvalidInputError",
    "InvalidKeyError",
    "NotConnectedError",
    "NotFoundError",
    "RateLimitedError",
    "ReauthorizeError",
    "RefreshInProgressError",
    "ScopeForbiddenError",
    "ServerError",
    "TokenUnavailableError",
    "UnavailableError",
    "UnexpectedAnswerError",
]


class FieldError(NamedTuple):
    """What is wrong with one field of what was sent."""

    field: str
    message: str


class BifrostError(Exception):
    """The base of all errors of this package.

    `code` is the problem's code; those of the gateway and of this package itself are `unauthorized`, `key-unknown`,
    `no-such-route`, `throttled`, `timed-out`, `unreachable`, `unexpected-answer` and `configuration`.
    `status` is the HTTP status, where there was an answer. `retry_after` is in seconds, where the answer said it.
    """

    def __init__(
        self,
        detail: str,
        *,
        code: str,
        fix: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        errors: tuple[FieldError, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.fix = fix
        self.status = status
        self.request_id = request_id
        self.errors = errors
        self.retry_after = retry_after

    def __str__(self) -> str:
        text = f"{self.detail} ({self.code})"
        for error in self.errors:
            text += f"\n  {error.field}: {error.message}"
        if self.fix:
            text += f"\nFix: {self.fix}"
        if self.request_id:
            text += f"\nRequest: {self.request_id}"
        return text

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions travel between processes by their positional arguments; these have named ones.
        return (_again, (type(self), self.detail), {**self.__dict__})


def _again(kind: type[BifrostError], detail: str) -> BifrostError:
    return kind(detail, code="")


class ConfigurationError(BifrostError):
    """`BIFROST_URL`, `BIFROST_KEY` or an argument makes no sense; nothing was sent."""


class InvalidInputError(BifrostError):
    """A value is wrong; `errors` names the fields."""


class InvalidKeyError(BifrostError):
    """There is no such key, or it has been revoked or has expired."""


class ForbiddenError(BifrostError):
    """The key may not do this."""


class ScopeForbiddenError(ForbiddenError):
    """The key may not do this in that scope."""


class NotFoundError(BifrostError):
    """There is no such thing in that scope."""


class ConflictError(BifrostError):
    """Something else is in the way: a name or entity id that is taken, or a change by someone else."""


class TokenUnavailableError(BifrostError):
    """There is no usable access token, and `fix` says what brings one."""


class NotConnectedError(TokenUnavailableError):
    """Nobody has signed in to the connection yet, or there is no connection at all."""


class ReauthorizeError(TokenUnavailableError):
    """The grant no longer works; a person must sign in again."""


class RateLimitedError(BifrostError):
    """Too many requests, and waiting did not help."""


class UnavailableError(BifrostError):
    """Bifrost, or something that it depends on, does not answer now."""


class RefreshInProgressError(UnavailableError):
    """Another request is refreshing this token, and took longer than we waited."""


class ServerError(BifrostError):
    """Something is wrong on the server's side; `request_id` is what to report."""


class UnexpectedAnswerError(BifrostError):
    """Whoever answered does not speak this API; most likely `BIFROST_URL` leads elsewhere."""
