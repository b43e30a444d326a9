"""Every answer that is not what was asked for becomes one typed error, with what to do and without any secret."""

from __future__ import annotations

import json
import pickle
import traceback

import pytest
from support.front import Front, Reply
from support.stack import REPOSITORY
from support.world import World

from bifrost import errors, integrations, oauth
from bifrost._core.wire import Answer, error_of


def problem(code: str, status: int, **more: object) -> Answer:
    body = {"code": code, "detail": "What happened.", "fix": "What helps.", "request_id": "r-1", "title": "T"}
    return Answer(status, {"retry-after": "7"}, json.dumps(body | more).encode())


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("malformed-body", 400, errors.InvalidInputError),
        ("invalid-input", 422, errors.InvalidInputError),
        ("body-too-large", 413, errors.InvalidInputError),
        ("scope-forbidden", 403, errors.ScopeForbiddenError),
        ("forbidden", 403, errors.ForbiddenError),
        ("key-expired", 403, errors.InvalidKeyError),
        ("network-forbidden", 403, errors.ForbiddenError),
        ("not-found", 404, errors.NotFoundError),
        ("name-taken", 409, errors.ConflictError),
        ("entity-taken", 409, errors.ConflictError),
        ("values-stranded", 409, errors.ConflictError),
        ("in-use", 409, errors.ConflictError),
        ("already-connected", 409, errors.ConflictError),
        ("conflict", 409, errors.ConflictError),
        ("stale-revision", 412, errors.ConflictError),
        ("wrong-flow", 422, errors.InvalidInputError),
        ("integration-required", 422, errors.InvalidInputError),
        ("placeholder-unresolved", 422, errors.InvalidInputError),
        ("not-connected", 409, errors.NotConnectedError),
        ("reauthorize", 409, errors.ReauthorizeError),
        ("client-rejected", 409, errors.TokenUnavailableError),
        ("provider-unavailable", 409, errors.TokenUnavailableError),
        ("provider-refused", 409, errors.TokenUnavailableError),
        ("refresh-in-progress", 503, errors.RefreshInProgressError),
        ("secret-unavailable", 409, errors.TokenUnavailableError),
        ("link-invalid", 410, errors.BifrostError),
        ("unavailable", 503, errors.UnavailableError),
        ("internal", 500, errors.ServerError),
        ("of-a-newer-server", 418, errors.BifrostError),
    ],
)
def test_every_code_is_an_error_that_carries_code_and_fix(
    code: str, status: int, kind: type[errors.BifrostError]
) -> None:
    error = error_of(problem(code, status, errors=[{"field": "f", "message": "m"}]))
    assert type(error) is kind
    assert (error.code, error.detail, error.fix) == (code, "What happened.", "What helps.")
    assert (error.status, error.request_id, error.retry_after) == (status, "r-1", 7.0)
    assert error.errors == (errors.FieldError("f", "m"),)
    for said in ("What happened.", code, "What helps.", "r-1", "f: m"):
        assert said in str(error)


def test_the_catalogue_has_no_code_that_is_not_tested_above() -> None:
    catalogue = json.loads((REPOSITORY / "infra/openapi.json").read_text())
    codes = set(catalogue["components"]["schemas"]["Problem"]["properties"]["code"]["enum"])
    marks = next(m for m in test_every_code_is_an_error_that_carries_code_and_fix.pytestmark)  # type: ignore[attr-defined]
    assert codes == {code for code, _, _ in marks.args[1]} - {"of-a-newer-server"}


