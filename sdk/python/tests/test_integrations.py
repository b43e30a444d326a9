"""`bifrost.integrations`, against the real stack."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from support.admin import unused_name
from support.front import Front, Reply, Seen
from support.world import ACME_TENANT, GLOBEX_TENANT, World

from bifrost import context, integrations
from bifrost.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    ScopeForbiddenError,
    UnexpectedAnswerError,
)

OTHER = str(uuid4())


async def test_an_integration_has_merged_config_entity_and_token(as_acme: World) -> None:
    found = await integrations.get("HaloPSA")
    assert found is not None
    assert found.oauth is not None
    assert (found.entity_id, found.oauth.connection_name) == (ACME_TENANT, "HaloPSA")
    assert found.config == {"base_url": "https://api.halopsa.com", "api_key": "acme-only"}
    assert found.oauth.access_token
    assert found.oauth.token_url == f"{as_acme.provider.url}/{ACME_TENANT}/token"
    assert found.missing_config == []


async def test_names_are_found_in_any_spelling(as_acme: World) -> None:
    spelt, named = await integrations.get("microsoft graph"), await integrations.get("Microsoft_Graph")
    assert spelt is not None
    assert named is not None
    assert spelt.integration_id == named.integration_id


async def test_an_integration_that_there_is_not_is_none(as_acme: World) -> None:
    assert await integrations.get("nothing") is None
    assert await integrations.list_mappings("nothing") is None
    assert await integrations.get_mapping("nothing") is None
    assert await integrations.get_mapping("nothing", entity_id="x") is None


async def test_a_route_that_there_is_not_is_an_error_and_not_none(
    as_acme: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway's 404 says that the URL is wrong; it says nothing about the integration."""
    monkeypatch.setenv("BIFROST_URL", f"{as_acme.admin.stack.url}/elsewhere")
    for asking in (
        integrations.get("HaloPSA"),
        integrations.list_mappings("HaloPSA"),
        integrations.get_mapping("HaloPSA", as_acme.acme),
        integrations.delete_mapping("HaloPSA", as_acme.acme),
    ):
        with pytest.raises(UnexpectedAnswerError) as raised:
            await asking
        assert raised.value.code == "no-such-route"


async def test_a_scope_can_be_an_organization_or_global_for_a_provider(as_msp: World) -> None:
    acme = await integrations.get("HaloPSA", scope=as_msp.acme)
    globex = await integrations.get("HaloPSA", scope=as_msp.globex)
    platform = await integrations.get("HaloPSA", "global")
    assert acme is not None
    assert globex is not None
    assert platform is not None
    assert (acme.entity_id, globex.entity_id, platform.entity_id) == (ACME_TENANT, GLOBEX_TENANT, None)
    assert "api_key" not in platform.config


async def test_another_scope_is_refused_to_a_managed_organization(as_acme: World) -> None:
    for scope in (as_acme.globex, "global"):
        with pytest.raises(ScopeForbiddenError) as raised:
            await integrations.get("HaloPSA", scope)
        assert raised.value.code == "scope-forbidden"
        assert raised.value.fix
        assert raised.value.request_id


async def test_a_scope_that_is_none_is_invalid_input_that_names_the_field(as_msp: World) -> None:
    with pytest.raises(InvalidInputError) as raised:
        await integrations.get("HaloPSA", "not-an-organization")
    assert [error.field for error in raised.value.errors] == ["scope"]


@pytest.mark.parametrize("scope", ["", "  "])
async def test_an_empty_scope_is_never_taken_for_ones_own(as_msp: World, scope: str) -> None:
    with pytest.raises(InvalidInputError):
        await integrations.get("HaloPSA", scope)
    with pytest.raises(InvalidInputError):
        context.set_scope(scope)


@pytest.mark.parametrize("name", ["../connections", "a/b", "a?scope=global", "a#b", "a%2Fb", "é", "x" * 129])
async def test_a_name_stays_in_its_place_in_the_path(as_msp: World, api: Front, name: str) -> None:
    assert await integrations.get(name) is None
    assert [seen.path.count("/") for seen in api.seen] == [3]
    assert api.seen[0].target.startswith("/integrations/")
    assert api.seen[0].target.endswith("/resolve")


