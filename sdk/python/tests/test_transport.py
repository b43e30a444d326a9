"""How calls travel: never in clear, never elsewhere, through connections that are kept and closed."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import subprocess
import sys
import textwrap
import warnings

import pytest
from support.front import Front, Reply
from support.world import ACME_TENANT, World

import bifrost
from bifrost import context, integrations, oauth, sync
from bifrost.errors import ConfigurationError, UnexpectedAnswerError


@pytest.mark.parametrize(
    "url",
    [
        "http://bifrost.example",
        "http://10.0.0.1",
        "http://localhost.thief.example",
        "http://127.0.0.1.thief.example",
        "http://127.0.0.1@thief.example",
        "https://user:password@bifrost.example",
        "https://bifrost.example/?scope=global",
        "https://bifrost.example/#fragment",
        "ftp://bifrost.example",
        "bifrost.example",
        "https://",
        "",
        "https://bifrost.example:port",
    ],
)
def test_a_key_is_not_sent_to_a_url_like_this(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        context.set_access(url, "bfk_secret_key")
    assert "bfk_secret_key" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://bifrost.example",
        "https://bifrost.example/prod/",
        "http://localhost:7071",
        "http://127.0.0.1:7071/",
        "http://[::1]:7071",
    ],
)
def test_a_key_may_be_sent_over_https_or_within_this_machine(url: str) -> None:
    import contextvars

    contextvars.copy_context().run(context.set_access, url, "bfk_secret_key")


@pytest.mark.parametrize("key", ["", " ", "two words", "line\nbreak", "key\r\nX-Header: 1", "schlüssel"])
def test_a_key_that_can_be_none_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        context.set_access("https://bifrost.example", key)
    assert not key.strip() or key not in str(raised.value)


async def test_a_key_from_a_file_may_end_with_its_line(
    as_acme: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIFROST_KEY", as_acme.acme_key + "\n")
    assert await integrations.get("HaloPSA") is not None


async def test_a_redirect_is_not_followed_and_the_key_stays_here(api: Front, world: World) -> None:
    thief = Front(world.admin.stack.url)
    for status in (301, 302, 303, 307, 308):
        away = Reply(status, headers={"location": f"{thief.url}/integrations/HaloPSA/resolve"})
        with (
            api.replying(away),
            pytest.raises(UnexpectedAnswerError, match="leads elsewhere"),
        ):
            await integrations.get("HaloPSA")
    assert thief.seen == []
    thief.close()


async def test_no_cookie_is_kept(api: Front) -> None:
    with api.replying(Reply(404, b'{"code": "not-found"}', {"set-cookie": "who=acme; Path=/"})):
        await integrations.get("HaloPSA")
    await integrations.get("HaloPSA")
    assert "cookie" not in api.seen[-1].headers


async def test_no_proxy_stands_between_this_machine_and_itself(
    api: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would see the key in clear."""
    await bifrost.aclose()
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert await integrations.get("HaloPSA") is not None
    await bifrost.aclose()


async def test_connections_are_kept(as_acme: World, monkeypatch: pytest.MonkeyPatch) -> None:
    import httpcore

    opened = 0
    connect = httpcore.AsyncConnectionPool.create_connection

    def counting(self: httpcore.AsyncConnectionPool, origin: httpcore.Origin) -> object:
        nonlocal opened
        opened += 1
        return connect(self, origin)

    monkeypatch.setattr(httpcore.AsyncConnectionPool, "create_connection", counting)
    for _ in range(10):
        await integrations.get("HaloPSA")
        await oauth.get_token("Pax8")
    assert opened == 1


def test_event_loops_one_after_the_other_each_have_their_own_connections(as_acme: World) -> None:
    """And each closes them: nothing is left for the garbage collector to complain about."""

    async def work() -> str | None:
        found = await integrations.get("HaloPSA")
        return found.entity_id if found else None

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            assert asyncio.run(work()) == ACME_TENANT
            gc.collect()


def test_a_loop_that_was_closed_by_hand_does_not_disturb_the_next(as_acme: World) -> None:
    from bifrost._io import asynchronous

    loop = asyncio.new_event_loop()
    loop.run_until_complete(integrations.get("HaloPSA"))
    loop.run_until_complete(bifrost.aclose())
    loop.close()
    assert asyncio.run(integrations.get("HaloPSA")) is not None
    assert loop not in asynchronous._by_loop or not asynchronous._by_loop[loop]._clients


async def test_one_can_go_on_after_closing(as_acme: World) -> None:
    await bifrost.aclose()
    assert await integrations.get("HaloPSA") is not None
    await bifrost.aclose()
    await bifrost.aclose()
    assert await integrations.get("HaloPSA") is not None
    sync.close()
    assert sync.integrations.get("HaloPSA") is not None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_forked_child_does_not_speak_on_its_parents_connections(as_acme: World) -> None:
    script = textwrap.dedent("""
        import os
        from bifrost.sync import integrations

        integrations.get("HaloPSA")
        child = os.fork()
        for _ in range(20):
            assert integrations.get("HaloPSA").entity_id == "tenant-456"
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    """)
    subprocess.run([sys.executable, "-W", "ignore::DeprecationWarning", "-c", script], check=True)


async def test_the_key_and_the_tokens_are_in_no_log(as_acme: World, caplog: pytest.LogCaptureFixture) -> None:
    """Of this package, and of those that it stands on, however much they are told to say."""
    with caplog.at_level(logging.DEBUG):
        integration = await integrations.get("HaloPSA")
        assert integration is not None
        assert integration.oauth is not None
        await integration.oauth.refresh()
        logging.getLogger("workflow").info("got %r and %s", integration, integration.oauth)
    assert "got IntegrationData" in caplog.text
    for secret in (as_acme.acme_key, integration.oauth.access_token, "acme-only"):
        assert secret is not None
        assert secret not in caplog.text
