"""Integrations: the list, creating and editing them, and the tabs Configuration and OAuth."""

import re
import time

import httpx
import pytest
from playwright.sync_api import Page, expect

from conftest import create, look, sign_in, unique

FIELDS = [
    {"key": "base_url", "type": "string", "required": True, "description": "Where the API is"},
    {"key": "region", "type": "string", "options": ["eu", "us"]},
    {"key": "timeout", "type": "int"},
    {"key": "beta", "type": "bool"},
    {"key": "settings", "type": "json"},
    {"key": "api_key", "type": "secret"},
]


def integration(api, name="Halo PSA", **body) -> str:
    return create(api, "/integrations", name=unique(name), **body)["name"]


def organization(api, name="Acme", **body) -> dict:
    return create(api, "/organizations", name=unique(name), **body)


def connection(api, stack, name, **body) -> dict:
    client = {"client_id": "bifrost-demo", "client_secret": "demo-client-secret", "scopes": "profile"}
    urls = {"authorization_url": f"{stack.provider}/authorize", "token_url": f"{stack.provider}/token"}
    return create(api, "/connections?scope=global", name=name, **client, **urls, **body)


def give(api, connection, organization=None, tokens=None) -> None:
    """A grant that has been brought along, by default one whose refresh token the provider never gave."""
    tokens = tokens or {"refresh_token": "spent elsewhere"}
    query = {"scope": "global", **({"organization_id": organization["id"]} if organization else {})}
    answer = api.post(f"/connections/{connection}/import", params=query, json=tokens)
    assert answer.status_code == 200, answer.text


def break_grant(api, connection, organization=None) -> None:
    give(api, connection, organization)
    scope = organization["id"] if organization else "global"
    assert api.get(f"/connections/{connection}/token?scope={scope}").status_code == 409


def mapped(api, integration, organization, **body) -> None:
    answer = api.put(f"/integrations/{integration}/mappings/{organization['id']}", json=body)
    assert answer.status_code in (200, 201), answer.text


def user_of(api, organization) -> str:
    return create(api, "/keys", name="a user", role="user", organization_id=organization["id"])["key"]


def stored(api, name) -> dict:
    return api.get(f"/integrations/{name}").json()


def row(page: Page, name: str):
    """In the list, page by page."""
    page.goto("/console/integrations")
    rows = page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))
    while rows.count() == 0:
        page.get_by_role("link", name="Next page").click()
        page.wait_for_load_state()
    return rows


def add_field(page: Page, number: int, key: str, type: str) -> None:
    page.get_by_role("button", name="Add field").click()
    group = page.get_by_role("group", name=f"Field {number}", exact=True)
    expect(group.get_by_label("Key")).to_be_focused()
    group.get_by_label("Key").fill(key)
    group.get_by_label("Type").select_option(type)