@pytest.mark.parametrize("name", ["", ".", ".."])
async def test_what_would_be_another_path_is_never_sent(as_msp: World, api: Front, name: str) -> None:
    with pytest.raises(InvalidInputError):
        await integrations.get(name)
    assert api.seen == []


# Mappings


async def test_lists_follow_cursors_over_500_mappings(
    as_msp: World, api: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIFROST_KEY", as_msp.msp_key)
    name = unused_name("many")
    as_msp.admin.integration(name)
    organizations = {str(uuid4()): f"tenant-{number}" for number in range(500)}
    for organization in organizations:
        as_msp.admin.call("POST", "/organizations", {"id": organization, "name": organization})
    rows = [{"organization_id": id_, "entity_id": entity} for id_, entity in organizations.items()]
    as_msp.admin.call("POST", f"/integrations/{name}/mappings/import", {"mappings": rows})
    listed = await integrations.list_mappings(name)
    assert listed is not None
    assert {mapping.organization_id: mapping.entity_id for mapping in listed} == organizations
    assert api.count(f"/integrations/{name}/mappings", "GET") == 3


async def test_an_integration_without_mappings_has_an_empty_list(as_msp: World) -> None:
    name = unused_name("unmapped")
    as_msp.admin.integration(name)
    assert await integrations.list_mappings(name) == []


async def test_cursors_that_go_round_in_circles_are_an_error(api: Front) -> None:
    page = json.dumps({"items": [], "next_cursor": "again"}).encode()
    with (
        api.meddling(lambda _: Reply(200, page, {"content-type": "application/json"})),
        pytest.raises(UnexpectedAnswerError, match="circles"),
    ):
        await integrations.list_mappings("HaloPSA")
    assert len(api.seen) == 2


async def test_a_managed_key_lists_its_own_mapping_alone(as_acme: World) -> None:
    listed = await integrations.list_mappings("HaloPSA")
    assert listed is not None
    assert [mapping.organization_id for mapping in listed] == [as_acme.acme]


async def test_get_mapping_with_scope_and_entity_id_means_both(as_msp: World) -> None:
    acme, globex = as_msp.acme, as_msp.globex
    both = await integrations.get_mapping("HaloPSA", acme, ACME_TENANT)
    assert both is not None
    assert both.organization_id == acme
    assert await integrations.get_mapping("HaloPSA", acme, GLOBEX_TENANT) is None
    assert await integrations.get_mapping("HaloPSA", globex, ACME_TENANT) is None


async def test_get_mapping_by_entity_id_finds_whose_it_is(as_msp: World) -> None:
    found = await integrations.get_mapping("HaloPSA", entity_id=GLOBEX_TENANT)
    assert found is not None
    assert found.organization_id == as_msp.globex
    assert await integrations.get_mapping("HaloPSA", entity_id="nobody's") is None


async def test_get_mapping_uses_the_ambient_scope(as_msp: World) -> None:
    context.set_scope(as_msp.globex)
    found = await integrations.get_mapping("HaloPSA")
    assert found is not None
    assert found.organization_id == as_msp.globex
    assert await integrations.get_mapping("HaloPSA", entity_id=ACME_TENANT) is None
    explicit = await integrations.get_mapping("HaloPSA", as_msp.acme)
    assert explicit is not None
    assert explicit.organization_id == as_msp.acme


async def test_get_mapping_without_a_scope_is_the_keys_own(as_acme: World) -> None:
    found = await integrations.get_mapping("HaloPSA")
    assert found is not None
    assert found.organization_id == as_acme.acme
    name = unused_name("unmapped")
    as_acme.admin.integration(name)
    assert await integrations.get_mapping(name) is None


async def test_get_mapping_asks_whose_where_the_key_may_see_everyones(as_msp: World) -> None:
    """The one mapping that there happens to be must not be taken for the key's own."""
    name = unused_name("ambiguous")
    as_msp.admin.integration(name)
    as_msp.admin.map(name, as_msp.acme, "only-one")
    with pytest.raises(InvalidInputError, match="Which organization") as raised:
        await integrations.get_mapping(name)
    assert "set_scope" in (raised.value.fix or "")


async def test_the_global_scope_has_no_mappings(as_msp: World) -> None:
    with pytest.raises(InvalidInputError) as raised:
        await integrations.get_mapping("HaloPSA", "global")
    assert [error.field for error in raised.value.errors] == ["organization_id"]


async def test_get_mapping_of_another_organization_is_refused(as_acme: World) -> None:
    with pytest.raises(ScopeForbiddenError):
        await integrations.get_mapping("HaloPSA", as_acme.globex)
    assert await integrations.get_mapping("HaloPSA", entity_id=GLOBEX_TENANT) is None


async def test_upsert_creates_and_then_changes_the_same_mapping(as_msp: World) -> None:
    name, organization = unused_name("upsert"), as_msp.acme
    as_msp.admin.integration(name)
    made = await integrations.upsert_mapping(
        name, organization, "t-1", "Acme", {"custom_field": "1", "api_key": "s"}
    )
    assert (made.entity_id, made.entity_name) == ("t-1", "Acme")
    assert made.config == {"custom_field": "1", "api_key": {"secret": True, "set": True}}
    changed = await integrations.upsert_mapping(name, organization, "t-2")
    assert changed.id == made.id
    assert (changed.entity_id, changed.entity_name, changed.config) == ("t-2", "Acme", made.config)
    resolved = await integrations.get(name, organization)
    assert resolved is not None
    assert resolved.config == {"custom_field": "1", "api_key": "s"}


async def test_upsert_with_config_replaces_the_overrides_but_secrets(as_msp: World) -> None:
    name, organization = unused_name("upsert"), as_msp.acme
    as_msp.admin.integration(name)
    await integrations.upsert_mapping(
        name, organization, "t-1", "Acme", {"custom_field": "1", "api_key": "s"}
    )
    emptied = await integrations.upsert_mapping(name, organization, "t-1", config={})
    assert emptied.config == {"api_key": {"secret": True, "set": True}}
    removed = await integrations.upsert_mapping(name, organization, "t-1", config={"api_key": None})
    assert (removed.config, removed.entity_name) == ({}, "Acme")


async def test_upsert_does_not_undo_what_somebody_else_changes_meanwhile(
    as_msp: World, api: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIFROST_KEY", as_msp.msp_key)
    name, organization = unused_name("race"), as_msp.acme
    as_msp.admin.integration(name)
    as_msp.admin.map(name, organization, "t-1", entity_name="before")
    others = iter(["in between"])

    def somebody_else(seen: Seen) -> Reply | None:
        if seen.method == "PUT" and (entity_name := next(others, None)):
            as_msp.admin.map(name, organization, "t-1", entity_name=entity_name)
        return None

    with api.meddling(somebody_else):
        changed = await integrations.upsert_mapping(name, organization, "t-2")
    assert (changed.entity_id, changed.entity_name) == ("t-2", "in between")


async def test_upsert_of_an_entity_that_is_anothers_is_a_conflict(as_msp: World) -> None:
    with pytest.raises(ConflictError) as raised:
        await integrations.upsert_mapping("HaloPSA", as_msp.acme, GLOBEX_TENANT)
    assert raised.value.code == "entity-taken"


async def test_upsert_on_an_integration_that_there_is_not_is_an_error(as_msp: World) -> None:
    with pytest.raises(NotFoundError):
        await integrations.upsert_mapping("nothing", as_msp.acme, "t-1")


async def test_deleting_what_is_not_there_is_false(as_msp: World) -> None:
    name = unused_name("delete")
    as_msp.admin.integration(name)
    as_msp.admin.map(name, as_msp.acme, "t-1")
    assert await integrations.delete_mapping(name, as_msp.acme) is True
    assert await integrations.delete_mapping(name, as_msp.acme) is False
    assert await integrations.delete_mapping("nothing", as_msp.acme) is False
    assert await integrations.get_mapping(name, as_msp.acme) is None


async def test_deleting_what_one_may_not_is_an_error(as_acme: World) -> None:
    from bifrost.errors import ForbiddenError

    with pytest.raises(ForbiddenError):
        await integrations.delete_mapping("HaloPSA", as_acme.acme)
