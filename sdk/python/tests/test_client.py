"""`integration.client()`: an HTTP client of the external API, whose token looks after itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from support.external import Externals
from support.front import Front, Reply, Seen
from support.world import ACME_TENANT, Minting, World

from bifrost import IntegrationData, OAuthCredentials, OAuthProblem, integrations, sync
from bifrost.errors import BifrostError, ConfigurationError, NotConnectedError, ReauthorizeError

API = "https://api.pax8.com"

#: Seconds: machines that test are busy.
PATIENCE = 60.0


@pytest.fixture
def calls(externals: Externals) -> Externals:
    externals.seen.clear()
    externals.refused.clear()
    externals.replies.clear()
    return externals


@pytest.fixture
def minting(world: World, calls: Externals, monkeypatch: pytest.MonkeyPatch) -> Minting:
    """An integration of the test's own, and the key of somebody whose every refresh is an exchange."""
    monkeypatch.setenv("BIFROST_URL", world.admin.stack.url)
    monkeypatch.setenv("BIFROST_KEY", world.admin.stack.root_key)
    return world.minting("client")


async def resolved(name: str) -> tuple[IntegrationData, OAuthCredentials]:
    integration = await integrations.get(name)
    assert integration is not None
    assert integration.oauth is not None
    return integration, integration.oauth


def sent(calls: Externals, host: str = "api.pax8.com") -> list[str | None]:
    return [seen.headers.get("authorization") for where, seen in calls.seen if where == host]


async def test_base_url_and_authorization_are_set(calls: Externals, as_acme: World) -> None:
    integration, credentials = await resolved("HaloPSA")
    async with integration.client(timeout=PATIENCE) as client:
        assert isinstance(client, httpx.AsyncClient)
        answer = await client.get("/api/customers", headers={"X-Tenant-ID": ACME_TENANT})
    assert answer.json()["tenant"] == ACME_TENANT
    assert sent(calls, "api.halopsa.com") == [credentials.get_auth_header()]


async def test_a_base_url_with_a_path_keeps_it(calls: Externals, as_acme: World) -> None:
    integration, _ = await resolved("Pax8")
    async with integration.client(timeout=PATIENCE) as client:
        assert (await client.get("/companies")).json() == {"content": []}
        assert (await client.get("companies")).json() == {"content": []}


async def test_options_are_those_of_httpx(calls: Externals, as_acme: World) -> None:
    integration, _ = await resolved("Pax8")
    async with integration.client(timeout=7.0, headers={"x-own": "1"}) as client:
        await client.get("/companies")
    assert client.timeout == httpx.Timeout(7.0)
    assert calls.seen[-1][1].headers["x-own"] == "1"


async def test_a_401_is_refreshed_once_and_the_request_repeated(calls: Externals, minting: Minting) -> None:
    integration, credentials = await resolved(minting.name)
    refused = credentials.get_auth_header()
    calls.refused.add(refused.removeprefix("Bearer "))
    async with integration.client(timeout=PATIENCE) as client:
        answer = await client.post("/echo", content=b"once")
    assert answer.json()["body"] == "once"
    assert sent(calls) == [refused, credentials.get_auth_header()]
    assert refused != credentials.get_auth_header()
    assert minting.exchanges == 2


async def test_a_hundred_tasks_that_meet_a_401_cause_one_exchange_at_the_provider(
    calls: Externals, minting: Minting
) -> None:
    integration, credentials = await resolved(minting.name)
    assert credentials.access_token is not None
    calls.refused.add(credentials.access_token)
    async with integration.client(timeout=PATIENCE) as client:
        answers = await asyncio.gather(*(client.get("/echo") for _ in range(100)))
    assert {answer.status_code for answer in answers} == {200}
    assert minting.exchanges == 2


async def test_a_hundred_clients_that_meet_a_401_cause_one_exchange_at_the_provider(
    calls: Externals, minting: Minting
) -> None:
    """Each with credentials of its own, as in a hundred workflows."""
    found = [await resolved(minting.name) for _ in range(20)]
    assert found[0][1].access_token is not None
    calls.refused.add(found[0][1].access_token)

    async def work(integration: IntegrationData) -> list[httpx.Response]:
        async with integration.client(timeout=PATIENCE) as client:
            return list(await asyncio.gather(*(client.get("/echo") for _ in range(5))))

    answers = await asyncio.gather(*(work(integration) for integration, _ in found))
    assert {answer.status_code for group in answers for answer in group} == {200}
    assert minting.exchanges == 2
    assert len({credentials.access_token for _, credentials in found}) == 1


