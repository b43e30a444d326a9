"""OAuth connections, from the first field to the last token revoked."""

import re
import time
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


def test_an_empty_list_says_what_to_do_next(root, api):
    organization = create(api, "/organizations", name=unique("Acme"))
    root.goto(f"/console/connections?scope={organization['id']}")
    expect(root.get_by_text("There is no OAuth connection here yet")).to_be_visible()
    expect(root.get_by_role("link", name="+ Add Connection")).to_be_visible()
    expect(root.get_by_label("Scope")).to_have_value(organization["id"])
    look(root, "connections-empty")


def test_the_list_shows_first_what_needs_somebody_and_can_be_narrowed_down(root, api, provider):
    organization = create(api, "/organizations", name=unique("Acme"))
    scope = organization["id"]
    kinds = {"Alive": "good", "Fading": "no-refresh-token", "Dead": "dead-grant-over", "New": "good", "Refused": "denies"}
    for name, kind in kinds.items():
        connection(api, provider, kind, scope, name=name)
    for name in ("Alive", "Fading", "Dead", "Refused"):
        connect(root, name, scope)
    time.sleep(1)
    assert api.post(f"/connections/Dead/refresh?scope={scope}", json={}).status_code == 409
    # "Click the refresh icon next to the connection"
    root.goto(f"/console/connections?scope={scope}")
    rows = root.locator(".connections > li")
    names = rows.get_by_role("heading").get_by_role("link")
    assert names.all_inner_texts() == ["Dead", "Refused", "Fading", "New", "Alive"]
    row = {name: rows.filter(has=root.get_by_role("link", name=name, exact=True)) for name in kinds}
    expect(row["Dead"]).to_contain_text("Reconnect needed")
    expect(row["Dead"]).to_contain_text("ada@example.com")
    dead = stored(api, "Dead", scope)["last_error"]
    expect(row["Dead"]).to_contain_text(dead["title"])
    expect(row["Dead"]).to_contain_text(dead["fix"])
    expect(row["Fading"]).to_contain_text("no refresh token")
    expect(row["Alive"]).to_contain_text("Token expires in 60 minutes")
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", row["Alive"].locator("time").first.get_attribute("title"))
    expect(row["New"].get_by_role("button", name="Connect", exact=True)).to_be_visible()
    expect(row["New"].get_by_role("button", name="Refresh")).to_have_count(0)
    look(root, "connections-list")
    row["Alive"].get_by_role("button", name="Refresh").click()
    expect(root.get_by_role("status")).to_have_text("Refreshed: the connection has a new token.")
    assert stored(api, "Alive", scope)["last_error"] is None
    for status, left in {"reauthorize": ["Dead"], "active": ["Fading", "Alive"], "attention": ["Dead", "Refused", "Fading", "New"]}.items():
        root.get_by_label("Status").select_option(status)
        root.get_by_role("button", name="Show").click()
        assert names.all_inner_texts() == left
    root.get_by_label("Status").select_option("failing")
    root.get_by_role("button", name="Show").click()
    expect(root.get_by_text("No connection has this status")).to_be_visible()


def test_a_preset_leaves_only_what_the_provider_gave(root, api):
    name = unique("Halo")
    root.goto("/console/connections/~new")
    root.get_by_label("Connection Name").fill(name)
    root.get_by_role("button", name="Create").click()
    root.get_by_label("Find a provider").fill("halo")
    root.get_by_role("button", name="Find").click()
    root.get_by_role("link", name="HaloPSA").click()
    expect(root.locator("#redirect-uri")).to_contain_text(quote(name))
    expect(root.get_by_role("heading", name="At HaloPSA")).to_be_visible()
    expect(root.get_by_label("Authorization URL", exact=True)).to_be_hidden()
    look(root, "connections-preset")
    root.get_by_text("More settings").click()
    look(root, "connections-preset-more")
    root.get_by_label("Client ID").fill("halo-client")
    root.get_by_label("Client Secret", exact=True).fill("halo-secret-1234")
    for field in root.locator("input[name^='token_url_defaults.']").all():
        field.fill("acme.halopsa.com")
    root.get_by_label("Client Secret expires on").fill("2031-05-06")
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_role("status")).to_have_text(f"{name} was saved.")
    made = stored(api, name)
    assert made["provider"] == "halopsa" and made["client_secret_expires_at"] == "2031-05-06T00:00:00.000Z"
    assert made["client_id"] == "halo-client" and made["token_url"].startswith("https://")
    assert "halo-secret-1234" not in root.content()


