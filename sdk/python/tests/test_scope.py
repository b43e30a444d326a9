"""The ambient scope: it holds for what comes after it, and for nobody else."""

from __future__ import annotations

import asyncio
import threading

import pytest
from support.front import Front
from support.world import ACME_TENANT, GLOBEX_TENANT, World

from bifrost import ExecutionContext, context, integrations, oauth
from bifrost.errors import ConfigurationError


async def entity() -> str | None:
    found = await integrations.get("HaloPSA")
    return found.entity_id if found else None


async def test_concurrent_tasks_do_not_see_each_others_scope(as_msp: World) -> None:
    async def work(scope: str, tenant: str) -> None:
        ExecutionContext().set_scope(scope)
        for _ in range(3):
            await asyncio.sleep(0)
            assert context.get_scope() == scope
            assert await entity() == tenant
            token = await oauth.get_token("HaloPSA")
            assert token.grant_id == (await oauth.get_token("HaloPSA", scope)).grant_id

    both = ((as_msp.acme, ACME_TENANT), (as_msp.globex, GLOBEX_TENANT))
    await asyncio.gather(*(work(*both[number % 2]) for number in range(10)))
    assert context.get_scope() is None


async def test_tasks_that_are_started_inherit_the_scope(as_msp: World) -> None:
    context.set_scope(as_msp.acme)
    assert await asyncio.create_task(entity()) == ACME_TENANT
    assert await asyncio.to_thread(context.get_scope) == as_msp.acme


async def test_one_execution_context_in_two_tasks_has_two_scopes(as_msp: World) -> None:
    shared = ExecutionContext()

    async def work(scope: str) -> str | None:
        shared.set_scope(scope)
        await asyncio.sleep(0.01)
        return shared.scope

    seen = await asyncio.gather(work(as_msp.acme), work(as_msp.globex))
    assert list(seen) == [as_msp.acme, as_msp.globex]


async def test_an_argument_goes_before_the_ambient_scope(as_msp: World) -> None:
    context.set_scope(as_msp.acme)
    found = await integrations.get("HaloPSA", as_msp.globex)
    assert found is not None
    assert found.entity_id == GLOBEX_TENANT


async def test_the_engine_says_the_scope_and_a_workflow_may_change_it_and_go_back(
    as_msp: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIFROST_SCOPE", as_msp.acme)
    assert await entity() == ACME_TENANT
    context.set_scope(as_msp.globex)
    assert await entity() == GLOBEX_TENANT
    context.set_scope(None)
    assert await entity() == ACME_TENANT


async def test_an_empty_variable_is_no_scope(api: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIFROST_SCOPE", "")
    await entity()
    assert api.seen[-1].target == "/integrations/HaloPSA/resolve"


async def test_a_scope_ends_with_its_block(as_msp: World) -> None:
    context.set_scope(as_msp.acme)
    with context.scoped(as_msp.globex):
        assert await entity() == GLOBEX_TENANT
    assert await entity() == ACME_TENANT


async def test_the_global_scope_is_no_organization(as_msp: World) -> None:
    context.set_scope("global")
    assert (ExecutionContext().scope, ExecutionContext().org_id) == ("global", None)
    assert await entity() is None
    context.set_scope(as_msp.acme)
    assert ExecutionContext().org_id == as_msp.acme


def test_a_thread_of_its_own_starts_without_the_scope() -> None:
    context.set_scope("global")
    seen: list[str | None] = []
    thread = threading.Thread(target=lambda: seen.append(context.get_scope()))
    thread.start()
    thread.join()
    assert seen in ([None], ["global"])  # Newer Pythons can be told to hand contexts on.


async def test_an_engine_can_serve_many_keys_in_one_process(world: World) -> None:
    async def work(key: str) -> str | None:
        context.set_access(world.admin.stack.url, key)
        await asyncio.sleep(0.01)
        return await entity()

    tasks = [asyncio.create_task(work(key)) for key in (world.acme_key, world.globex_key)]
    assert await asyncio.gather(*tasks) == [ACME_TENANT, GLOBEX_TENANT]
    with pytest.raises(ConfigurationError):
        await entity()