def test_the_documentations_walk_creating_integrations(root, api, stack):
    name = unique("HaloPSA")
    # Navigate to Settings > Integrations
    root.get_by_role("navigation", name="Settings").get_by_role("link", name="Integrations", exact=True).click()
    # Click Create Integration
    root.get_by_role("link", name="Create Integration").first.click()
    # Name, Description
    root.get_by_label("Name", exact=True).fill(name)
    root.get_by_label("Description").first.fill("Tickets and customers")
    root.get_by_label("Entity ID Name").fill("Tenant ID")
    # Configure the Config Schema: string, int, bool, json, or secret
    for number, field in enumerate(FIELDS, 1):
        add_field(root, number, field["key"], field["type"])
    # Link an OAuth Provider: select existing, or configure custom OAuth settings
    expect(root.get_by_label("Authorization URL")).to_be_hidden()
    root.get_by_label("OAuth Provider").select_option(label="Configure custom OAuth settings")
    root.get_by_label("OAuth Flow Type").select_option(label="Authorization Code (Interactive)")
    root.get_by_label("Authorization URL").fill(f"{stack.provider}/authorize")
    root.get_by_label("Token URL").fill(f"{stack.provider}/token")
    root.get_by_label("Client ID").fill("bifrost-demo")
    root.get_by_label("Client Secret").fill("demo-client-secret")
    root.get_by_label("Scopes").fill("profile offline_access")
    look(root, "integrations-create")
    # Save the integration
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_role("status")).to_contain_text("were created")
    made = stored(api, name)
    assert [(field["key"], field["type"]) for field in made["config_schema"]] == [(f["key"], f["type"]) for f in FIELDS]
    assert (made["description"], made["entity_id_name"], made["connection"]) == ("Tickets and customers", "Tenant ID", name)

    # The redirect URI is there to be copied, and Connect leads on.
    shown = api.get(f"/connections/{name}?scope=global").json()
    assert shown["scopes"] == ["profile", "offline_access"]
    expect(root.locator("#redirect-uri-in-use")).to_have_text(shown["redirect_uri"])
    root.get_by_role("button", name="Copy").click()
    expect(root.get_by_role("button", name="Copied")).to_be_visible()
    assert root.evaluate("navigator.clipboard.readText()") == shown["redirect_uri"]
    look(root, "integrations-oauth-not-connected")

    # Open the integration, go to the Configuration tab, fill in default values
    root.get_by_role("navigation", name="Settings").get_by_role("link", name="Integrations", exact=True).click()
    row(root, name).get_by_role("link", name=name, exact=True).click()
    root.get_by_role("link", name="Configuration").click()
    root.get_by_label("base_url").fill("https://halo.example/api")
    root.get_by_label("region").fill("eu")
    root.get_by_label("timeout").fill("30")
    root.get_by_label("beta").select_option(label="True")
    root.get_by_role("textbox", name="settings").fill('{"paging": {"size": 100}}')
    root.get_by_label("api_key").fill("sk-shared")
    # Save
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_role("status")).to_contain_text("Saved")
    look(root, "integrations-configuration")
    resolved = api.get(f"/integrations/{name}/resolve?scope=global").json()["config"]
    assert resolved == {
        "base_url": "https://halo.example/api", "region": "eu", "timeout": 30, "beta": True,
        "settings": {"paging": {"size": 100}}, "api_key": "sk-shared",
    }  # fmt: skip

    # Click Connect to authorize
    root.get_by_role("link", name="OAuth", exact=True).click()
    root.get_by_role("button", name="Connect", exact=True).click()
    root.get_by_role("button", name="Sign in and allow").click()
    # Back to where one was
    expect(root).to_have_url(re.compile("/console/integrations/.*/oauth"))
    expect(root.get_by_role("status")).to_be_visible()
    expect(root.get_by_text("Active", exact=True)).to_be_visible()
    expect(root.get_by_role("button", name="Reconnect")).to_be_visible()
    expect(root.locator("dt", has_text="Expires").locator("+ dd time")).to_have_attribute("title", re.compile("UTC"))
    look(root, "integrations-oauth-active")


def test_from_settings_integrations_one_reaches_oauth_connections(root):
    root.goto("/console/integrations")
    root.get_by_role("main").get_by_role("link", name="OAuth Connections").click()
    expect(root).to_have_url(re.compile("/console/connections"))


def test_an_existing_connection_is_linked_while_creating_and_another_one_later(root, api, stack):
    first, second = (connection(api, stack, unique("Shared"))["name"] for _ in range(2))
    name = unique("Linked")
    root.goto("/console/integrations/~new")
    root.get_by_label("Name", exact=True).fill(name)
    root.get_by_label("OAuth Provider").select_option(label=first)
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_role("status")).to_contain_text("created")
    assert stored(api, name)["connection"] == first
    root.get_by_role("link", name="OAuth", exact=True).click()
    expect(root.get_by_role("link", name=first)).to_be_visible()
    root.get_by_label("OAuth Provider").select_option(label=second)
    root.get_by_role("button", name="Save").first.click()
    expect(root.get_by_role("status")).to_contain_text("Saved")
    assert stored(api, name)["connection"] == second
    root.get_by_label("OAuth Provider").select_option(label="None")
    root.get_by_role("button", name="Save").first.click()
    expect(root.get_by_text("No OAuth connection")).to_be_visible()
    assert stored(api, name)["connection"] is None


