"""Calls and answers of the API, before anything is sent and after it has come back."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import quote

from bifrost import errors

T = TypeVar("T")

#: What an operation is: it yields calls, is sent their answers, and returns its result. Who runs it does the I/O.
Operation = Generator["Call", "Answer", T]


@dataclass(frozen=True)
class Call:
    """A request to the API, without the key."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, object] | None = None
    if_match: str | None = None
    #: Whether it may be sent again when it is not known what became of it.
    repeatable: bool = True


@dataclass(frozen=True)
class Answer:
    """What came back. Bodies hold secrets, so none is shown."""

    status: int
    #: By lower-case name.
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> dict[str, Any] | None:
        """The body, if it is a JSON object."""
        try:
            body = json.loads(self.body)
        except ValueError:
            return None
        return body if isinstance(body, dict) else None

    @property
    def problem_code(self) -> str | None:
        """The code of a problem of the functions; the gateway's own answers have none."""
        code = (self.json() or {}).get("code")
        return code if isinstance(code, str) else None


@dataclass(frozen=True)
class NoAnswer:
    """Nothing came back. `sent` is whether the request may have arrived."""

    reason: str
    sent: bool


def path(*segments: str) -> str:
    """A path of the API in which no segment can leave its place."""
    for segment in segments:
        if segment.strip(".") == "":
            raise errors.InvalidInputError(
                f"{segment!r} is neither a name nor an id",
                code="invalid-input",
                fix="Give the name or id of what you mean.",
            )
    return "/" + "/".join(quote(segment, safe="") for segment in segments)


def query(**values: str | int | None) -> dict[str, str]:
    """A query of what is given."""
    return {name: str(value) for name, value in values.items() if value is not None}


def success(answer: Answer) -> dict[str, Any]:
    """The body of an answer that says that all went well; else what went wrong is raised."""
    if not 200 <= answer.status < 300:
        raise error_of(answer)
    body = answer.json()
    if body is None:
        raise _unexpected(answer, "it is not a JSON object")
    return body


def done(answer: Answer) -> None:
    """The same for answers without a body."""
    if not 200 <= answer.status < 300:
        raise error_of(answer)


def is_missing(answer: Answer) -> bool:
    """Whether the API says that there is no such thing.

    A 404 of the gateway does not: there the path is wrong, which says nothing about the thing.
    """
    return answer.status == 404 and answer.problem_code == "not-found"


_BY_CODE: dict[str, type[errors.BifrostError]] = {
    "scope-forbidden": errors.ScopeForbiddenError,
    "key-expired": errors.InvalidKeyError,
    "not-connected": errors.NotConnectedError,
    "reauthorize": errors.ReauthorizeError,
    "client-rejected": errors.TokenUnavailableError,
    "provider-unavailable": errors.TokenUnavailableError,
    "provider-refused": errors.TokenUnavailableError,
    "secret-unavailable": errors.TokenUnavailableError,
    "refresh-in-progress": errors.RefreshInProgressError,
}

_BY_STATUS: dict[int, type[errors.BifrostError]] = {
    400: errors.InvalidInputError,
    401: errors.InvalidKeyError,
    403: errors.ForbiddenError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    412: errors.ConflictError,
    413: errors.InvalidInputError,
    422: errors.InvalidInputError,
    429: errors.RateLimitedError,
    500: errors.ServerError,
    502: errors.UnavailableError,
    503: errors.UnavailableError,
    504: errors.UnavailableError,
}


@dataclass(frozen=True)
class _Gateway:
    """What the gateway says by itself, in the words of the functions."""

    kind: type[errors.BifrostError]
    code: str
    detail: str
    fix: str