@pytest.mark.parametrize(
    ("status", "message", "kind", "code"),
    [
        (401, "Unauthorized", errors.InvalidKeyError, "unauthorized"),
        (403, "Forbidden", errors.InvalidKeyError, "key-unknown"),
        (404, "Not Found", errors.UnexpectedAnswerError, "no-such-route"),
        (429, "Too Many Requests", errors.RateLimitedError, "throttled"),
        (500, "Internal Server Error", errors.ServerError, "internal"),
        (503, "Service Unavailable", errors.UnavailableError, "timed-out"),
    ],
)
def test_the_gateways_own_answers_are_errors_with_a_fix_as_well(
    status: int, message: str, kind: type[errors.BifrostError], code: str
) -> None:
    answer = Answer(status, {"apigw-requestid": "g-1"}, json.dumps({"message": message}).encode())
    error = error_of(answer)
    assert type(error) is kind
    assert (error.code, error.status, error.request_id) == (code, status, "g-1")
    assert error.fix


@pytest.mark.parametrize("status", [200, 301, 302, 307, 400, 401, 403, 404, 418, 500, 502, 503, 504, 999])
@pytest.mark.parametrize(
    "body", [b"", b"<html>secret-in-page</html>", b"[1]", b"null", b'{"code": 7}', b"\xff\xfe"]
)
async def test_whatever_a_stranger_answers_is_a_typed_error_that_does_not_repeat_it(
    api: Front, status: int, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bifrost._core.retry.Pauses.next", lambda *_: None)
    with api.meddling(lambda _: Reply(status, body)), pytest.raises(errors.BifrostError) as raised:
        await integrations.get("HaloPSA")
    assert raised.value.code
    assert raised.value.fix
    assert "secret-in-page" not in str(raised.value)


async def test_an_unknown_key_and_no_key_are_told_apart(
    as_acme: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIFROST_KEY", "bfk_nobody_this-is-not-a-key")
    with pytest.raises(errors.InvalidKeyError) as raised:
        await integrations.get("HaloPSA")
    assert raised.value.code == "key-unknown"
    monkeypatch.delenv("BIFROST_KEY")
    with pytest.raises(errors.ConfigurationError, match="BIFROST_KEY must be set"):
        await integrations.get("HaloPSA")


async def test_an_expired_key_is_an_invalid_key(as_acme: World, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    monkeypatch.setenv("BIFROST_KEY", as_acme.admin.key("workflow", as_acme.acme, expires_in=1))
    await asyncio.sleep(1.2)
    with pytest.raises(errors.InvalidKeyError):
        await integrations.get("HaloPSA")


def everything_in(error: BaseException) -> str:
    """All that a logger or an error tracker could find: texts, arguments, attributes, local variables, and causes."""
    found = "".join(traceback.format_exception(error))
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "/bifrost/" in frame.f_code.co_filename:
            found += repr(frame.f_locals)
    seen: BaseException | None = error
    while seen is not None:
        found += repr(seen) + str(seen) + repr(seen.args) + repr(vars(seen))
        seen = seen.__cause__ or seen.__context__
    return found


@pytest.mark.parametrize(
    "reply",
    [
        Reply(None),
        Reply(403, b'{"message": "Forbidden"}'),
        Reply(302, headers={"location": "https://thief.example/"}),
        Reply(200, b'{"integration_id": 1, "oauth": {"access_token": "the-access-token"}}'),
        Reply(200, b'{"integration_id": {"client_secret": "the-access-token"}}'),
    ],
)
async def test_no_error_holds_a_key_a_header_or_a_token(
    api: Front, world: World, reply: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bifrost._core.retry.Pauses.next", lambda *_: None)
    with api.meddling(lambda _: reply), pytest.raises(errors.BifrostError) as raised:
        await oauth.get_token("Pax8")
    with api.meddling(lambda _: reply), pytest.raises(errors.BifrostError) as also:
        await integrations.get("Pax8")
    for error in (raised.value, also.value):
        assert error.__cause__ is None
        assert error.__context__ is None
        found = everything_in(error)
        assert world.acme_key not in found
        assert "the-access-token" not in found
        assert "Bearer" not in found


def test_errors_travel_between_processes() -> None:
    error = error_of(problem("reauthorize", 409))
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(again) is errors.ReauthorizeError
    assert str(again) == str(error)
    assert vars(again) == vars(error)
