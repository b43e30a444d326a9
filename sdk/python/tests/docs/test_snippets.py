"""Every Python snippet of the product documentation, run as it stands there.

The API is the real local stack, the tokens are the demo provider's, and the external APIs are stand-ins that take no
others. What a snippet assumes (`url`, `client`, names imported further up) is given to it by the test.
"""

from __future__ import annotations

import ast
import inspect
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.command import bifrost_run
from support.external import USERS, Externals
from support.front import Reply
from support.world import ACME_TENANT, GLOBEX_TENANT, World

import bifrost
from bifrost import ExecutionContext, integrations, oauth
from docs.pages import needs_pages, snippet

pytestmark = needs_pages

IMPORTED = {"integrations": integrations, "oauth": oauth}


class Snippets:
    """Runs them."""

    def __init__(self, world: World, externals: Externals) -> None:
        self.world = world
        self.externals = externals
        externals.refused.clear()
        externals.seen.clear()

    def text(self, number: int) -> str:
        ids = {"org-123": self.world.acme, "some-other-org-id": self.world.globex}
        return snippet(number).repaired(ids)

    async def run(self, number: int, **assumed: object) -> dict[str, Any]:
        """All names that the snippet defines."""
        names: dict[str, Any] = {"__name__": snippet(number).name, **assumed}
        code = compile(self.text(number), snippet(number).name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        running = eval(code, names)  # noqa: S307 - that is the point
        if inspect.iscoroutine(running):
            await running
        return names

    def saw(self, host: str) -> list[Mapping[str, str]]:
        """The headers of the requests that an external API got."""
        return [seen.headers for where, seen in self.externals.seen if where == host]


@pytest.fixture
def snippets(world: World, externals: Externals) -> Snippets:
    return Snippets(world, externals)


# Set Up OAuth Integration


async def test_01_a_workflow_lists_users_from_microsoft_graph(snippets: Snippets, as_acme: World) -> None:
    list_users = (await snippets.run(1))["list_users"]
    assert await list_users(ExecutionContext("list_users")) == USERS
    token = await oauth.get_token("Microsoft_Graph")
    assert snippets.saw("graph.microsoft.com")[0]["authorization"] == token.get_auth_header()


async def test_02_a_token_of_another_organization_can_be_named(
    snippets: Snippets, as_msp: World, externals: Externals
) -> None:
    """The snippet drops what it gets, so the same call is made once more to look at it."""
    await snippets.run(2, **IMPORTED)
    named = await oauth.get_token("Microsoft_Graph", as_msp.globex)
    ours = await oauth.get_token("Microsoft_Graph")
    assert named.grant_id != ours.grant_id


# Creating Integrations, twice: as it was stored without its layout, and with it


@pytest.mark.parametrize("number", [3, 21])
async def test_03_21_a_workflow_calls_halopsa_for_its_own_tenant(
    number: int, snippets: Snippets, as_acme: World
) -> None:
    fetch_customers = (await snippets.run(number))["fetch_customers"]
    assert await fetch_customers() == {"tenant": ACME_TENANT, "customers": ["Wayne Enterprises"]}


@pytest.mark.parametrize("number", [3, 21])
async def test_03_21_a_missing_integration_is_none(
    number: int, snippets: Snippets, as_acme: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch_customers = (await snippets.run(number))["fetch_customers"]
    get = integrations.get
    monkeypatch.setattr(integrations, "get", lambda name: get(f"no such {name}"))
    assert await fetch_customers() == {"error": "Integration not configured"}


@pytest.mark.parametrize("number", [4, 22])
async def test_04_22_each_organization_gets_its_own_tenant(
    number: int, snippets: Snippets, as_acme: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await snippets.run(number, **IMPORTED))["tenant_id"] == ACME_TENANT
    monkeypatch.setenv("BIFROST_KEY", as_acme.globex_key)
    assert (await snippets.run(number, **IMPORTED))["tenant_id"] == GLOBEX_TENANT


# Integrations Module


async def test_05_the_module_is_imported(snippets: Snippets) -> None:
    assert (await snippets.run(5))["integrations"] is bifrost.integrations


async def test_06_an_integration_has_token_config_and_entity(snippets: Snippets, as_acme: World) -> None:
    names = await snippets.run(6, **IMPORTED)
    assert names["token"] == (await oauth.get_token("Microsoft_Graph")).access_token
    assert (names["tenant_id"], names["entity"]) == (f"directory-of-{ACME_TENANT}", f"graph-{ACME_TENANT}")


async def test_07_mappings_are_listed(
    snippets: Snippets, as_msp: World, capsys: pytest.CaptureFixture[str]
) -> None:
    await snippets.run(7, **IMPORTED)
    printed = capsys.readouterr().out.splitlines()
    assert f"Org: {as_msp.acme}, Entity: {ACME_TENANT}" in printed
    assert f"Org: {as_msp.globex}, Entity: {GLOBEX_TENANT}" in printed


async def test_08_a_mapping_is_found_by_scope_and_by_entity(
    snippets: Snippets, as_msp: World, capsys: pytest.CaptureFixture[str]
) -> None:
    names = await snippets.run(8, **IMPORTED)
    assert names["mapping"].organization_id == as_msp.acme
    assert capsys.readouterr().out.startswith(f"Entity: {ACME_TENANT}, Config: {{")


async def test_09_10_a_mapping_is_written_and_deleted(snippets: Snippets, as_msp: World) -> None:
    """The delete comes first, so that the upsert creates; what was there is put back."""
    assert (await snippets.run(10, **IMPORTED))["deleted"] is True
    assert (await snippets.run(10, **IMPORTED))["deleted"] is False
    created = (await snippets.run(9, **IMPORTED))["mapping"]
    assert (created.organization_id, created.entity_id) == (as_msp.acme, ACME_TENANT)
    assert (created.entity_name, created.config) == ("Acme Corp", {"custom_field": "value"})
    again = (await snippets.run(9, **IMPORTED))["mapping"]
    assert again.id == created.id
    as_msp.admin.map("HaloPSA", as_msp.acme, ACME_TENANT, config={"api_key": "acme-only"})


async def test_11_a_refresh_brings_a_fresh_token(
    snippets: Snippets, as_acme: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the key of someone who may edit the connection: others get an exchange in 30 s at most."""
    monkeypatch.setenv("BIFROST_KEY", as_acme.admin.stack.root_key)
    before = await oauth.get_token("Pax8")
    fresh = (await snippets.run(11, **IMPORTED))["integration"].oauth
    assert fresh.access_token != before.access_token
    assert fresh.generation == (before.generation or 0) + 1
    assert (await oauth.get_token("Pax8")).access_token == fresh.access_token


async def test_12_a_workflow_syncs_users(snippets: Snippets, as_acme: World) -> None:
    sync_users = (await snippets.run(12))["sync_users"]
    assert await sync_users() == {"value": USERS}


async def test_13_a_token_that_is_refused_before_its_time_is_refreshed(
    snippets: Snippets, as_acme: World, externals: Externals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIFROST_KEY", as_acme.admin.stack.root_key)
    refused = await oauth.get_token("Pax8")
    externals.refused.add(refused["access_token"])
    async with httpx.AsyncClient() as client:
        names = await snippets.run(13, client=client, url="https://api.pax8.com/v1/companies", **IMPORTED)
    assert names["response"].status_code == 200
    assert [headers["authorization"] for headers in snippets.saw("api.pax8.com")] == [
        refused.get_auth_header(),
        names["integration"].oauth.get_auth_header(),
    ]


# OAuth Troubleshooting


@pytest.mark.parametrize(("number", "name"), [(14, "my_workflow"), (15, "nightly_sync")])
async def test_14_15_a_connection_gives_a_fresh_token(
    number: int, name: str, snippets: Snippets, as_acme: World
) -> None:
    workflow = (await snippets.run(number))[name]
    assert await workflow(ExecutionContext(name)) is None


async def test_15_a_schedule_is_noted_for_the_engine(snippets: Snippets) -> None:
    from bifrost.workflows import Workflow

    noted = Workflow.of((await snippets.run(15))["nightly_sync"])
    assert noted is not None
    assert (noted.name, noted.options) == (
        "nightly_sync",
        {"execution_mode": "scheduled", "schedule": "0 9 * * 1"},
    )


async def test_16_a_token_tells_how_it_is(
    snippets: Snippets, as_acme: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger=snippet(16).name):
        await (await snippets.run(16))["check_token"](ExecutionContext())
    said = [record.getMessage() for record in caplog.records if record.name == snippet(16).name]
    assert said[0] == "Token is valid"
    assert 0 < int(said[1].removeprefix("Expires in: ").removesuffix(" seconds")) <= 120
    assert said[2] == "Granted scopes: ['api']"


async def test_16_a_failure_says_what_to_do(
    snippets: Snippets, as_acme: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIFROST_KEY", "bfk_nobody_knows-this-one")
    await (await snippets.run(16))["check_token"](ExecutionContext())
    assert "Failed to get credentials: There is no such key" in caplog.text
    assert "nobody_knows" not in caplog.text


async def test_17_a_token_is_tried_with_aiohttp(
    snippets: Snippets, as_acme: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        await (await snippets.run(17))["test_api_call"](ExecutionContext())
    assert f"API call succeeded: {{'tenant': '{ACME_TENANT}'}}" in caplog.text


async def test_18_a_license_is_checked_before_an_operation(snippets: Snippets, as_acme: World) -> None:
    assign_e5_feature = (await snippets.run(18))["assign_e5_feature"]
    assert await assign_e5_feature(ExecutionContext(), "with-e5") is None
    with pytest.raises(Exception, match="User must have E5 license"):
        await assign_e5_feature(ExecutionContext(), user_id="with-e3")


async def test_19_a_throttled_api_is_asked_again(
    snippets: Snippets, as_acme: World, externals: Externals
) -> None:
    api_call_with_retry = (await snippets.run(19))["api_call_with_retry"]
    token = await oauth.get_token("HaloPSA")
    externals.replies.append(Reply(429))
    headers = {"Authorization": token.get_auth_header()}
    answer = await api_call_with_retry("https://api.halopsa.com/api/me", headers)
    assert answer == {"tenant": ACME_TENANT}
    assert len(snippets.saw("api.halopsa.com")) == 2


def test_20_the_documentations_own_test_passes(snippets: Snippets, as_acme: World, tmp_path: Path) -> None:
    """By a pytest of its own, with the marker that it uses declared."""
    (tmp_path / "test_snippet.py").write_text(snippets.text(20))
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\nmarkers = integration\n")
    command = [sys.executable, "-m", "pytest", "-q", "-m", "integration", "-p", "no:cacheprovider"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout
    assert "1 passed" in ended.stdout


# By `bifrost run FILE`, in a process of its own


Check = Callable[[str, str], bool]

WORKFLOWS: list[tuple[int, list[str], Check]] = [
    (1, [], lambda out, log: json.loads(out) == USERS and "Retrieved oauth response" in log),
    (3, [], lambda out, _: json.loads(out)["tenant"] == ACME_TENANT),
    (12, [], lambda out, _: json.loads(out) == {"value": USERS}),
    (14, [], lambda out, _: json.loads(out) is None),
    (15, [], lambda out, _: json.loads(out) is None),
    (16, [], lambda _, log: "Token is valid" in log),
    (17, [], lambda _, log: "API call succeeded" in log and ACME_TENANT in log),
    (18, ["--param", "user_id=with-e5"], lambda out, _: json.loads(out) is None),
    (21, [], lambda out, _: json.loads(out)["tenant"] == ACME_TENANT),
]


@pytest.mark.parametrize(("number", "flags", "check"), WORKFLOWS, ids=lambda value: str(value)[:2])
def test_every_workflow_of_the_documentation_runs_by_bifrost_run(
    number: int, flags: list[str], check: Check, snippets: Snippets, as_acme: World, tmp_path: Path
) -> None:
    file = tmp_path / f"{snippet(number).name}.py"
    file.write_text(snippets.text(number))
    ended = bifrost_run(file, snippets.externals, *flags)
    assert ended.returncode == 0, ended.stderr
    assert check(ended.stdout, ended.stderr), (ended.stdout, ended.stderr)
    assert snippets.world.acme_key not in ended.stdout + ended.stderr