def test_a_connection_is_configured_inline_in_the_tab_oauth_and_refused_beside_its_fields(root, api, stack):
    name = integration(api, "Inline")
    root.goto(f"/console/integrations/{name}/oauth")
    look(root, "integrations-oauth-none")
    expect(root.locator("#redirect-uri")).to_have_text(f"{stack.url}/oauth/callback/{name.replace(' ', '%20')}")
    root.get_by_label("Authorization URL").fill(f"{stack.provider}/authorize")
    root.get_by_label("Token URL").fill("http://not-secure.example/token")
    root.get_by_label("Client Secret").fill("demo-client-secret")
    root.get_by_label("Scopes").fill("profile")
    root.get_by_role("button", name="Save").last.click()
    expect(root.locator("#oauth-client_id-error")).to_be_visible()
    expect(root.locator("#oauth-token_url-error")).to_be_visible()
    expect(root.get_by_role("alert").get_by_role("link", name="Client ID")).to_be_visible()
    expect(root.get_by_label("Scopes")).to_have_value("profile")
    expect(root.get_by_label("Client Secret")).to_have_value("")
    expect(root.get_by_text("Type it again")).to_be_visible()
    assert "demo-client-secret" not in root.content()
    look(root, "integrations-oauth-refused")
    root.get_by_label("Token URL").fill(f"{stack.provider}/token")
    root.get_by_label("Client ID").fill("bifrost-demo")
    root.get_by_label("Client Secret").fill("demo-client-secret")
    root.get_by_role("button", name="Save").last.click()
    expect(root.get_by_role("status")).to_contain_text("linked")
    assert stored(api, name)["connection"] == name
    assert api.get(f"/connections/{name}?scope=global").json()["client_id"] == "bifrost-demo"


def test_a_client_that_speaks_for_itself_is_asked_for_a_token_instead_of_being_connected(root, api, stack):
    name = integration(api, "Speaks")
    root.goto(f"/console/integrations/{name}/oauth")
    root.get_by_label("OAuth Flow Type").select_option(label="Client Credentials")
    root.get_by_label("Token URL").fill(f"{stack.provider}/token")
    root.get_by_label("Client ID").fill("bifrost-demo")
    root.get_by_label("Client Secret").fill("demo-client-secret")
    root.get_by_role("button", name="Save").last.click()
    expect(root.get_by_role("button", name="Get a token")).to_be_visible()
    expect(root.get_by_role("button", name="Connect", exact=True)).to_have_count(0)


def test_a_linked_connection_that_does_not_exist_is_said_to_in_the_list_and_in_the_tab(root, api):
    name = integration(api, "Dangling", connection="Nowhere to be found")
    expect(row(root, name)).to_contain_text("Connection does not exist")
    root.goto(f"/console/integrations/{name}/oauth")
    expect(root.get_by_text("Nowhere to be found does not exist")).to_be_visible()
    expect(root.get_by_text("A new connection with the name of the integration")).to_be_visible()
    look(root, "integrations-oauth-missing")


def test_a_broken_sign_in_is_shown_with_its_error_and_its_fix(root, api, stack):
    name = integration(api, "Broken")
    connection(api, stack, name)
    break_grant(api, name)
    root.goto(f"/console/integrations/{name}/oauth")
    expect(root.get_by_text("Reconnect needed")).to_be_visible()
    expect(root.locator("dt", has_text="Last error")).to_be_visible()
    error = api.get(f"/connections/{name}?scope=global").json()["last_error"]
    expect(root.get_by_text(error["title"]).first).to_be_visible()
    expect(root.locator("dd p", has_text=error["fix"])).to_be_visible()
    expect(root.get_by_role("button", name="Reconnect")).to_be_visible()
    look(root, "integrations-oauth-broken")