def test_whose_a_connection_is_may_be_typed_wrong_where_it_has_to_be_typed(root):
    root.goto("/console/connections/~new")
    choice = root.get_by_label("Belongs to")
    choice.evaluate("(select) => { select.innerHTML = '<option value=acme selected>acme</option>' }")
    root.get_by_label("Connection Name").fill("Kept")
    root.get_by_role("button", name="Create").click()
    expect(root.locator("#scope-error")).to_contain_text("UUID")
    expect(root.get_by_label("Connection Name")).to_have_value("Kept")


def test_a_preset_that_the_name_suggests_is_offered(root):
    root.goto("/console/connections/~new?name=Microsoft_Graph")
    root.get_by_role("button", name="Create").click()
    root.get_by_role("link", name="Use the preset").click()
    expect(root.get_by_role("heading", name="At Microsoft Graph")).to_be_visible()
    root.get_by_text("What goes wrong there").click()
    expect(root.get_by_text("AADSTS65001")).to_be_visible()
    look(root, "connections-preset-microsoft")


def test_from_the_catalogue_one_begins_with_the_name_and_goes_on_with_the_preset(root):
    root.goto("/console/connections/~new?provider=xero")
    expect(root.get_by_text("To Xero.")).to_be_visible()
    root.get_by_label("Connection Name").fill(unique("Books"))
    root.get_by_role("button", name="Create").click()
    expect(root.get_by_role("heading", name="At Xero")).to_be_visible()
    root.goto("/console/connections/~new/xero")
    expect(root).to_have_url(re.compile("provider=xero"))


def test_a_provider_without_oauth_says_which_key_to_keep(root):
    root.goto("/console/connections/~new?provider=itglue&name=Glue")
    root.get_by_role("button", name="Create").click()
    expect(root.get_by_text("API keys and no OAuth")).to_be_visible()
    expect(root.get_by_role("link", name="Create Integration")).to_be_visible()
    look(root, "connections-api-key")


def test_what_was_typed_stays_when_a_form_is_refused_but_for_secrets(root, api, provider):
    taken = connection(api, provider)["name"]
    root.goto("/console/connections/~new")
    root.get_by_label("Connection Name").fill(taken.upper())
    root.get_by_role("button", name="Create").click()
    expect(root.locator("#name-error")).to_have_text(f"is taken by {taken}")
    expect(root.get_by_label("Connection Name")).to_have_value(taken.upper())
    root.get_by_label("Connection Name").fill(" ?")
    root.get_by_role("button", name="Create").click()
    expect(root.locator("#name-error")).to_contain_text("ASCII letters")
    root.get_by_label("Connection Name").fill(unique("Refused"))
    root.get_by_role("button", name="Create").click()
    root.get_by_role("link", name="Custom Provider").click()
    root.get_by_label("Client ID").fill("the-client")
    root.get_by_label("Client Secret", exact=True).fill("typed-secret-5678")
    root.get_by_label("Token URL", exact=True).fill("http://insecure.example/token")
    root.get_by_text("More settings").click()
    root.get_by_label("Parameters of the sign-in").fill("prompt")
    root.get_by_role("button", name="Save").click()
    expect(root.locator("#authorize_params-error")).to_have_text("has no = in line 1")
    expect(root.get_by_label("Parameters of the sign-in")).to_be_visible()
    root.get_by_label("Parameters of the sign-in").fill("prompt=consent")
    root.get_by_role("button", name="Save").click()
    expect(root.locator("#token_url-error")).to_be_visible()
    expect(root.locator("#authorization_url-error")).to_contain_text("is required")
    expect(root.get_by_label("Client ID")).to_have_value("the-client")
    expect(root.get_by_label("Client Secret", exact=True)).to_have_value("")
    assert "typed-secret-5678" not in root.content()
    look(root, "connections-refused")


