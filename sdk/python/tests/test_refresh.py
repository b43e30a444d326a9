"""`refresh()`, in place, of the very grant that the credentials came from; exchanges are counted at the provider."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import subprocess
import sys
import textwrap
from contextlib import suppress

import pytest
from support.admin import sign_in, unused_name
from support.front import Front, Reply
from support.world import Minting, World

from bifrost import OAuthCredentials, context, integrations, oauth
from bifrost.errors import BifrostError


@pytest.fixture
def editor(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The environment of somebody who may edit global connections: each of their refreshes is an exchange."""
    monkeypatch.setenv("BIFROST_URL", world.admin.stack.url)
    monkeypatch.setenv("BIFROST_KEY", world.admin.key("admin", None))
    return world


async def resolved(name: str, scope: str | None = None) -> OAuthCredentials:
    integration = await integrations.get(name, scope)
    assert integration is not None
    assert integration.oauth is not None
    return integration.oauth


async def test_a_refresh_updates_everything_in_place(editor: World) -> None:
    minting = editor.minting("in-place")
    credentials = await resolved(minting.name)
    before = credentials.model_copy()
    same = await credentials.refresh()
    assert same is credentials
    assert minting.exchanges == 2
    assert credentials.access_token != before.access_token
    assert credentials.generation == (before.generation or 0) + 1
    assert credentials.grant_id == before.grant_id
    assert credentials.expires_at is not None
    assert before.expires_at is not None
    assert credentials.expires_at > before.expires_at
    assert credentials.scopes == ["api"]
    assert (credentials.problem, credentials.warning, credentials.status) == (None, None, "active")
    assert (await resolved(minting.name)).access_token == credentials.access_token


async def test_a_refresh_of_an_authorization_code_grant_keeps_up_with_its_refresh_token(
    editor: World,
) -> None:
    """The old one is spent, and must not stay where a new one is known to those who may read it."""
    credentials = await resolved("Microsoft_Graph")
    spent = credentials.refresh_token
    assert spent is not None
    await credentials.refresh()
    assert credentials.refresh_token is not None
    assert credentials.refresh_token != spent
    assert credentials.refresh_token == (await resolved("Microsoft_Graph")).refresh_token


async def test_a_grant_that_another_has_taken_the_place_of_brings_all_of_that_others_facts(
    editor: World,
) -> None:
    """Acme has signed in by itself since: its own grant serves now."""
    name = unused_name("own-grant")
    editor.admin.integration(name)
    editor.admin.authorization_code(name, editor.provider.url)
    editor.admin.sign_in(name)
    credentials = await resolved(name, editor.acme)
    shared = credentials.model_copy()
    link = editor.admin.call("POST", f"/connections/{name}/authorize", {"organization_id": editor.acme})
    sign_in(link["connect_url"])
    await credentials.refresh()
    assert credentials.grant_id != shared.grant_id
    now = await resolved(name, editor.acme)
    assert credentials.model_dump() == now.model_dump()
    assert credentials.refresh_token not in (None, shared.refresh_token)


async def test_credentials_by_name_are_refreshed_as_well(editor: World) -> None:
    minting = editor.minting("by-name")
    credentials = await oauth.get_token(minting.name)
    first = credentials.access_token
    await credentials.refresh()
    assert credentials.access_token != first
    assert minting.exchanges == 2


async def test_a_refresh_stays_in_the_scope_that_the_credentials_came_from(as_msp: World) -> None:
    """Whatever scope is ambient by then. Each organization has a grant of its own at HaloPSA."""
    acme, globex = await resolved("HaloPSA", as_msp.acme), await resolved("HaloPSA", as_msp.globex)
    assert acme.grant_id != globex.grant_id
    grant, token = acme.grant_id, acme.access_token
    context.set_scope(as_msp.globex)
    await acme.refresh()
    assert acme.grant_id == grant
    assert acme.access_token in (token, (await resolved("HaloPSA", as_msp.acme)).access_token)
    assert acme.access_token != (await resolved("HaloPSA", as_msp.globex)).access_token


