"""One stack for the whole session, with what the tests find there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.external import Authority

# Before anything is imported that reads them: aiohttp makes its TLS context when it is imported.
_folder = tempfile.TemporaryDirectory(prefix="bifrost-sdk-")
_authority = Authority.in_folder(Path(_folder.name))
os.environ["SSL_CERT_FILE"] = os.environ["REQUESTS_CA_BUNDLE"] = str(_authority.file)
for _variable in ("SSL_CERT_DIR", "CURL_CA_BUNDLE", "BIFROST_URL", "BIFROST_KEY", "BIFROST_SCOPE"):
    os.environ.pop(_variable, None)
for _variable in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[_variable]

from support.admin import Admin  # noqa: E402
from support.external import Externals, serve  # noqa: E402
from support.front import Front  # noqa: E402
from support.network import redirect_external_apis  # noqa: E402
from support.stack import Stack, running  # noqa: E402
from support.world import World, make_world  # noqa: E402


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    with running(Path(_folder.name)) as stack:
        yield stack
        # What the functions report of themselves fails the run, whatever the tests saw.
        bad = [
            line
            for line in stack.log.read_text().splitlines()
            if '"level":"ERROR"' in line or "panicked" in line
        ]
    assert not bad, "\n".join(bad)


@pytest.fixture(scope="session")
def admin(stack: Stack) -> Iterator[Admin]:
    admin = Admin(stack)
    yield admin
    admin.close()


@pytest.fixture(scope="session")
def provider(stack: Stack) -> Iterator[Front]:
    """A front of the demo provider, which counts what is exchanged there."""
    front = Front(stack.provider)
    yield front
    front.close()


@pytest.fixture(scope="session")
def externals(stack: Stack) -> Iterator[Externals]:
    """Stand-ins for Microsoft Graph, HaloPSA and Pax8; no other host on the Internet is there for the tests."""
    externals = Externals(stack.provider)
    server = serve(_authority, externals)
    undo = redirect_external_apis(externals.port)
    yield externals
    undo()
    server.shutdown()
    server.server_close()
    externals.close()


@pytest.fixture(scope="session")
def world(admin: Admin, provider: Front) -> World:
    return make_world(admin, provider)


@pytest.fixture
def as_acme(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The environment of a workflow of Acme's."""
    use(monkeypatch, world.admin.stack.url, world.acme_key)
    return world


@pytest.fixture
def as_msp(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The environment of a workflow of the provider organization's."""
    use(monkeypatch, world.admin.stack.url, world.msp_key)
    return world


@pytest.fixture
def api(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    """A front of the API, with the environment of a workflow of Acme's."""
    front = Front(world.admin.stack.url)
    use(monkeypatch, front.url, world.acme_key)
    yield front
    front.close()


@pytest.fixture(autouse=True)
def _nothing_left_over(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tests start without an environment and without an ambient scope."""
    from bifrost import context

    for variable in ("BIFROST_URL", "BIFROST_KEY", "BIFROST_SCOPE"):
        monkeypatch.delenv(variable, raising=False)
    yield
    context.set_scope(None)


def use(monkeypatch: pytest.MonkeyPatch, url: str, key: str) -> None:
    monkeypatch.setenv("BIFROST_URL", url)
    monkeypatch.setenv("BIFROST_KEY", key)