def test_a_connection_without_a_refresh_token_warns(root, api, provider):
    name = connection(api, provider, "no-refresh-token")["name"]
    connect(root, name)
    expect(status(root)).to_have_text("Active")
    expect(root.get_by_text("The provider gave no refresh token")).to_be_visible()
    look(root, "connections-no-refresh-token")


def test_a_refused_sign_in_leads_back_to_a_page_that_says_why(root, api, provider):
    name = connection(api, provider)["name"]
    root.goto(address(name))
    root.get_by_role("button", name="Connect", exact=True).click()
    root.get_by_role("button", name="Cancel").click()
    expect(root.get_by_role("heading", name=f"{name} is not connected")).to_be_visible()
    look(root, "connect-not-connected")
    root.reload()
    expect(root.get_by_role("heading", name="This sign-in is over")).to_be_visible()
    look(root, "connect-over")
    root.get_by_role("link", name="Back").click()
    expect(root).to_have_url(re.compile(r"\?scope=global$"))
    expect(root.get_by_role("region", name="Last error")).to_contain_text("What to do")
    expect(root.get_by_role("status")).to_have_count(0)
    assert "access_denied" in root.content()
    look(root, "connections-denied")


def test_a_client_that_the_provider_refuses_is_said_to_be(root, api, provider):
    name = connection(api, provider, "refused-client")["name"]
    connect(root, name)
    expect(root.get_by_role("heading", name=f"{name} is not connected")).to_be_visible()
    root.get_by_role("link", name="Back").click()
    expect(root.get_by_role("region", name="Last error")).to_contain_text("invalid_client")


def test_a_slow_provider_is_waited_for(root, api, provider):
    name = connection(api, provider, "slow")["name"]
    connect(root, name)
    expect(status(root)).to_have_text("Active")


def test_refreshing_says_what_came_of_it(root, api, provider):
    name = connection(api, provider)["name"]
    connect(root, name)
    before = api.get(f"/connections/{quote(name)}/token?scope=global").json()["generation"]
    root.get_by_role("button", name="Refresh").click()
    expect(root.get_by_role("status")).to_have_text("Refreshed: the connection has a new token.")
    assert api.get(f"/connections/{quote(name)}/token?scope=global").json()["generation"] == before + 1


def test_a_refresh_that_fails_says_why_and_leads_to_the_sign_in(root, api, provider):
    name = connection(api, provider, "dead-grant-over")["name"]
    connect(root, name)
    time.sleep(1)
    root.get_by_role("button", name="Refresh").click()
    expect(root.get_by_role("heading", name=f"{name} was not refreshed")).to_be_visible()
    expect(root.get_by_role("alert")).to_contain_text("What to do")
    look(root, "connections-not-refreshed")
    root.get_by_role("button", name="Reconnect").click()
    root.get_by_role("button", name="Accept").click()
    expect(status(root)).to_have_text("Active")
    assert stored(api, name)["status"] == "active"


def test_a_token_that_is_kept_because_refreshing_fails_is_said_to_be(root, api, provider):
    name = connection(api, provider, "dead-grant")["name"]
    connect(root, name)
    root.get_by_role("button", name="Refresh").click()
    expect(root.get_by_text("The token was kept. Refreshing fails (invalid_grant")).to_be_visible()
    look(root, "connections-kept")
    root.get_by_role("button", name="Reconnect").click()
    root.get_by_role("button", name="Accept").click()
    expect(status(root)).to_have_text("Active")


def test_whoever_signs_in_as_somebody_else_is_asked_and_may_go_back(root, api, provider):
    name = connection(api, provider, "changes-person")["name"]
    connect(root, name)
    root.get_by_role("button", name="Reconnect").click()
    root.get_by_role("button", name="Accept").click()
    expect(root.get_by_role("heading", name=f"Connect {name} as someone else?")).to_be_visible()
    look(root, "connect-question")
    root.get_by_role("button", name="Keep").click()
    expect(root.get_by_role("heading", name=f"{name} was left as it was")).to_be_visible()
    look(root, "connect-kept")
    root.get_by_role("link", name="Back").click()
    expect(root).to_have_url(re.compile(r"\?scope=global$"))
    expect(status(root)).to_have_text("Active")