_GATEWAY: dict[int, _Gateway] = {
    401: _Gateway(
        errors.InvalidKeyError,
        "unauthorized",
        "The request came without a key",
        "Set BIFROST_KEY to your key.",
    ),
    403: _Gateway(
        errors.InvalidKeyError,
        "key-unknown",
        "There is no such key, or it has been revoked",
        "Check BIFROST_KEY, or ask whoever manages your keys for a new one.",
    ),
    404: _Gateway(
        errors.UnexpectedAnswerError,
        "no-such-route",
        "There is no such route at this address",
        "Check that BIFROST_URL is the URL of Bifrost Integrations.",
    ),
    429: _Gateway(
        errors.RateLimitedError,
        "throttled",
        "There are more requests than the service takes",
        "Repeat the request after a pause that grows.",
    ),
    500: _Gateway(
        errors.ServerError,
        "internal",
        "Something is wrong on the server's side",
        "Repeat the request; report the request id if it lasts.",
    ),
    503: _Gateway(
        errors.UnavailableError, "timed-out", "The answer took longer than 30 s", "Repeat the request later."
    ),
}


def error_of(answer: Answer) -> errors.BifrostError:
    """The error that an answer of another status than 2xx stands for."""
    body = answer.json() or {}
    code = answer.problem_code
    retry_after = seconds_of(answer.headers.get("retry-after"))
    if code is not None:
        kind = _BY_CODE.get(code) or _BY_STATUS.get(answer.status) or errors.BifrostError
        return kind(
            _text(body, "detail") or _text(body, "title") or f"The API answered with status {answer.status}",
            code=code,
            fix=_text(body, "fix"),
            status=answer.status,
            request_id=_text(body, "request_id"),
            errors=tuple(_field_errors(body)),
            retry_after=retry_after,
        )
    said = _GATEWAY.get(answer.status)
    if said is None or not isinstance(body.get("message"), str):
        # Proxies and load balancers have statuses of their own, and pages instead of JSON.
        if answer.status in (429, 502, 503, 504):
            kind = _BY_STATUS[answer.status]
            return kind(
                f"Something between here and the API answered with status {answer.status}",
                code="throttled" if answer.status == 429 else "unavailable",
                fix="Repeat the request later.",
                status=answer.status,
                retry_after=retry_after,
            )
        return _unexpected(answer, f"it has status {answer.status} and no problem")
    return said.kind(
        said.detail,
        code=said.code,
        fix=said.fix,
        status=answer.status,
        request_id=answer.headers.get("apigw-requestid"),
        retry_after=retry_after,
    )


def error_of_silence(silence: NoAnswer, url: str) -> errors.BifrostError:
    """The error for no answer at all."""
    return errors.UnavailableError(
        f"{url} gave no answer: {silence.reason}",
        code="unreachable",
        fix="Check BIFROST_URL and the network between here and there.",
    )


def seconds_of(retry_after: str | None, now: datetime | None = None) -> float | None:
    """The seconds that a `Retry-After` asks for (RFC 9110, section 10.2.3); nothing where it can't be read."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        # More digits are no time that anybody waits for, and would not fit a float.
        return float(text) if len(text) < 10 else float("inf")
    try:
        then = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=timezone.utc)
    return max(0.0, (then - (now or datetime.now(timezone.utc))).total_seconds())


def _unexpected(answer: Answer, why: str) -> errors.UnexpectedAnswerError:
    fix = "Check that BIFROST_URL is the URL of Bifrost Integrations, and what stands between here and there."
    if 300 <= answer.status < 400:
        why = f"it leads elsewhere (status {answer.status}), and a key is not carried along"
    return errors.UnexpectedAnswerError(
        f"The answer is not one of this API: {why}", code="unexpected-answer", fix=fix, status=answer.status
    )


def malformed(what: str) -> errors.UnexpectedAnswerError:
    """An answer that lacks what it must have. What it has instead is not repeated: it may be secret."""
    return errors.UnexpectedAnswerError(
        f"The answer is not {what} as this version knows it",
        code="unexpected-answer",
        fix="Check that BIFROST_URL is the URL of Bifrost Integrations, or get a newer version of this package.",
    )


def _text(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    return value if isinstance(value, str) else None


def _field_errors(body: Mapping[str, Any]) -> Generator[errors.FieldError, None, None]:
    listed = body.get("errors")
    for error in listed if isinstance(listed, list) else []:
        if isinstance(error, dict):
            yield errors.FieldError(str(error.get("field")), str(error.get("message")))