def test_the_list_shows_how_many_are_mapped_and_connected_and_what_is_broken(root, api, stack):
    name = integration(api, "Health", description="Tickets, customers and all else", config_schema=FIELDS)
    connection(api, stack, name)
    expect(row(root, name)).to_contain_text("No organization mapped")
    organizations = [organization(api, f"Number {number}") for number in range(4)]
    for number, one in enumerate(organizations):
        config = {} if number == 3 else {"base_url": "https://x"}
        mapped(api, name, one, entity_id=f"tenant-{number}", config=config)
    expect(row(root, name)).to_contain_text("4 of 4 not connected")
    expect(row(root, name)).to_contain_text("1 of 4 lacks configuration")
    give(api, name, tokens={"access_token": "at", "expires_in": 3600})
    expect(row(root, name)).to_contain_text("4 connected")
    break_grant(api, name, organizations[0])
    expect(row(root, name)).to_contain_text("1 of 4 needs reconnect")
    break_grant(api, name, organizations[1])
    give(api, name, organizations[2], tokens={"access_token": "at", "expires_in": 3600})
    expect(row(root, name)).to_contain_text("2 of 4 need reconnect")
    expect(row(root, name)).to_contain_text("2 connected")
    expect(row(root, name)).to_contain_text("4 mapped")
    # Other rows of all kinds for the picture.
    healthy = integration(api, "A healthy one")
    connection(api, stack, healthy)
    give(api, healthy, tokens={"access_token": "at", "expires_in": 3600})
    for one in organizations[:2]:
        mapped(api, healthy, one)
    expect(row(root, healthy)).to_contain_text("All 2 connected")
    plain = integration(api, "Another one without OAuth")
    mapped(api, plain, organizations[0])
    expect(row(root, plain)).to_contain_text("Ready, without OAuth")
    root.goto("/console/integrations")
    look(root, "integrations-list")


def test_a_long_list_comes_in_pages(root, api):
    names = [integration(api, "Zz page") for _ in range(30)]
    root.goto("/console/integrations")
    seen = []
    while True:
        rows = root.get_by_role("row")
        assert rows.count() <= 26
        seen += root.locator("tbody th a").all_inner_texts()
        if root.get_by_role("link", name="Next page").count() == 0:
            break
        root.get_by_role("link", name="Next page").click()
        root.wait_for_load_state()
    assert set(names) <= set(seen) and len(seen) == len(set(seen))
    for name in names:
        assert api.delete(f"/integrations/{name}").status_code == 204


def test_the_schema_editor_keeps_what_was_typed_and_saves_nothing_by_its_buttons(root, api):
    name = unique("Typed")
    root.goto("/console/integrations/~new")
    root.get_by_label("Name", exact=True).fill(name)
    for number, key in enumerate(["first", "second", "third"], 1):
        add_field(root, number, key, "int")
    root.get_by_role("group", name="Field 2", exact=True).get_by_label("Required").check()
    root.get_by_role("group", name="Field 2", exact=True).get_by_label("Options").fill("30\n60")
    root.get_by_role("button", name="Move up field 2 (second)").click()
    group = root.get_by_role("group", name="Field 1", exact=True)
    expect(group.get_by_label("Key")).to_have_value("second")
    expect(group.get_by_label("Required")).to_be_checked()
    expect(group.get_by_label("Options")).to_have_value("30\n60")
    root.get_by_role("button", name="Remove field 2 (first)").click()
    expect(root.get_by_role("group", name="Field 2", exact=True).get_by_label("Key")).to_have_value("third")
    expect(root.get_by_role("button", name="Add field")).to_be_focused()
    expect(root.get_by_label("Name", exact=True)).to_have_value(name)
    assert api.get(f"/integrations/{name}").status_code == 404
    # A group that is left empty is none; and Enter saves, it presses no button of the editor.
    root.get_by_role("button", name="Add field").click()
    third = root.get_by_role("group", name="Field 3", exact=True)
    expect(third.get_by_label("Key")).to_be_focused()
    third.get_by_role("button", name="Remove").click()
    root.get_by_label("Name", exact=True).press("Enter")
    expect(root.get_by_role("status")).to_contain_text("created")
    assert stored(api, name)["config_schema"] == [
        {"key": "second", "type": "int", "required": True, "description": None, "options": [30, 60]},
        {"key": "third", "type": "int", "required": False, "description": None, "options": None},
    ]