def test_one_comes_back_to_where_one_was(root, api, provider, stack):
    name = connection(api, provider)["name"]
    root.goto("/console/connections?status=all")
    row = root.locator(".connections > li").filter(has=root.get_by_role("link", name=name, exact=True))
    row.get_by_role("button", name="Connect", exact=True).click()
    root.get_by_role("button", name="Accept").click()
    expect(root).to_have_url(re.compile(f"^{re.escape(stack.url)}/console/connections\\?scope=global&status=all"))
    expect(row).to_contain_text("Active")


def test_scopes_that_were_changed_ask_for_a_reconnect(root, api, provider):
    name = connection(api, provider)["name"]
    connect(root, name)
    root.get_by_role("link", name="Edit").click()
    look(root, "connections-edit")
    expect(root.get_by_label("Scope (optional)", exact=True)).to_have_value("offline_access Directory.Read.All")
    root.get_by_label("Scope (optional)", exact=True).fill("offline_access Mail.Send")
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_role("status")).to_have_text("Saved.")
    expect(root.get_by_text("The scopes were changed after connecting")).to_be_visible()
    root.get_by_role("button", name="Reconnect").click()
    root.get_by_role("button", name="Accept").click()
    expect(root.get_by_text("The scopes were changed after connecting")).to_have_count(0)


def test_editing_changes_what_was_changed_and_nothing_else(root, api, provider):
    made = connection(api, provider, authorize_params={"prompt": "consent", "a": "b"}, description="Old")
    name = made["name"]
    root.goto(address(name, "/edit"))
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_role("status")).to_have_text("Nothing was changed.")
    assert stored(api, name)["updated_at"] == made["updated_at"]
    root.goto(address(name, "/edit"))
    root.get_by_label("Description").fill("New")
    root.get_by_text("More settings").click()
    expect(root.get_by_label("Parameters of the sign-in")).to_have_value("a=b\nprompt=consent")
    root.get_by_label("Parameters of the sign-in").fill("prompt=consent\nlogin_hint=ada")
    root.get_by_label("New Client Secret").fill(provider.keep("another-secret-1"))
    root.get_by_label("Next Client Secret").fill(provider.keep("another-secret-2"))
    root.get_by_label("PKCE").select_option("false")
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_role("status")).to_have_text("Saved.")
    after = stored(api, name)
    assert after["authorize_params"] == {"prompt": "consent", "login_hint": "ada"}
    assert after["pkce"] is False and after["description"] == "New" and after["has_client_secret_next"]
    same = ("client_id", "token_url", "scopes", "dialect", "client_auth", "redirect_uri", "available_to")
    assert all(after[field] == made[field] for field in same)
    root.goto(address(name, "/edit"))
    root.get_by_label("Remove the next client secret that is kept").check()
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_role("status")).to_have_text("Saved.")
    assert not stored(api, name)["has_client_secret_next"]


def test_who_saves_over_anothers_change_is_told_and_keeps_what_was_typed(root, api, provider):
    name = connection(api, provider)["name"]
    root.goto(address(name, "/edit"))
    root.get_by_label("Description").fill("Mine")
    assert api.patch(f"/connections/{quote(name)}?scope=global", json={"description": "Theirs"}).status_code == 200
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_role("alert")).to_contain_text("It has changed since it was read")
    expect(root.get_by_label("Description")).to_have_value("Mine")
    assert stored(api, name)["description"] == "Theirs"