async def test_a_refresh_uses_the_key_that_the_credentials_came_with(
    api: Front, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = await resolved("HaloPSA")
    monkeypatch.setenv("BIFROST_KEY", world.globex_key)
    await credentials.refresh()
    assert api.seen[-1].headers["authorization"] == f"Bearer {world.acme_key}"


async def test_a_refresh_says_which_grant_and_generation_was_refused(api: Front) -> None:
    credentials = await resolved("HaloPSA")
    grant, generation = credentials.grant_id, credentials.generation
    await credentials.refresh()
    seen = api.seen[-1]
    assert seen.target == "/connections/HaloPSA/refresh?integration=HaloPSA"
    assert json.loads(seen.body) == {"grant_id": grant, "generation": generation}


async def test_a_generation_that_somebody_else_has_refreshed_is_not_refreshed_again(editor: World) -> None:
    minting = editor.minting("behind")
    ahead, behind = await resolved(minting.name), await resolved(minting.name)
    await ahead.refresh()
    await behind.refresh()
    assert behind.access_token == ahead.access_token
    assert minting.exchanges == 2


async def test_a_hundred_refreshes_of_one_object_cause_one_call_and_one_exchange(
    editor: World, api: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIFROST_KEY", editor.admin.stack.root_key)
    minting = editor.minting("crowd")
    credentials = await resolved(minting.name)
    await asyncio.gather(*(credentials.refresh() for _ in range(100)))
    assert minting.exchanges == 2
    assert api.count(f"/connections/{minting.name}/refresh") == 1


async def test_a_hundred_objects_of_one_generation_cause_one_exchange(editor: World) -> None:
    """As with a hundred workflows that all saw a 401: the API compares generations."""
    minting = editor.minting("objects")
    held = [await resolved(minting.name) for _ in range(5)]
    objects = [copy.deepcopy(credentials) for credentials in held for _ in range(20)]
    await asyncio.gather(*(credentials.refresh() for credentials in objects))
    assert minting.exchanges == 2
    assert len({credentials.access_token for credentials in objects}) == 1


async def test_processes_that_hold_one_token_cause_one_exchange(editor: World) -> None:
    minting = editor.minting("processes")
    script = textwrap.dedent(f"""
        import asyncio
        from bifrost import oauth

        async def main():
            credentials = await oauth.get_token("{minting.name}")
            print("ready", flush=True)
            input()
            await credentials.refresh()
            print(credentials.generation)

        asyncio.run(main())
    """)
    await oauth.get_token(minting.name)
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    generations = set()
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    for child in children:
        out, _ = child.communicate(timeout=30)
        generations.add(out.strip())
    assert minting.exchanges == 2
    assert len(generations) == 1


async def test_a_caller_that_is_cancelled_does_not_end_the_refresh_of_the_others(editor: World) -> None:
    minting = editor.minting("cancelled")
    credentials = await resolved(minting.name)
    first = credentials.access_token
    with provider_delay(minting, 0.3):
        leaving = asyncio.create_task(credentials.refresh())
        staying = asyncio.create_task(credentials.refresh())
        await asyncio.sleep(0.1)
        leaving.cancel()
        with suppress(asyncio.CancelledError):
            await leaving
        await staying
    assert leaving.cancelled()
    assert credentials.access_token != first
    assert minting.exchanges == 2


class provider_delay:  # noqa: N801 - reads as a phrase
    """The provider's answers are late inside of this block."""

    def __init__(self, minting: Minting, seconds: float) -> None:
        self._provider, self._seconds = minting.provider, seconds

    def __enter__(self) -> None:
        self._provider.delay = self._seconds

    def __exit__(self, *_: object) -> None:
        self._provider.delay = 0.0


async def test_a_refresh_that_fails_changes_nothing_and_fails_for_all_who_wait(editor: World) -> None:
    minting = editor.minting("failing")
    credentials = await resolved(minting.name)
    before = credentials.model_dump()
    with minting.provider.meddling(
        lambda seen: Reply(401, b'{"error":"invalid_client"}') if seen.path == minting.path else None
    ):
        outcomes = await asyncio.gather(*(credentials.refresh() for _ in range(5)), return_exceptions=True)
    assert all(isinstance(outcome, BifrostError | OAuthCredentials) for outcome in outcomes)
    assert len({type(outcome) for outcome in outcomes}) == 1
    if isinstance(outcomes[0], BifrostError):
        assert credentials.model_dump() == before
    else:
        assert credentials.warning


async def test_a_workflow_key_forces_one_exchange_in_30_seconds_and_is_told_so(as_acme: World) -> None:
    minting = as_acme.minting("limited")
    credentials = await resolved(minting.name)
    await credentials.refresh()
    held, exchanges = credentials.access_token, minting.exchanges
    await credentials.refresh()
    assert credentials.access_token == held
    assert minting.exchanges == exchanges
    assert credentials.warning


async def test_credentials_without_a_token_ask_for_one(as_acme: World) -> None:
    """Nobody had signed in when they were resolved; somebody has since."""
    name = unused_name("late")
    as_acme.admin.integration(name)
    as_acme.admin.authorization_code(name, as_acme.provider.url)
    credentials = await resolved(name)
    assert credentials.access_token is None
    as_acme.admin.sign_in(name)
    await credentials.refresh()
    assert credentials.get_auth_header()
    assert credentials.problem is None


async def test_credentials_of_another_process_are_refreshed_with_the_key_that_is_there(
    api: Front, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIFROST_KEY", world.msp_key)
    credentials = await resolved("HaloPSA", world.acme)
    pickled = pickle.dumps(credentials)
    assert world.msp_key.encode() not in pickled
    arrived = pickle.loads(pickled)  # noqa: S301
    assert isinstance(arrived, OAuthCredentials)
    await arrived.refresh()
    assert api.seen[-1].target == f"/connections/HaloPSA/refresh?scope={world.acme}&integration=HaloPSA"
    assert arrived.grant_id == credentials.grant_id