def test_what_is_wrong_with_a_schema_is_said_in_the_group_that_it_is_about(root, api):
    taken = integration(api)
    root.goto("/console/integrations/~new")
    root.get_by_label("Name", exact=True).fill("-wrong-")
    add_field(root, 1, "url", "string")
    add_field(root, 2, "url", "string")
    add_field(root, 3, "token", "secret")
    root.get_by_role("group", name="Field 3", exact=True).get_by_label("Options").fill("a\nb")
    add_field(root, 4, "limit", "int")
    root.get_by_role("group", name="Field 4", exact=True).get_by_label("Options").fill("many")
    root.get_by_role("button", name="Save").click()
    expect(root.locator("#name-error")).to_contain_text("begin and end")
    expect(root.get_by_role("group", name="Field 2", exact=True)).to_contain_text("a second time")
    expect(root.get_by_role("group", name="Field 3", exact=True)).to_contain_text("can't list options")
    expect(root.get_by_role("group", name="Field 4", exact=True)).to_contain_text("a whole number")
    expect(root.get_by_role("group", name="Field 1", exact=True).locator(".error")).to_have_count(0)
    expect(root.get_by_role("group", name="Field 2", exact=True).get_by_label("Key")).to_have_attribute("aria-invalid", "true")
    look(root, "integrations-create-refused")
    root.get_by_role("alert").get_by_role("link", name="Field 3, options").click()
    expect(root).to_have_url(re.compile("#config_schema-2--options$"))
    for number in (4, 3, 2):
        root.get_by_role("group", name=f"Field {number}", exact=True).get_by_role("button", name="Remove").click()
    root.get_by_label("Name", exact=True).fill(taken.upper())
    root.get_by_role("button", name="Save").click()
    expect(root.locator("#name-error")).to_contain_text("is taken")
    expect(root.get_by_role("group", name="Field 1", exact=True).get_by_label("Key")).to_have_value("url")


def test_everything_wrong_with_a_custom_connection_is_said_before_anything_is_made(root, api, stack):
    name = unique("Custom")
    root.goto("/console/integrations/~new")
    root.get_by_label("Name", exact=True).fill(name)
    root.get_by_label("OAuth Provider").select_option("~custom")
    root.get_by_label("Client ID").fill("bifrost-demo")
    root.get_by_label("Client Secret").fill("demo-client-secret")
    root.get_by_role("button", name="Save").click()
    expect(root.locator("#oauth-token_url-error")).to_be_visible()
    assert api.get(f"/integrations/{name}").status_code == 404
    assert "demo-client-secret" not in root.content()
    connection(api, stack, name)
    root.get_by_label("Authorization URL").fill(f"{stack.provider}/authorize")
    root.get_by_label("Token URL").fill(f"{stack.provider}/token")
    root.get_by_label("Client Secret").fill("demo-client-secret")
    root.get_by_role("button", name="Save").click()
    expect(root.locator("#oauth_provider-error")).to_contain_text("already")
    assert api.get(f"/integrations/{name}").status_code == 404
    root.get_by_label("OAuth Provider").select_option(label=name)
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_role("status")).to_contain_text("created")
    assert stored(api, name)["connection"] == name