def test_the_doctor_can_be_read(root, api, provider):
    name = connection(api, provider, client_secret_expires_at="2020-01-01T00:00:00Z")["name"]
    root.goto(address(name))
    expect(root.get_by_text("The client secret expired on 2020-01-01")).to_be_visible()
    root.get_by_role("button", name="Diagnose").click()
    expect(root.get_by_role("heading", name=re.compile("Client secret Problem"))).to_be_visible()
    expect(root.get_by_text("1 problem to mend, and 1 warning.")).to_be_visible()
    expect(root.get_by_role("heading", name=re.compile("Redirect URI Good"))).to_be_visible()
    look(root, "connections-diagnosis")
    root.goto(address(name, "/diagnose"))
    root.get_by_role("button", name="Diagnose").click()
    expect(root.get_by_role("button", name="Diagnose again")).to_be_visible()


def test_disconnecting_says_what_it_means_and_revokes(root, api, provider):
    name = connection(api, provider)["name"]
    create(api, "/integrations", name=name)
    connect(root, name)
    refresh_token = provider.secrets[-1]
    root.get_by_role("link", name="Disconnect").click()
    expect(root.get_by_text("Its tokens are revoked at the provider.")).to_be_visible()
    expect(root.get_by_role("main").get_by_role("link", name=name).last).to_be_visible()
    look(root, "connections-disconnect")
    assert stored(api, name)["status"] == "active"
    root.get_by_role("button", name="Disconnect").click()
    expect(root.get_by_role("status")).to_contain_text("its tokens were revoked at the provider")
    expect(status(root)).to_have_text("Not connected")
    assert refresh_token in provider.revoked


def test_deleting_names_what_depends_on_it_and_has_to_be_forced(root, api, provider):
    name = connection(api, provider)["name"]
    create(api, "/integrations", name=name)
    acme = create(api, "/organizations", name=unique("Acme"))
    link = api.post(f"/connections/{quote(name)}/authorize", json={"organization_id": acme["id"]})
    root.goto(link.json()["connect_url"])
    look(root, "connect-confirm")
    root.get_by_role("button", name="Continue").click()
    root.get_by_role("button", name="Accept").click()
    expect(root.get_by_role("heading", name=f"{name} is connected")).to_be_visible()
    look(root, "connect-connected")
    root.goto(address(name))
    expect(root.get_by_role("region", name="All its sign-ins")).to_contain_text("Active1")
    root.get_by_role("link", name="Delete").click()
    expect(root.get_by_text("1 integration uses it")).to_be_visible()
    expect(root.get_by_text(acme["name"])).to_be_visible()
    look(root, "connections-delete")
    root.get_by_role("button", name=f"Delete {name}").click()
    expect(root.get_by_role("alert")).to_contain_text("Integrations use the connection")
    root.get_by_label("Delete it although integrations use it").check()
    root.get_by_role("button", name=f"Delete {name}").click()
    expect(root.get_by_role("status")).to_contain_text("The connection was deleted.")
    assert api.get(f"/connections/{quote(name)}?scope=global").status_code == 404


def test_a_link_can_be_copied_and_serves_somebody_without_an_account(root, api, provider, chromium, stack):
    name = connection(api, provider)["name"]
    acme = create(api, "/organizations", name=unique("Acme"))
    root.goto(address(name))
    root.get_by_role("link", name="Copy a link to send").click()
    root.get_by_label("Good for").select_option("7 days")
    root.get_by_label("For an organization's own sign-in").select_option(acme["name"])
    look(root, "connections-link")
    root.get_by_role("button", name="Make the link").click()
    expect(root.get_by_text("in 7 days")).to_be_visible()
    look(root, "connections-link-made")
    root.get_by_role("button", name="Copy").click()
    link = root.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{stack.url}/connect/")
    somebody = chromium.new_context()
    page = somebody.new_page()
    page.goto(link)
    expect(page.get_by_text(acme["name"])).to_be_visible()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_role("heading", name=f"{name} is connected")).to_be_visible()
    somebody.close()
    assert stored(api, name)["grants"]["active"] == 1


def test_client_credentials_are_connected_by_asking_for_a_token(root, api, provider):
    name = connection(api, provider, flow="client_credentials", authorization_url=None, dialect=None)["name"]
    root.goto(address(name))
    expect(root.get_by_text("Nobody signs in.")).to_be_visible()
    root.get_by_role("button", name="Connect", exact=True).click()
    expect(status(root)).to_have_text("Active")
    expect(root.get_by_role("status")).to_contain_text("is connected")
    expect(root.get_by_role("button", name="Reconnect")).to_have_count(0)
    expect(root.get_by_role("link", name="Copy a link to send")).to_have_count(0)


