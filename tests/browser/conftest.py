"""A local stack, a browser, and people who use the console with it.

One stack serves all tests, so each makes its own organizations and names (see `unique`)."""

import os
import re
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from provider import Provider

WIDTHS = {"wide": (1280, 860), "phone": (390, 844)}
THEMES = ("light", "dark")
# Chromium as root in a container, and silent towards the world.
CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

expect.set_options(timeout=10_000)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@dataclass
class Stack:
    """What a local stack says of itself when it is up."""

    url: str
    provider: str
    root_key: str

    def api(self, key: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {key or self.root_key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)


@pytest.fixture(scope="session")
def stack(tmp_path_factory) -> Iterator[Stack]:
    # People and cookies know it as localhost.
    port, provider_port = free_port(), free_port()
    log = tmp_path_factory.mktemp("stack") / "log"
    command = [os.environ["BIFROST_LOCAL"], "--ephemeral", "--no-build"]
    command += ["--listen", f"127.0.0.1:{port}", "--provider-listen", f"127.0.0.1:{provider_port}"]
    command += ["--accesses", os.environ["BIFROST_ACCESSES"]]
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    root_key = None
    while root_key is None:
        line = process.stdout.readline()
        if not line:
            sys.exit(f"The local stack did not start:\n{log.read_text()}")
        found = re.search(r"bfk_root_\w+", line)
        root_key = found and found[0]
    yield Stack(f"http://localhost:{port}", f"http://127.0.0.1:{provider_port}", root_key)
    # What functions say when their stack ends beneath them is no failure.
    written = log.read_text()
    process.terminate()
    process.wait()
    failures = [line for line in written.splitlines() if '"level":"ERROR"' in line or "panicked" in line]
    assert not failures, "The functions reported failures of their own:\n" + "\n".join(failures)


@pytest.fixture(scope="session")
def api(stack) -> Iterator[httpx.Client]:
    """The HTTP API, as the platform's administrator."""
    with stack.api() as client:
        yield client


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    """A provider that can be told to misbehave; `stack.provider` is the demo's, which does not."""
    provider = Provider()
    yield provider
    provider.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def context(chromium, stack) -> Iterator[BrowserContext]:
    """A browser of one's own, without cookies."""
    width, height = WIDTHS["wide"]
    # Nothing moves, so that nothing is looked at on its way from one theme to the other.
    size = {"width": width, "height": height}
    context = chromium.new_context(base_url=stack.url, viewport=size, reduced_motion="reduce")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context
    context.close()


@pytest.fixture
def page(context) -> Iterator[Page]:
    """A page. What its browser complains about fails the test: script errors, and what the policy forbids."""
    page = context.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(f"script error: {error}"))
    page.on("console", lambda message: message.type in ("error", "warning") and complaints.append(message.text))
    yield page
    # A refused form is answered with the status of its refusal, which browsers mention.
    complaints = [text for text in complaints if "the server responded with a status of" not in text]
    assert not complaints, complaints


def sign_in(page: Page, key: str) -> Page:
    page.goto("/console")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    return page


@pytest.fixture
def root(page, stack) -> Page:
    """The console, signed in as the platform's administrator."""
    return sign_in(page, stack.root_key)


def pytest_collection_modifyitems(items) -> None:
    """Hundreds of organizations are in the way of whoever reads lists: the overview, which looks at a bounded number of
    them, comes first, and the tests that make thousands come last."""
    items.sort(key=lambda item: (item.module.__name__ != "test_overview", "many" in item.fixturenames))


def unique(name: str) -> str:
    """A name that no other test uses."""
    return f"{name} {uuid.uuid4().hex[:8]}"


def create(api: httpx.Client, path: str, **body) -> dict:
    answer = api.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def check_accessible(page: Page) -> None:
    """axe-core finds nothing, in either theme."""
    source = Path(os.environ["BIFROST_AXE"]).read_text()
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        # Evaluated by the debugger, which the page's policy does not bind.
        page.evaluate(source)
        violations = page.evaluate("axe.run().then(result => result.violations)")
        found = [f"{v['id']}: {v['help']}\n    {n['html']}\n    {n.get('failureSummary', '')}" for v in violations for n in v["nodes"]]
        assert not found, f"{page.url} ({theme}):\n" + "\n".join(found)
    page.emulate_media(color_scheme=None)


def picture(page: Page, name: str) -> None:
    """Pictures at both widths in both themes; and nothing sticks out at the width of a phone."""
    folder = Path(os.environ["BIFROST_PICTURES"])
    folder.mkdir(parents=True, exist_ok=True)
    for width, (x, y) in WIDTHS.items():
        page.set_viewport_size({"width": x, "height": y})
        scrolls = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        assert not scrolls, f"{page.url} is wider than {x} pixels"
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            page.screenshot(path=folder / f"{name}-{width}-{theme}.png", full_page=width == "phone")
    page.emulate_media(color_scheme=None)
    page.set_viewport_size(dict(zip(("width", "height"), WIDTHS["wide"])))


def look(page: Page, name: str) -> None:
    """What every page is checked for once."""
    check_accessible(page)
    picture(page, name)