def test_each_type_has_its_field_and_an_empty_one_is_no_default(root, api):
    defaults = {"base_url": "https://x", "region": "eu", "timeout": 30, "beta": False, "settings": {"a": 1}, "api_key": "sk-one"}
    name = integration(api, config_schema=FIELDS, defaults=defaults)
    root.goto(f"/console/integrations/{name}")
    expect(root.get_by_label("base_url")).to_have_value("https://x")
    expect(root.get_by_text("Where the API is")).to_be_visible()
    expect(root.get_by_label("base_url")).to_have_attribute("aria-describedby", re.compile("hint"))
    expect(root.get_by_text("required, here or in each mapping")).to_have_count(1)
    expect(root.get_by_label("region").locator("option:checked")).to_have_text("eu")
    expect(root.get_by_label("timeout")).to_have_attribute("inputmode", "numeric")
    expect(root.get_by_label("beta").locator("option:checked")).to_have_text("False")
    expect(root.get_by_role("textbox", name="settings")).to_have_value('{\n  "a": 1\n}')
    root.get_by_label("base_url").fill("")
    root.get_by_label("region").select_option(label="No default")
    root.get_by_label("timeout").fill("")
    root.get_by_label("beta").select_option(label="No default")
    root.get_by_role("textbox", name="settings").fill('{"b": [2]}')
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_role("status")).to_contain_text("Saved")
    assert stored(api, name)["defaults"] == {"settings": {"b": [2]}, "api_key": {"secret": True, "set": True}}
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_role("status")).to_contain_text("Nothing was changed")


def test_secrets_are_write_only_and_can_be_removed(root, api):
    name = integration(api, config_schema=FIELDS, defaults={"api_key": "sk-one"})
    resolve = lambda: api.get(f"/integrations/{name}/resolve?scope=global").json()["config"].get("api_key")  # noqa: E731
    root.goto(f"/console/integrations/{name}")
    field = root.get_by_label("api_key", exact=False).first
    expect(field).to_have_attribute("type", "password")
    expect(field).to_have_value("")
    expect(root.get_by_text("A value is set")).to_be_visible()
    root.get_by_label("timeout").fill("5")
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_role("status")).to_contain_text("Saved")
    assert resolve() == "sk-one"
    field.fill("sk-two")
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_role("status")).to_contain_text("Saved")
    assert resolve() == "sk-two" and "sk-" not in root.content()
    root.get_by_label("Remove the stored value of api_key").check()
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_text("Not set.")).to_be_visible()
    assert resolve() is None


def test_a_value_that_does_not_fit_is_refused_beside_its_field_and_kept(root, api):
    name = integration(api, config_schema=FIELDS)
    root.goto(f"/console/integrations/{name}")
    root.get_by_label("timeout").fill("half a minute")
    root.get_by_role("textbox", name="settings").fill('{\n  "a": 1,\n  oops\n}')
    root.get_by_label("api_key").fill("sk-typed")
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_role("alert")).to_contain_text("timeout must be a whole number")
    expect(root.get_by_role("alert")).to_contain_text("line 3")
    expect(root.get_by_label("timeout")).to_have_value("half a minute")
    expect(root.get_by_label("timeout")).to_have_attribute("aria-invalid", "true")
    expect(root.get_by_role("textbox", name="settings")).to_have_value('{\n  "a": 1,\n  oops\n}')
    assert "sk-typed" not in root.content()
    look(root, "integrations-configuration-refused")
    assert stored(api, name)["defaults"] == {}


def test_who_saves_over_anothers_change_is_told_so_and_keeps_what_was_typed(root, api):
    name = integration(api, config_schema=FIELDS)
    root.goto(f"/console/integrations/{name}")
    root.get_by_label("base_url").fill("https://mine")
    api.patch(f"/integrations/{name}", json={"defaults": {"base_url": "https://theirs"}}).raise_for_status()
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_role("alert")).to_contain_text("Nothing was saved")
    expect(root.get_by_label("base_url")).to_have_value("https://mine")
    assert stored(api, name)["defaults"] == {"base_url": "https://theirs"}
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_role("status")).to_contain_text("Saved")
    assert stored(api, name)["defaults"] == {"base_url": "https://mine"}

    root.goto(f"/console/integrations/{name}/edit")
    root.get_by_label("Entity ID Name").fill("Tenant")
    api.patch(f"/integrations/{name}", json={"description": "theirs"}).raise_for_status()
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_role("alert")).to_contain_text("Nothing was saved")
    expect(root.get_by_label("Entity ID Name")).to_have_value("Tenant")
    assert stored(api, name)["entity_id_name"] is None


