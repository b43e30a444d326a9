"""`bifrost.oauth`, and the credentials that it and `integrations` give."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import datetime, timedelta, timezone

import pytest
from support.admin import unused_name
from support.front import Front, Reply, Seen
from support.world import ACME_TENANT, World

import bifrost
from bifrost import OAuthCredentials, context, integrations, oauth
from bifrost.errors import (
    NotConnectedError,
    NotFoundError,
    ReauthorizeError,
    ScopeForbiddenError,
    TokenUnavailableError,
)


async def test_one_class_stands_behind_integration_oauth_and_oauth_get(as_acme: World) -> None:
    integration = await integrations.get("Pax8")
    assert integration is not None
    assert integration.oauth is not None
    found = [integration.oauth, await oauth.get_token("Pax8"), await oauth.get_connection("Pax8")]
    assert {type(credentials) for credentials in found} == {bifrost.OAuthCredentials}
    assert len({credentials["access_token"] for credentials in found}) == 1


async def test_a_connection_has_all_that_the_documentation_uses(as_acme: World) -> None:
    credentials = await oauth.get_connection("HaloPSA")
    assert credentials["access_token"] == credentials.access_token
    assert credentials.get_auth_header() == f"Bearer {credentials.access_token}"
    assert credentials.is_expired() is False
    assert credentials.expires_in is not None
    assert 0 < credentials.expires_in <= 120
    assert credentials["expires_in"] >= credentials.expires_in
    assert credentials.scopes == credentials["scopes"] == ["api"]
    with pytest.raises(KeyError):
        credentials["refresh"]


async def test_a_name_that_there_is_not_is_an_error_that_says_so(as_acme: World) -> None:
    for get in (oauth.get_token, oauth.get_connection):
        with pytest.raises(NotFoundError, match="no-such-connection") as raised:
            await get("no-such-connection")
        assert raised.value.code == "not-found"
        assert raised.value.fix


async def test_a_connection_that_nobody_has_signed_in_to_says_what_to_do(as_acme: World) -> None:
    name = unused_name("unconnected")
    as_acme.admin.integration(name)
    as_acme.admin.authorization_code(name, as_acme.provider.url)
    with pytest.raises(NotConnectedError) as raised:
        await oauth.get_token(name)
    assert (raised.value.code, raised.value.status) == ("not-connected", 409)
    assert "authorize" in (raised.value.fix or "")
    integration = await integrations.get(name)
    assert integration is not None
    assert integration.oauth is not None
    assert integration.oauth.access_token is None
    assert integration.oauth.is_expired()
    with pytest.raises(NotConnectedError) as same:
        integration.oauth.get_auth_header()
    assert (same.value.code, same.value.fix) == (raised.value.code, raised.value.fix)


async def test_a_dead_grant_says_that_a_person_must_sign_in_again(as_acme: World) -> None:
    name = unused_name("dead")
    as_acme.admin.authorization_code(name, as_acme.provider.url)

    def short_lived(seen: Seen) -> Reply | None:
        real = as_acme.provider.pass_on(seen)
        return Reply(
            real.status, json.dumps({**json.loads(real.body), "expires_in": 1}).encode(), real.headers
        )

    with as_acme.provider.meddling(short_lived):
        as_acme.admin.sign_in(name)
    await asyncio.sleep(1.1)
    refused = Reply(400, b'{"error": "invalid_grant"}', {"content-type": "application/json"})
    with as_acme.provider.meddling(lambda _: refused), pytest.raises(ReauthorizeError) as raised:
        await oauth.get_token(name)
    assert raised.value.code == "reauthorize"
    assert "Connect again" in (raised.value.fix or "")


async def test_a_client_that_the_provider_refuses_is_a_token_that_is_not_there(as_acme: World) -> None:
    minting = as_acme.minting("refused", client_secret="wrong")
    with pytest.raises(TokenUnavailableError) as raised:
        await oauth.get_token(minting.name)
    assert raised.value.code == "client-rejected"


async def test_a_token_of_another_scope_is_for_providers(as_acme: World) -> None:
    with pytest.raises(ScopeForbiddenError):
        await oauth.get_token("Pax8", as_acme.globex)


async def test_placeholders_are_filled_by_the_integration_of_the_connections_name(as_acme: World) -> None:
    """The documentation names nothing but the connection."""
    await oauth.get_token("HaloPSA")
    assert as_acme.provider.count(f"/{ACME_TENANT}/token") >= 1


async def test_placeholders_can_be_filled_by_another_integration(as_acme: World) -> None:
    connection, integration = unused_name("shared"), unused_name("using")
    as_acme.admin.client_credentials(connection, f"{as_acme.provider.url}/{{entity_id}}/token")
    as_acme.admin.integration(integration, connection=connection)
    as_acme.admin.map(integration, as_acme.acme, f"tenant-{integration}")
    with pytest.raises(bifrost.errors.InvalidInputError) as raised:
        await oauth.get_token(connection)
    assert raised.value.code == "integration-required"
    token = await oauth.get_token(connection, integration=integration)
    assert as_acme.provider.count(f"/tenant-{integration}/token") == 1
    through = await integrations.get(integration)
    assert through is not None
    assert through.oauth is not None
    assert through.oauth.connection_name == connection
    assert through.oauth.access_token == token.access_token


async def test_the_ambient_scope_holds_for_oauth_as_for_integrations(as_msp: World) -> None:
    context.set_scope(as_msp.globex)
    token, integration = await oauth.get_token("HaloPSA"), await integrations.get("HaloPSA")
    assert integration is not None
    assert integration.oauth is not None
    assert token.access_token == integration.oauth.access_token
    context.set_scope(as_msp.acme)
    assert (await oauth.get_token("HaloPSA")).access_token != token.access_token


def _expiring(delta: timedelta) -> OAuthCredentials:
    at = datetime.now(timezone.utc) + delta
    text = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return OAuthCredentials(connection_name="x", access_token="t", expires_at=text)


def test_a_token_past_its_time_is_expired() -> None:
    assert _expiring(timedelta(seconds=-1)).is_expired()
    assert _expiring(timedelta(seconds=-1)).expires_in == 0
    assert not _expiring(timedelta(seconds=30)).is_expired()
    assert _expiring(timedelta(seconds=100)).expires_in in range(90, 101)


def test_a_token_whose_time_is_not_known_is_not_expired() -> None:
    credentials = OAuthCredentials(connection_name="x", access_token="t")
    assert (credentials.is_expired(), credentials.expires_in) == (False, None)


def test_expiry_is_by_the_clock_whatever_zone_it_is_written_in() -> None:
    there = datetime.fromtimestamp(time.time() + 60, timezone(timedelta(hours=9)))
    assert OAuthCredentials(
        connection_name="x", access_token="t", expires_at=there.isoformat()
    ).expires_in in range(50, 61)


@pytest.mark.parametrize(
    ("kind", "scheme"), [(None, "Bearer"), ("bearer", "Bearer"), ("BEARER", "Bearer"), ("MAC", "MAC")]
)
def test_the_authorization_header_has_the_scheme_of_the_token(kind: str | None, scheme: str) -> None:
    credentials = OAuthCredentials(connection_name="x", access_token="t", token_type=kind)
    assert credentials.get_auth_header() == f"{scheme} t"


async def test_what_a_newer_server_adds_is_ignored(api: Front) -> None:
    added = json.dumps(
        {
            "integration_id": "i",
            "entity_id": None,
            "entity_name": None,
            "config": {},
            "missing_config": [],
            "added": 1,
            "oauth": {
                "connection_name": "c",
                "grant_id": None,
                "client_id": "id",
                "status": "hibernating",
                "facts": {},
                "scopes": [],
                "access_token": "t",
                "generation": 1,
                "added": {"more": True},
                "problem": None,
            },
        }
    ).encode()
    with api.meddling(lambda _: Reply(200, added, {"content-type": "application/json"})):
        found = await integrations.get("HaloPSA")
    assert found is not None
    assert found.oauth is not None
    assert (found.oauth.status, hasattr(found, "added")) == ("hibernating", False)