async def test_an_api_that_refuses_every_token_is_asked_twice_and_believed(
    calls: Externals, minting: Minting, provider: Front
) -> None:
    integration, _ = await resolved(minting.name)
    calls.replies.extend([Reply(401), Reply(401), Reply(401)])
    async with integration.client(timeout=PATIENCE) as client:
        assert (await client.get("/echo")).status_code == 401
    assert len(calls.seen) == 2
    assert minting.exchanges == 2


async def test_a_token_that_can_not_be_replaced_now_is_not_shown_again(
    calls: Externals, as_acme: World
) -> None:
    """A workflow's key forces one exchange in 30 s; a second would get the refused token back."""
    minting = as_acme.minting("limited")
    integration, credentials = await resolved(minting.name)
    await credentials.refresh()
    token, exchanges = credentials.access_token, minting.exchanges
    assert token is not None
    calls.refused.add(token)
    async with integration.client(timeout=PATIENCE) as client:
        assert (await client.get("/echo")).status_code == 401
    assert len(calls.seen) == 1
    assert minting.exchanges == exchanges


async def test_a_refresh_that_fails_says_what_to_do(calls: Externals, api: Front) -> None:
    """The API's 401 alone would not."""
    integration, credentials = await resolved("Pax8")
    assert credentials.access_token is not None
    calls.refused.add(credentials.access_token)
    dead = Reply(409, b'{"code": "reauthorize", "detail": "dead", "fix": "Reconnect."}')
    with api.replying(dead):
        async with integration.client(timeout=PATIENCE) as client:
            with pytest.raises(ReauthorizeError) as raised:
                await client.get("/echo")
    assert raised.value.fix == "Reconnect."


async def test_a_body_that_was_streamed_is_not_sent_again_but_the_next_request_has_the_new_token(
    calls: Externals, minting: Minting
) -> None:
    integration, credentials = await resolved(minting.name)
    assert credentials.access_token is not None
    calls.refused.add(credentials.access_token)

    async def stream() -> AsyncIterator[bytes]:
        yield b"gone"

    async with integration.client(timeout=PATIENCE) as client:
        assert (await client.post("/echo", content=stream())).status_code == 401
        assert (await client.post("/echo", content=stream())).json()["body"] == "gone"
    assert minting.exchanges == 2


async def test_a_429_is_waited_for_as_long_as_it_asks(calls: Externals, as_acme: World) -> None:
    integration, _ = await resolved("Pax8")
    calls.replies.append(Reply(429, headers={"retry-after": "1"}))
    began = time.monotonic()
    async with integration.client(timeout=PATIENCE) as client:
        assert (await client.get("/companies")).status_code == 200
    assert time.monotonic() - began >= 1.0
    assert len(calls.seen) == 2


async def test_a_429_that_lasts_or_asks_too_much_is_the_answer(calls: Externals, as_acme: World) -> None:
    integration, _ = await resolved("Pax8")
    async with integration.client(longest_pause=0.5, timeout=PATIENCE) as client:
        calls.replies.append(Reply(429, headers={"retry-after": "1"}))
        assert (await client.get("/companies")).status_code == 429
        assert len(calls.seen) == 1
        calls.replies.extend([Reply(429, headers={"retry-after": "0"})] * 9)
        assert (await client.get("/companies")).status_code == 429
        assert len(calls.seen) == 6


async def test_a_redirect_elsewhere_takes_no_token_along(calls: Externals, as_acme: World) -> None:
    integration, credentials = await resolved("HaloPSA")
    async with integration.client(timeout=PATIENCE) as client:
        assert (await client.get("/elsewhere")).status_code == 302
    async with integration.client(follow_redirects=True, timeout=PATIENCE) as client:
        answer = await client.get("/elsewhere")
    assert answer.url.host == "thief.example"
    assert sent(calls, "thief.example") == [None]
    assert credentials.access_token is not None
    assert all(
        credentials.access_token not in str(seen) for where, seen in calls.seen if where == "thief.example"
    )


async def test_a_stranger_at_the_end_of_a_redirect_can_not_make_us_refresh_or_wait(
    calls: Externals, minting: Minting
) -> None:
    integration, _ = await resolved(minting.name)
    away = Reply(302, headers={"location": "https://thief.example/loot"})
    async with integration.client(follow_redirects=True, timeout=PATIENCE) as client:
        for status in (401, 429):
            calls.replies.extend([away, Reply(status, headers={"retry-after": "50"})])
            assert (await client.get("/echo")).status_code == status
    assert minting.exchanges == 1
    assert len(calls.seen) == 4