def test_an_integration_is_edited_and_its_name_stays(root, api):
    name = integration(api, config_schema=FIELDS, description="old", entity_id_name="Tenant", default_entity_id="t-1")
    root.goto(f"/console/integrations/{name}")
    root.get_by_role("link", name="Edit integration").click()
    expect(root.get_by_label("Name", exact=True)).to_have_count(0)
    expect(root.get_by_text("A name can't be changed.")).to_be_visible()
    look(root, "integrations-edit")
    root.get_by_label("Description").first.fill("new\nlines")
    root.get_by_label("Entity ID Name").fill("")
    root.get_by_label("Default Entity ID").fill("t-2")
    add_field(root, 7, "extra", "json")
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_role("status")).to_contain_text("Saved")
    made = stored(api, name)
    assert (made["description"], made["entity_id_name"], made["default_entity_id"]) == ("new\nlines", None, "t-2")
    assert [field["key"] for field in made["config_schema"]][-1] == "extra"
    assert made["config_schema"][:-1] == [{"required": False, "description": None, "options": None} | field for field in FIELDS]


def test_values_without_a_place_in_the_new_schema_are_named_before_they_are_deleted(root, api):
    name = integration(api, config_schema=FIELDS, defaults={"base_url": "https://x", "api_key": "sk"})
    acme, initech = organization(api, "Acme"), organization(api, "Initech")
    mapped(api, name, acme, config={"timeout": 5, "api_key": "sk-acme"})
    mapped(api, name, initech, config={"timeout": 6})
    root.goto(f"/console/integrations/{name}/edit")
    root.get_by_role("button", name="Remove field 6 (api_key)").click()
    root.get_by_role("button", name="Remove field 3 (timeout)").click()
    root.get_by_role("button", name="Save", exact=True).click()
    alert = root.get_by_role("alert")
    expect(alert).to_contain_text(f"api_key: the default, the value of {acme['name']}")
    for one in (acme, initech):
        expect(alert.get_by_role("listitem").filter(has_text="timeout")).to_contain_text(one["name"])
    expect(alert).not_to_contain_text("base_url")
    look(root, "integrations-edit-stranded")
    assert len(stored(api, name)["config_schema"]) == len(FIELDS), "nothing is saved"
    root.get_by_role("button", name="Save and delete these values").click()
    expect(root.get_by_role("status")).to_contain_text("Saved")
    assert [field["key"] for field in stored(api, name)["config_schema"]] == ["base_url", "region", "beta", "settings"]
    assert stored(api, name)["defaults"] == {"base_url": "https://x"}
    assert api.get(f"/integrations/{name}/mappings/{acme['id']}").json()["config"] == {}


def test_deleting_says_what_goes_and_whose_sign_ins_are_revoked(root, api, stack):
    name = integration(api, "Going")
    connection(api, stack, name)
    acme, initech = organization(api, "Acme"), organization(api, "Initech")
    for one in (acme, initech):
        mapped(api, name, one)
    give(api, name, acme, tokens={"access_token": "at", "expires_in": 3600})
    other = integration(api, "Staying", connection=name)
    root.goto(f"/console/integrations/{name}")
    root.get_by_role("link", name="Delete integration").click()
    main = root.get_by_role("main")
    expect(main).to_contain_text("2 mappings go")
    expect(main).to_contain_text(f"1 organization has signed in to the connection {name}: {acme['name']}")
    expect(main).to_contain_text(other)
    expect(main).not_to_contain_text(initech["name"])
    look(root, "integrations-delete")
    assert stored(api, name)["name"] == name, "looking changes nothing"
    root.get_by_role("button", name="Delete integration").click()
    expect(root.get_by_role("status")).to_contain_text("deleted")
    assert api.get(f"/integrations/{name}").status_code == 404


