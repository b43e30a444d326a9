"""The shapes that both faces share. Fields that a newer server adds are ignored."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, TypeAdapter, ValidationError

from bifrost import errors
from bifrost._core.place import Origin
from bifrost._core.wire import malformed

M = TypeVar("M", bound=BaseModel)

REDACTED = "[redacted]"

_TIME: TypeAdapter[datetime] = TypeAdapter(datetime)


class Shape(BaseModel):
    """A part of an answer. An error about it does not repeat what is in it."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    #: Fields that `repr` does not show.
    _hidden: ClassVar[frozenset[str]] = frozenset()

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [(name, self._shown(name, value)) for name, value in self]

    def _shown(self, name: str, value: object) -> object:
        return _Redacted() if value is not None and name in self._hidden else value

    def __str__(self) -> str:
        return repr(self)


class _Redacted:
    """Without quotes, so that nobody takes it for a value."""

    def __repr__(self) -> str:
        return REDACTED


def parse(kind: type[M], body: Mapping[str, Any], what: str) -> M:
    """Reads a part of an answer. Raises UnexpectedAnswerError, which does not hold the answer."""
    try:
        return kind.model_validate(body)
    except ValidationError:
        pass
    # Outside of the `except`, and without the body in reach of whoever looks at the traceback's variables.
    del body
    raise malformed(what)


class OAuthProblem(Shape):
    """Why there is no access token, or what is wrong beside it."""

    code: str
    title: str = ""
    detail: str = ""
    fix: str = ""


class Credentials(Shape):
    """What is needed to call an API in an organization's name. Also what the platform said of it: `client_secret` and
    `refresh_token` only for keys that may read them, `access_token` unless there is a `problem`.
    """

    _hidden: ClassVar[frozenset[str]] = frozenset({"client_secret", "access_token", "refresh_token"})

    connection_name: str
    client_id: str | None = None
    client_secret: str | None = None
    authorization_url: str | None = None
    token_url: str | None = None
    scopes: list[str] = Field(default_factory=list)
    access_token: str | None = None
    refresh_token: str | None = None
    #: RFC 3339.
    expires_at: str | None = None
    token_type: str | None = None
    grant_id: str | None = None
    #: Counts the token sets of the grant: "generation 7 was refused" is what a refresh says.
    generation: int | None = None
    #: What the provider said beside the tokens, such as `realmId` or `instance_url`.
    facts: dict[str, str] = Field(default_factory=dict)
    #: As of a connection: `active`, `failing`, `reauthorize`, ... Only `integrations.get` says it.
    status: str | None = None
    problem: OAuthProblem | None = None
    #: What is wrong although there is a token.
    warning: str | None = None

    _origin: Origin | None = PrivateAttr(default=None)

    @property
    def expires_in(self) -> int | None:
        """Seconds that the token is still good for, by this machine's clock; `None` when that is not known."""
        if self.expires_at is None:
            return None
        return max(0, int(self._expiry(self.expires_at) - time.time()))

    def is_expired(self) -> bool:
        """Whether the token is past its time. So is one that is not there."""
        if self.access_token is None:
            return True
        return self.expires_at is not None and self._expiry(self.expires_at) <= time.time()

    def get_auth_header(self) -> str:
        """The value of the `Authorization` header. Raises TokenUnavailableError, with what to do, without a token."""
        if self.access_token is None:
            raise self.unavailable()
        # Providers write `bearer` in any case (RFC 6749, section 5.1); some of their APIs insist on this one.
        kind = self.token_type or "Bearer"
        return f"{'Bearer' if kind.lower() == 'bearer' else kind} {self.access_token}"

    def unavailable(self) -> errors.TokenUnavailableError:
        """The error for the problem that there is instead of a token."""
        problem = self.problem or OAuthProblem(code="not-connected", detail="There is no access token")
        kinds = {"not-connected": errors.NotConnectedError, "reauthorize": errors.ReauthorizeError}
        return kinds.get(problem.code, errors.TokenUnavailableError)(
            f"{self.connection_name}: {problem.detail or problem.title}",
            code=problem.code,
            fix=problem.fix or None,
        )

    def __getitem__(self, name: str) -> Any:
        """The same as the attribute: `credentials["access_token"]`. Raises KeyError for what is no field."""
        if name in type(self).model_fields or name == "expires_in":
            return getattr(self, name)
        raise KeyError(name)

    def came_from(self, origin: Origin) -> None:
        """Notes where these credentials came from."""
        self._origin = origin

    @staticmethod
    def _expiry(text: str) -> float:
        at = _TIME.validate_python(text)
        # Without a zone it is UTC, and not this machine's.
        return (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp()


class Token(Shape):
    """The answer to `GET token` and `POST refresh`."""

    _hidden: ClassVar[frozenset[str]] = frozenset({"access_token"})

    connection_name: str
    grant_id: str
    access_token: str
    token_type: str
    expires_at: str | None
    scopes: list[str]
    generation: int
    facts: dict[str, str] = Field(default_factory=dict)
    warning: str | None = None


class Integration(Shape):
    """What a workflow needs to call an API: `config` is the defaults overlaid by the organization's overrides."""

    integration_id: str
    #: The organization's id over there: tenant, company, ...
    entity_id: str | None = None
    entity_name: str | None = None
    config: dict[str, Any] = Field(default_factory=dict)
    #: Required keys that have no value.
    missing_config: list[str] = Field(default_factory=list)
    #: Each face has a kind of its own here.
    oauth: Credentials | None = None

    def _shown(self, name: str, value: object) -> object:
        # Some of the values are secrets, and the answer does not say which.
        if name == "config" and isinstance(value, dict):
            return dict.fromkeys(value, _Redacted())
        return super()._shown(name, value)


class IntegrationMappingResponse(Shape):
    """An organization's mapping. Secrets in `config` are `{"secret": true, "set": true}`."""

    id: str
    integration_id: str
    organization_id: str
    entity_id: str | None
    entity_name: str | None
    #: The organization's own grant on the integration's connection.
    oauth_token_id: str | None
    config: dict[str, Any]
    #: Required keys that have no value.
    missing_config: list[str] = Field(default_factory=list)
    created_at: datetime
    updated_at: datetime