@pytest.mark.parametrize("url", ["https://thief.example/loot", "https://api.halopsa.com/api/me"])
async def test_a_full_url_of_another_origin_takes_no_token_along(
    calls: Externals, as_acme: World, url: str
) -> None:
    integration, _ = await resolved("Pax8")
    async with integration.client(timeout=PATIENCE) as client:
        await client.get(url)
    assert [seen.headers.get("authorization") for _, seen in calls.seen] == [None]


async def test_the_same_host_on_another_port_or_without_tls_is_another_origin(as_acme: World) -> None:
    from bifrost._core.external import same_origin

    home = httpx.URL("https://api.pax8.com/v1")
    assert same_origin(httpx.URL("https://api.pax8.com:443/other"), home)
    assert same_origin(httpx.URL("https://API.pax8.com/"), home)
    for other in (
        "http://api.pax8.com/",
        "https://api.pax8.com:8443/",
        "https://api.pax8.com.thief.example/",
    ):
        assert not same_origin(httpx.URL(other), home)


async def test_it_is_said_when_it_is_not_known_where_the_api_is(as_acme: World) -> None:
    integration, _ = await resolved("Pax8")
    integration.config.clear()
    with pytest.raises(ConfigurationError, match="not known where") as raised:
        integration.client(timeout=PATIENCE)
    assert "base_url" in (raised.value.fix or "")
    async with integration.client(API, timeout=PATIENCE) as client:
        assert client.base_url.host == "api.pax8.com"


async def test_a_token_does_not_travel_in_clear(as_acme: World) -> None:
    integration, _ = await resolved("Pax8")
    with pytest.raises(ConfigurationError, match="in clear"):
        integration.client("http://api.pax8.com")


async def test_without_a_token_there_is_no_client(as_acme: World) -> None:
    without = IntegrationData(integration_id="i", config={"base_url": API}, oauth=None)
    with pytest.raises(NotConnectedError):
        without.client()
    problem = OAuthProblem(code="reauthorize", detail="dead", fix="Reconnect.")
    dead = OAuthCredentials(connection_name="c", problem=problem)
    with pytest.raises(ReauthorizeError) as raised:
        IntegrationData(integration_id="i", config={"base_url": API}, oauth=dead).client()
    assert raised.value.fix == "Reconnect."


async def test_a_client_of_a_service_on_this_machine_uses_no_proxy(
    as_acme: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    integration, _ = await resolved("Pax8")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with integration.client(as_acme.admin.stack.provider, timeout=PATIENCE) as client:
        assert (await client.get("/me")).status_code == 200


def test_the_sync_client_does_the_same(calls: Externals, minting: Minting) -> None:
    integration = sync.integrations.get(minting.name)
    assert integration is not None
    assert integration.oauth is not None
    refused = integration.oauth.get_auth_header()
    calls.refused.add(refused.removeprefix("Bearer "))
    with integration.client(timeout=PATIENCE) as client:
        assert client.post("/echo", content=b"once").json()["body"] == "once"
        calls.replies.append(Reply(429, headers={"retry-after": "0"}))
        assert client.get("/echo").status_code == 200
        client.get("https://thief.example/loot")
    assert sent(calls) == [refused, *[integration.oauth.get_auth_header()] * 3]
    assert sent(calls, "thief.example") == [None]
    assert minting.exchanges == 2


def test_threads_that_share_a_client_and_meet_a_401_cause_one_exchange(
    calls: Externals, minting: Minting
) -> None:
    """Also those whose 401 arrives when another's refresh is done already."""
    integration = sync.integrations.get(minting.name)
    assert integration is not None
    assert integration.oauth is not None
    assert integration.oauth.access_token is not None
    calls.refused.add(integration.oauth.access_token)
    with integration.client(timeout=PATIENCE) as client, ThreadPoolExecutor(16) as threads:
        answers = [done.result() for done in [threads.submit(client.get, "/echo") for _ in range(60)]]
    assert {answer.status_code for answer in answers} == {200}
    assert minting.exchanges == 2


async def test_a_client_raises_nothing_that_holds_a_token(calls: Externals, api: Front) -> None:
    integration, credentials = await resolved("Pax8")
    token = credentials.access_token
    assert token is not None
    calls.refused.add(token)

    def silent(seen: Seen) -> Reply | None:
        return Reply(403, b'{"message": "Forbidden"}') if seen.method == "POST" else None

    with api.meddling(silent):
        async with integration.client(timeout=PATIENCE) as client:
            with pytest.raises(BifrostError) as raised:
                await client.get("/echo")
    assert token not in repr(raised.value) + str(raised.value) + repr(vars(raised.value))
