"""The synchronous face: the same names, the same parameters, the same meaning, without asyncio."""

from __future__ import annotations

import inspect
import threading
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import pytest
from support.admin import unused_name
from support.front import Front, Reply
from support.world import ACME_TENANT, GLOBEX_TENANT, World

from bifrost import context, integrations, oauth, sync
from bifrost._core.models import Credentials, Integration
from bifrost.errors import InvalidInputError, NotFoundError


@pytest.mark.parametrize(("one", "other"), [(integrations, sync.integrations), (oauth, sync.oauth)])
def test_every_function_is_on_both_faces_with_the_same_parameters(one: ModuleType, other: ModuleType) -> None:
    functions = [name for name in one.__all__ if inspect.isfunction(getattr(one, name))]
    assert functions == [name for name in other.__all__ if inspect.isfunction(getattr(other, name))]
    for name in functions:
        assert inspect.iscoroutinefunction(getattr(one, name))
        assert not inspect.iscoroutinefunction(getattr(other, name))
        assert inspect.signature(getattr(one, name)) == inspect.signature(getattr(other, name)), name


def test_the_shapes_of_both_faces_have_the_same_fields() -> None:
    assert list(sync.OAuthCredentials.model_fields) == list(oauth.OAuthCredentials.model_fields)
    assert list(sync.IntegrationData.model_fields) == list(integrations.IntegrationData.model_fields)
    assert issubclass(sync.OAuthCredentials, Credentials)
    assert issubclass(sync.IntegrationData, Integration)


def test_one_class_stands_behind_all_credentials_of_this_face_too(as_acme: World) -> None:
    integration = sync.integrations.get("Pax8")
    assert integration is not None
    found = [integration.oauth, sync.oauth.get_token("Pax8"), sync.oauth.get_connection("Pax8")]
    assert {type(credentials) for credentials in found} == {sync.OAuthCredentials}


def test_an_integration_and_its_mapping_are_found(as_acme: World) -> None:
    integration = sync.integrations.get("HaloPSA")
    assert integration is not None
    assert integration.entity_id == ACME_TENANT
    mapping = sync.integrations.get_mapping("HaloPSA")
    assert mapping is not None
    assert mapping.entity_id == ACME_TENANT
    assert sync.integrations.get("nothing") is None


def test_mappings_are_written_listed_and_deleted(as_msp: World) -> None:
    name = unused_name("sync")
    as_msp.admin.integration(name)
    made = sync.integrations.upsert_mapping(name, as_msp.acme, "t-1", "Acme", {"custom_field": "v"})
    changed = sync.integrations.upsert_mapping(name, as_msp.acme, "t-2")
    assert (changed.id, changed.entity_id, changed.config) == (made.id, "t-2", {"custom_field": "v"})
    assert sync.integrations.delete_mapping(name, as_msp.acme) is True
    assert sync.integrations.delete_mapping(name, as_msp.acme) is False
    assert sync.integrations.list_mappings("nothing") is None


def test_the_ambient_scope_is_the_same_one(as_msp: World) -> None:
    context.set_scope(as_msp.globex)
    integration = sync.integrations.get("HaloPSA")
    assert integration is not None
    assert integration.entity_id == GLOBEX_TENANT
    context.set_scope(None)
    with pytest.raises(InvalidInputError):
        sync.integrations.get_mapping("HaloPSA")


def test_errors_are_the_same(as_acme: World) -> None:
    with pytest.raises(NotFoundError, match="no-such"):
        sync.oauth.get_token("no-such")


def test_throttling_is_waited_for(api: Front) -> None:
    with api.replying(Reply(429, headers={"retry-after": "0"}), Reply(None)):
        assert sync.integrations.get("HaloPSA") is not None


def test_threads_that_refresh_one_object_cause_one_exchange(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIFROST_URL", world.admin.stack.url)
    monkeypatch.setenv("BIFROST_KEY", world.admin.stack.root_key)
    minting = world.minting("threads")
    credentials = sync.oauth.get_token(minting.name)
    before = credentials.access_token
    barrier = threading.Barrier(8)

    def refresh() -> None:
        barrier.wait()
        credentials.refresh()

    minting.provider.delay = 0.3
    try:
        with ThreadPoolExecutor(8) as threads:
            for done in [threads.submit(refresh) for _ in range(8)]:
                done.result()
    finally:
        minting.provider.delay = 0.0
    assert credentials.access_token != before
    assert minting.exchanges == 2


def test_it_works_where_a_loop_runs_as_well(as_acme: World) -> None:
    import asyncio

    async def work() -> str | None:
        found = sync.integrations.get("HaloPSA")
        return found.entity_id if found else None

    assert asyncio.run(work()) == ACME_TENANT