def test_on_another_device_one_is_shown_the_code(root, api, provider):
    name = connection(api, provider, authorization_url=None, device_authorization_url=f"{provider.url}/device")["name"]
    root.goto(address(name))
    root.get_by_role("button", name="Connect", exact=True).click()
    expect(root.get_by_text("WDJB-MJHT")).to_be_visible()
    look(root, "connect-device")
    provider.approve_device()
    expect(status(root)).to_have_text("Active", timeout=20_000)


def test_an_organizations_redirect_uri_is_shown_when_it_is_saved(root, api, provider):
    acme = create(api, "/organizations", name=unique("Acme"))
    root.goto("/console/connections/~new")
    root.get_by_label("Connection Name").fill("Halo")
    root.get_by_label("Belongs to").select_option(acme["name"])
    root.get_by_role("button", name="Create").click()
    expect(root.get_by_text("It is shown then: register it at the provider before you click Connect.")).to_be_visible()
    root.get_by_role("link", name="Custom Provider").click()
    given = provider.connection()
    root.get_by_label("Client ID").fill(given["client_id"])
    root.get_by_label("Client Secret", exact=True).fill(given["client_secret"])
    root.get_by_label("Authorization URL", exact=True).fill(given["authorization_url"])
    root.get_by_label("Token URL", exact=True).fill(given["token_url"])
    root.get_by_role("button", name="Save").click()
    made = stored(api, "Halo", acme["id"])
    expect(root.locator("#redirect-to-register")).to_have_text(made["redirect_uri"])
    assert made["redirect_uri"].endswith(f"~{made['id']}")
    root.get_by_role("button", name="Connect", exact=True).click()
    root.get_by_role("button", name="Accept").click()
    expect(status(root)).to_have_text("Active")


def test_without_the_script_everything_works(chromium, api, provider, stack):
    context = chromium.new_context(base_url=stack.url, java_script_enabled=False)
    page, name, given = sign_in(context.new_page(), stack.root_key), unique("Plain"), provider.connection()
    page.get_by_role("link", name="OAuth Connections").click()
    page.get_by_role("link", name="+ Add Connection").first.click()
    page.get_by_label("Connection Name").fill(name)
    page.get_by_role("button", name="Create").click()
    expect(page.locator("#redirect-uri")).to_be_visible()
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)
    page.get_by_role("link", name="Custom Provider").click()
    for label in ("Client ID", "Client Secret", "Authorization URL", "Token URL"):
        page.get_by_label(label, exact=True).fill(given[label.lower().replace(" ", "_")])
    page.get_by_text("More settings").click()
    page.get_by_label("Parameters of the sign-in").fill("prompt=consent")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Connect", exact=True).click()
    page.get_by_role("button", name="Accept").click()
    expect(status(page)).to_have_text("Active")
    assert stored(api, name)["authorize_params"] == {"prompt": "consent"}
    context.close()


def user_of(api, organization) -> str:
    return create(api, "/keys", name="of a test", role="user", organization_id=organization["id"])["key"]