def test_a_user_of_the_provider_sees_all_and_changes_nothing(page, api, stack):
    name = integration(api, config_schema=FIELDS, defaults={"base_url": "https://x", "api_key": "sk"})
    connection(api, stack, name)
    provider, acme = organization(api, "Provider", is_provider=True), organization(api, "Acme")
    mapped(api, name, acme)
    sign_in(page, user_of(api, provider))
    expect(row(page, name)).to_contain_text("1 of 1 not connected")
    expect(page.get_by_role("link", name="Create Integration")).to_have_count(0)
    page.goto(f"/console/integrations/{name}")
    expect(page.get_by_text("Set, never shown")).to_be_visible()
    expect(page.get_by_role("button", name="Save")).to_have_count(0)
    expect(page.get_by_role("link", name=re.compile("Edit|Delete"))).to_have_count(0)
    check_refused(page, stack, name)


def test_a_managed_user_sees_its_own_organization_only(page, api, stack):
    name = integration(api, config_schema=FIELDS, defaults={"base_url": "https://x"})
    connection(api, stack, name)
    acme, initech = organization(api, "Acme"), organization(api, "Initech")
    for one in (acme, initech):
        mapped(api, name, one)
    unmapped = integration(api)
    mapped(api, unmapped, initech)
    give(api, name, initech, tokens={"access_token": "at", "expires_in": 3600})
    break_grant(api, name, acme)
    sign_in(page, user_of(api, acme))
    expect(row(page, name)).to_contain_text("Reconnect needed")
    expect(row(page, name)).not_to_contain_text(" of ")
    expect(row(page, unmapped)).to_contain_text("Not mapped")
    expect(page.get_by_role("columnheader", name="Organizations")).to_have_count(0)
    row(page, name)
    look(page, "integrations-list-managed")
    page.goto(f"/console/integrations/{name}")
    look(page, "integrations-configuration-managed")
    page.goto(f"/console/integrations/{name}/oauth")
    expect(page.get_by_text("your organization has signed in itself")).to_be_visible()
    expect(page.get_by_text("Reconnect needed")).to_be_visible()
    expect(page.get_by_label("OAuth Provider")).to_have_count(0)
    action = page.locator("form").filter(has=page.get_by_role("button", name="Reconnect")).get_attribute("action")
    assert f"organization_id={acme['id']}" in action and "scope=" not in action and initech["id"] not in page.content()
    look(page, "integrations-oauth-managed")
    check_refused(page, stack, name)


def check_refused(page: Page, stack, name: str) -> None:
    """Hidden, and refused all the same: by address, and by forms with a good token."""
    for path in ("~new", f"{name}/edit", f"{name}/delete"):
        assert page.request.get(f"/console/integrations/{path}").status == 403
    form = {"form_token": page.locator("input[name=form_token]").first.get_attribute("value"), "revision": "1"}
    for path in ("~new", name, f"{name}/edit", f"{name}/delete", f"{name}/oauth"):
        answer = page.request.post(f"/console/integrations/{path}", form={**form, "name": "x"})
        assert answer.status == 403, path


def test_an_integration_that_does_not_exist_is_not_found(root):
    for path in ("No such thing", "No such thing/edit", "No such thing/oauth", "No such thing/delete", "~other", "%F0%9F%99%82"):
        assert root.request.get(f"/console/integrations/{path}").status == 404, path


@pytest.mark.parametrize("cursor", ["rubbish", "🙂"])
def test_a_cursor_that_is_none_is_refused(root, cursor):
    assert root.request.get("/console/integrations", params={"cursor": cursor}).status == 422
