"""What is shown of what came, and what is not."""

from __future__ import annotations

import datetime

import pytest

from bifrost import IntegrationData, IntegrationMappingResponse, OAuthCredentials, OAuthProblem, context, sync
from bifrost._core.models import Token, parse
from bifrost._core.settings import Settings
from bifrost.errors import UnexpectedAnswerError

SECRETS = {
    "client_secret": "the-client-secret",
    "access_token": "the-access-token",
    "refresh_token": "the-refresh-token",
}


@pytest.mark.parametrize("kind", [OAuthCredentials, sync.OAuthCredentials])
def test_no_secret_is_in_what_is_shown_of_credentials(kind: type[OAuthCredentials]) -> None:
    credentials = kind.model_validate({"connection_name": "HaloPSA", "client_id": "id", **SECRETS})
    for shown in (
        repr(credentials),
        str(credentials),
        f"{credentials}",
        f"{credentials!r:>10}",
        repr([credentials]),
    ):
        assert "connection_name='HaloPSA'" in shown
        assert "client_id='id'" in shown
        assert shown.count("[redacted]") == 3
        assert not any(secret in shown for secret in SECRETS.values())


def test_what_is_not_there_is_shown_as_that() -> None:
    assert "access_token=None" in repr(OAuthCredentials(connection_name="HaloPSA"))


@pytest.mark.parametrize("kind", [IntegrationData, sync.IntegrationData])
def test_no_value_of_config_is_in_what_is_shown_of_an_integration(kind: type[IntegrationData]) -> None:
    """Some are secret, and the answer does not say which."""
    oauth = {"connection_name": "HaloPSA", **SECRETS}
    found = kind.model_validate({"integration_id": "i", "config": {"api_key": "the-api-key"}, "oauth": oauth})
    for shown in (repr(found), str(found)):
        assert "config={'api_key': [redacted]}" in shown
        assert not any(secret in shown for secret in (*SECRETS.values(), "the-api-key"))


def test_a_token_shows_itself_to_nobody() -> None:
    token = Token(
        connection_name="c",
        grant_id="g",
        access_token="the-access-token",
        token_type="Bearer",
        expires_at=None,
        scopes=[],
        generation=1,
    )
    assert "the-access-token" not in repr(token)


def test_the_key_shows_itself_to_nobody() -> None:
    settings = Settings.parse("https://bifrost.example", "bfk_the_key")
    assert "bfk_the_key" not in repr(settings) + str(settings)


def test_a_key_that_is_ambient_is_not_in_the_repr_of_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIFROST_URL", "https://bifrost.example")
    monkeypatch.setenv("BIFROST_KEY", "bfk_the_key")
    assert "bfk_the_key" not in repr(context.place())


def test_an_answer_that_is_not_understood_is_not_repeated() -> None:
    with pytest.raises(UnexpectedAnswerError) as raised:
        parse(OAuthCredentials, {"connection_name": ["the-access-token"]}, "a token")
    assert "the-access-token" not in repr(raised.value) + str(raised.value)
    assert raised.value.__context__ is None


def test_a_mapping_has_the_times_as_times() -> None:
    at = "2026-01-31T12:00:00.000Z"
    mapping = IntegrationMappingResponse.model_validate(
        {
            "id": "m",
            "integration_id": "i",
            "organization_id": "o",
            "entity_id": None,
            "entity_name": None,
            "oauth_token_id": None,
            "config": {},
            "missing_config": [],
            "created_at": at,
            "updated_at": at,
        }
    )
    assert mapping.created_at == datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.timezone.utc)


def test_a_problem_has_what_helps() -> None:
    problem = OAuthProblem.model_validate({"code": "reauthorize", "title": "t", "detail": "d", "fix": "f"})
    credentials = OAuthCredentials(connection_name="HaloPSA", problem=problem)
    error = credentials.unavailable()
    assert (error.code, error.fix) == ("reauthorize", "f")
    assert str(error).startswith("HaloPSA: d")