@pytest.mark.parametrize("is_provider", [False, True], ids=["managed", "provider"])
def test_a_user_looks_after_its_own_organizations_connections_alone(page, api, provider, is_provider):
    own = create(api, "/organizations", name=unique("Own"), is_provider=is_provider)
    other = create(api, "/organizations", name=unique("Other"))
    theirs = connection(api, provider, scope=other["id"])["name"]
    ours = connection(api, provider)["name"]
    sign_in(page, user_of(api, own))
    page.goto("/console/connections")
    expect(page.get_by_label("Scope", exact=True)).to_have_count(0)
    page.get_by_role("link", name="+ Add Connection").click()
    expect(page.get_by_label("Belongs to")).to_have_count(0)
    page.get_by_label("Connection Name").fill("Mine")
    page.get_by_role("button", name="Create").click()
    page.get_by_role("link", name="Custom Provider").click()
    page.get_by_text("More settings").click()
    expect(page.get_by_label("Name of a Secrets Manager secret")).to_have_count(0)
    expect(page.get_by_label("Redirect URI")).to_have_count(1)
    given = provider.connection()
    page.get_by_label("Client ID").fill(given["client_id"])
    page.get_by_label("Client Secret", exact=True).fill(given["client_secret"])
    page.get_by_label("Authorization URL", exact=True).fill(given["authorization_url"])
    page.get_by_label("Token URL", exact=True).fill(given["token_url"])
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Connect", exact=True).click()
    page.get_by_role("button", name="Accept").click()
    expect(status(page)).to_have_text("Active")
    look(page, f"connections-of-a-{'provider' if is_provider else 'managed'}-user")
    assert stored(api, "Mine", own["id"])["status"] == "active"
    # What it may not do is refused all the same, whether there is such a thing or not.
    for scope, name in ((other["id"], theirs), ("global", ours), ("global", "nothing")):
        for rest in ("", "/edit", "/diagnose", "/disconnect", "/delete", "/link"):
            answer = page.request.get(address(name, rest, scope))
            assert answer.status == 403, (scope, rest, answer.status)
            assert name not in answer.text() or name == "nothing"
        token = page.locator("input[name=form_token]").first.get_attribute("value")
        for rest in ("/edit", "/diagnose", "/disconnect", "/delete", "/connect", "/refresh", "/link"):
            if rest == "/refresh" and is_provider:
                continue  # It may use what the whole platform has.
            form = {"form_token": token, "revision": "1", "force": "true", "valid_for": "900"}
            refused = page.request.post(address(name, rest, scope), form=form, max_redirects=0)
            assert refused.status in (403, 404), (scope, rest, refused.status)
        assert page.request.get(f"/console/connections?scope={scope}").status == 403
        assert page.request.get(f"/console/connections/~new?scope={scope}").status == 403


def test_a_user_connects_its_organizations_own_grant_on_a_global_connection(page, api, provider, stack):
    own = create(api, "/organizations", name=unique("Own"))
    name = connection(api, provider)["name"]
    create(api, "/integrations", name=name)
    sign_in(page, user_of(api, own))
    # As the button on an integration's OAuth tab has it.
    token = page.locator("input[name=form_token]").first.get_attribute("value")
    base = f"{stack.url}/console/connections/{quote(name)}"
    click = lambda rest, more: page.evaluate(
        """([action, token]) => { const form = document.createElement("form"); form.method = "post"; form.action = action;
        form.innerHTML = `<input name="form_token" value="${token}">`; document.body.append(form); form.submit(); }""",
        [f"{base}{rest}?organization_id={own['id']}&back={quote(f'integrations/{name}/oauth')}{more}", token],
    )
    click("/connect", f"&integration={quote(name)}")
    page.get_by_role("button", name="Accept").click()
    expect(page).to_have_url(re.compile(f"^{re.escape(stack.url)}/console/integrations/{re.escape(quote(name))}/oauth\\?done=signed-in"))
    assert stored(api, name)["grants"]["active"] == 1
    page.goto("/console/overview")
    click("/refresh", f"&integration={quote(name)}")
    expect(page).to_have_url(re.compile("/oauth\\?done=refreshed"))
    page.goto("/console/overview")
    click("/refresh", f"&integration={quote(name)}")
    expect(page.get_by_text("The token was kept.")).to_be_visible()


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "../../connect/x", "\\\\evil.example"])
def test_one_comes_back_to_the_console_and_nowhere_else(root, api, provider, stack, back):
    name = connection(api, provider)["name"]
    connect(root, name)
    root.goto(address(name))
    button = root.get_by_role("button", name="Refresh")
    form = root.locator("form", has=button)
    form.evaluate("(form, back) => { form.action = form.action.replace(/back=[^&]*/, 'back=' + encodeURIComponent(back)) }", back)
    button.click()
    expect(root).to_have_url(re.compile(f"^{re.escape(stack.url)}/console/"))
