"""OAuth connections, from the first field to the last token revoked."""

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from conftest import create, look, sign_in, unique


@pytest.fixture(autouse=True)
def secrecy(page, provider, stack):
    """No page of any test holds a token, a code or a secret."""
    shown = []

    def keep(response):
        if response.url.startswith(stack.url) and "text/html" in response.headers.get("content-type", "") and response.status != 303:
            try:
                shown.append((response.url, response.text()))
            except Exception:  # The page has been left before its body was read.
                pass

    page.on("response", keep)
    yield
    shown.append((page.url, page.content()))
    for url, text in shown:
        for secret in [*provider.secrets, "demo-client-secret", stack.root_key]:
            assert secret not in text, f"{url} shows {secret[:8]}..."


def connection(api, provider, kind="good", scope="global", **more) -> dict:
    body = provider.connection(kind, **{"name": unique("Connection"), **more})
    return create(api, f"/connections?scope={scope}", **body)


def stored(api, name, scope="global") -> dict:
    answer = api.get(f"/connections/{quote(name)}?scope={scope}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def address(name, rest="", scope="global", more="") -> str:
    return f"/console/connections/{quote(name)}{rest}?scope={scope}{more}"


def connect(page, name, scope="global", button="Connect") -> None:
    """From the connection's page through the provider's sign-in and back."""
    page.goto(address(name, scope=scope))
    page.get_by_role("button", name=button, exact=True).click()
    page.get_by_role("button", name="Accept").click()


def status(page):
    return page.locator(".doing .badge")


def test_the_documentations_walk_from_add_connection_to_active(root, api, stack, provider):
    page, name = root, unique("Microsoft_Graph")
    given = provider.connection()
    # "Navigate to Settings → Integrations → OAuth Connections"
    menu = page.get_by_role("navigation", name="Settings")
    menu.get_by_role("link", name="Integrations", exact=True).click()
    menu.get_by_role("link", name="OAuth Connections").click()
    # "Click + Add Connection"
    page.get_by_role("link", name="+ Add Connection").first.click()
    look(page, "connections-add")
    # "Fill in details: Connection Name, Description"
    page.get_by_label("Connection Name").fill(name)
    page.get_by_label("Description").fill("My Microsoft Graph connection")
    # "Click Create"
    page.get_by_role("button", name="Create").click()
    # Before that, the documentation has registered "Redirect URI: https://your-domain.com/oauth/callback/Microsoft_Graph".
    expect(page.locator("#redirect-uri")).to_have_text(f"{stack.url}/oauth/callback/{quote(name)}")
    page.get_by_role("button", name="Copy").click()
    assert page.evaluate("navigator.clipboard.readText()") == f"{stack.url}/oauth/callback/{quote(name)}"
    look(page, "connections-presets")
    # "On Custom Provider, fill in the following"
    page.get_by_role("link", name="Custom Provider").click()
    look(page, "connections-custom")
    page.get_by_label("OAuth Flow Type").select_option("Authorization Code (Interactive)")
    page.get_by_label("Client ID").fill(given["client_id"])
    page.get_by_label("Client Secret", exact=True).fill(given["client_secret"])
    page.get_by_label("Authorization URL", exact=True).fill(given["authorization_url"])
    page.get_by_label("Token URL", exact=True).fill(given["token_url"])
    page.get_by_label("Scope (optional)", exact=True).fill("offline_access Directory.Read.All")
    page.get_by_role("button", name="Save").click()
    expect(status(page)).to_have_text("Not connected")
    look(page, "connections-created")
    # "Click Connect on your application"
    page.get_by_role("button", name="Connect", exact=True).click()
    # "Sign in with Microsoft and consent to permissions"
    expect(page.get_by_text("offline_access Directory.Read.All")).to_be_visible()
    page.get_by_role("button", name="Accept").click()
    # "You'll be redirected back to Bifrost"; "Connection status changes to Active"
    expect(page).to_have_url(re.compile(f"^{re.escape(stack.url)}/console/connections/"))
    expect(status(page)).to_have_text("Active")
    expect(page.get_by_role("status")).to_contain_text("is connected")
    look(page, "connections-active")
    made = stored(api, name)
    assert made["scopes"] == ["offline_access", "Directory.Read.All"] and made["status"] == "active"
    assert made["description"] == "My Microsoft Graph connection"
