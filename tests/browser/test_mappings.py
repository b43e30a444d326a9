"""Integrations > an integration > Mappings: adding, changing, unlinking, looking through, importing and exporting."""

import re
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Page, expect

from conftest import create, look, sign_in, unique

SCHEMA = [
    {"key": "base_url", "type": "string", "description": "Where the API is."},
    {"key": "timeout", "type": "int"},
    {"key": "beta", "type": "bool"},
    {"key": "settings", "type": "json"},
    {"key": "api_key", "type": "secret", "required": True},
    {"key": "region", "type": "string", "options": ["eu", "us"]},
]


def integration(api, **fields) -> str:
    body = {"config_schema": SCHEMA, "defaults": {"base_url": "https://default.example", "timeout": 30}}
    return create(api, "/integrations", name=unique("HaloPSA"), **(body | fields))["name"]


def organization(api, name="Acme", **fields) -> dict:
    return create(api, "/organizations", name=unique(name), **fields)


def mapped(api, name: str, organization: dict, **body) -> dict:
    answer = api.put(f"/integrations/{name}/mappings/{organization['id']}", json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def mapping(api, name: str, organization: dict) -> dict:
    return api.get(f"/integrations/{name}/mappings/{organization['id']}").raise_for_status().json()


def key_of(api, role="user", **where) -> str:
    return create(api, "/keys", name="of a test", role=role, **where)["key"]


def tab(page: Page, name: str, rest="") -> Page:
    page.goto(f"/console/integrations/{name}/mappings{rest}")
    return page


def row(page: Page, text: str):
    return page.get_by_role("row").filter(has_text=text)


def connection(api, stack, name: str, **fields) -> dict:
    body = {
        "client_id": "bifrost-demo",
        "client_secret": "demo-client-secret",
        "authorization_url": f"{stack.provider}/authorize",
        "token_url": f"{stack.provider}/token",
        "revocation_url": f"{stack.provider}/revoke",
    }
    return create(api, "/connections?scope=global", name=name, **(body | fields))


def brought(api, name: str, organization: dict | None = None, **tokens) -> None:
    """A grant as an import brings it along."""
    body = {"refresh_token": "r", "access_token": "a", "expires_at": "2099-01-01T00:00:00Z"} | tokens
    where = f"organization_id={organization['id']}" if organization else "scope=global"
    answer = api.post(f"/connections/{name}/import?{where}", json=body)
    assert answer.status_code in (200, 201), answer.text


def test_a_mapping_is_added_as_the_documentation_says(root, api):
    name = integration(api, entity_id_name="Tenant ID", default_entity_id="main")
    acme = organization(api)
    root.goto(f"/console/integrations/{name}/mappings")
    look(root, "mappings-empty")
    root.get_by_role("link", name="Add Mapping").click()
    look(root, "mappings-add")
    root.get_by_label("Organization", exact=True).select_option(label=acme["name"])
    root.get_by_label("Tenant ID (Entity ID)").fill(" 42 ")
    root.get_by_label("Entity name").fill("Acme Ltd")
    expect(root.get_by_text("Default: https://default.example")).to_be_visible()
    root.get_by_label("base_url").fill("https://acme.example")
    root.get_by_label("beta").select_option(label="true")
    root.get_by_label("settings", exact=True).fill('{"a": [1, 2]}')
    root.get_by_label("api_key").fill("s3cr3t-of-acme")
    root.get_by_label("region").select_option(label="eu")
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_role("status")).to_have_text("The mapping was added.")
    stored = mapping(api, name, acme)
    assert (stored["entity_id"], stored["entity_name"]) == ("42", "Acme Ltd")
    secret = {"secret": True, "set": True}
    expected = {"base_url": "https://acme.example", "beta": True, "settings": {"a": [1, 2]}, "api_key": secret, "region": "eu"}
    assert stored["config"] == expected
    resolved = api.get(f"/integrations/{name}/resolve?scope={acme['id']}").json()
    assert resolved["config"] == expected | {"api_key": "s3cr3t-of-acme", "timeout": 30}
    assert "s3cr3t" not in root.content()
    root.get_by_role("link", name="Mappings").first.click()
    expect(row(root, acme["name"])).to_contain_text("42")


def test_saving_leads_on_to_the_sign_in_if_a_token_is_to_be_linked(root, api, stack):
    name = integration(api)
    connection(api, stack, name)
    acme = organization(api)
    tab(root, name, f"/~new?organization_id={acme['id']}")
    expect(root.get_by_label("Organization", exact=True)).to_have_value(acme["id"])
    root.get_by_label("Entity ID").fill("42")
    root.get_by_label("Link an OAuth token").check()
    with root.expect_request(re.compile("/console/connections/.*/connect")) as asked:
        root.get_by_role("button", name="Save").click()
    request = asked.value
    assert request.method == "POST" and "form_token=" in request.post_data
    query = request.url.split("?", 1)[1]
    assert f"organization_id={acme['id']}" in query and "scope=" not in query
    back = f"integrations/{name}/mappings/{acme['id']}"
    assert parse_qs(query)["back"] == [back]
    assert mapping(api, name, acme)["entity_id"] == "42"


def sign_in_at_provider(page) -> None:
    page.get_by_role("button", name="Sign in and allow").click()


def test_an_organizations_own_token_is_linked_refreshed_and_disconnected_in_its_row(root, api, stack):
    name = integration(api)
    connection(api, stack, name)
    acme = organization(api)
    mapped(api, name, acme, entity_id="42")
    tab(root, name)
    root.get_by_role("button", name=f"Connect {acme['name']}", exact=True).click()
    sign_in_at_provider(root)
    expect(root).to_have_url(re.compile("/mappings"))
    expect(root.get_by_role("status")).to_have_text("The OAuth token was linked.")
    expect(row(root, acme["name"])).to_contain_text("Active")
    linked = mapping(api, name, acme)["oauth_token_id"]
    assert linked
    row(root, acme["name"]).get_by_text("More").click()
    root.get_by_role("button", name=f"Refresh {acme['name']}").click()
    expect(root.get_by_role("status")).to_have_text("The token was refreshed.")
    row(root, acme["name"]).get_by_text("More").click()
    root.get_by_role("link", name=f"Disconnect {acme['name']}").click()
    root.get_by_role("button", name="Disconnect").click()
    expect(root.get_by_role("status")).to_contain_text("The OAuth token was disconnected")
    expect(row(root, acme["name"])).to_contain_text("Through the connection")


def test_a_managed_user_links_a_token_for_its_own_organization(page, api, stack):
    name = integration(api)
    connection(api, stack, name)
    acme = organization(api)
    mapped(api, name, acme, entity_id="42")
    sign_in(page, key_of(api, organization_id=acme["id"]))
    tab(page, name)
    page.get_by_role("button", name=re.compile("^Connect")).click()
    sign_in_at_provider(page)
    expect(page.get_by_role("status")).to_have_text("The OAuth token was linked.")
    assert mapping(api, name, acme)["oauth_token_id"]


def test_what_is_wrong_is_said_beside_its_field_and_what_was_typed_is_kept(root, api):
    name = integration(api)
    acme, globex = organization(api), organization(api, "Globex")
    mapped(api, name, globex, entity_id="7")
    tab(root, name, "/~new")
    root.get_by_label("Organization", exact=True).select_option(label=acme["name"])
    root.get_by_label("Entity ID").fill("42")
    root.get_by_label("timeout").fill("a minute")
    root.get_by_label("settings", exact=True).fill("{")
    root.get_by_label("api_key").fill("s3cr3t-typed")
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_label("timeout")).to_have_value("a minute")
    expect(root.get_by_label("timeout")).to_have_attribute("aria-invalid", "true")
    expect(root.locator("#config-1-error")).to_have_text("must be a whole number")
    expect(root.locator("#config-3-error")).to_contain_text("is no JSON from line 1")
    expect(root.get_by_label("Entity ID")).to_have_value("42")
    assert "s3cr3t" not in root.content()
    look(root, "mappings-add-refused")
    root.get_by_label("timeout").fill("60")
    root.get_by_label("settings", exact=True).fill("")
    root.get_by_label("Entity ID").fill("7")
    root.get_by_role("button", name="Save").click()
    expect(root.locator("#entity_id-error")).to_contain_text("belongs to another organization")
    root.get_by_label("Entity ID").fill("42")
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_role("status")).to_have_text("The mapping was added.")
    # A second mapping of the same organization is none.
    tab(root, name, "/~new")
    root.get_by_label("Organization", exact=True).select_option(label=acme["name"])
    root.get_by_role("button", name="Save").click()
    expect(root.locator("#organization_id-error")).to_contain_text("is mapped already")
    assert mapping(api, name, acme)["entity_id"] == "42"


def test_an_override_that_is_emptied_is_inherited_again_and_a_secret_stays_until_it_is_taken_away(root, api):
    name = integration(api, defaults={"base_url": "https://default.example", "api_key": "s3cr3t-default"})
    acme = organization(api)
    config = {"base_url": "https://acme.example", "timeout": 5, "settings": {"ratio": 1.0}, "api_key": "s3cr3t-own"}
    mapped(api, name, acme, entity_id="42", config=config)
    tab(root, name, f"/{acme['id']}")
    expect(root.get_by_label("timeout")).to_have_value("5")
    expect(root.get_by_text("Is set. Leave empty to keep it. A default is set.")).to_be_visible()
    expect(root.get_by_label("api_key")).to_have_value("")
    look(root, "mappings-edit")
    root.get_by_label("base_url").fill("")
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_role("status")).to_have_text("The mapping was saved.")
    stored = mapping(api, name, acme)["config"]
    assert stored == {"timeout": 5, "settings": {"ratio": 1.0}, "api_key": {"secret": True, "set": True}}
    resolved = lambda: api.get(f"/integrations/{name}/resolve?scope={acme['id']}").json()["config"]
    assert resolved()["api_key"] == "s3cr3t-own"
    root.get_by_label("Use the default instead").check()
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_label("Use the default instead")).to_have_count(0)
    assert resolved()["api_key"] == "s3cr3t-default"


def test_who_saves_over_anothers_change_is_told_so(root, api):
    name = integration(api)
    acme = organization(api)
    mapped(api, name, acme, entity_id="42")
    tab(root, name, f"/{acme['id']}")
    mapped(api, name, acme, entity_id="43")
    root.get_by_label("Entity name").fill("Acme Ltd")
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_role("alert")).to_contain_text("It has changed since it was read")
    expect(root.get_by_label("Entity name")).to_have_value("Acme Ltd")
    root.get_by_role("link", name="Open the mapping as it is now").click()
    expect(root.get_by_label("Entity ID")).to_have_value("43")


def test_unlinking_says_what_it_ends_and_does_it(root, api, stack):
    name = integration(api)
    connection(api, stack, name)
    acme = organization(api)
    mapped(api, name, acme, entity_id="42", config={"timeout": 5})
    brought(api, name, acme)
    tab(root, name)
    entry = row(root, acme["name"])
    expect(entry).to_contain_text("An OAuth token of its own")
    entry.get_by_text("More").click()
    entry.get_by_role("link", name=f"Unlink {acme['name']}").click()
    expect(root.get_by_text("revoked at the provider")).to_be_visible()
    expect(root.get_by_text("Its configuration overrides are deleted: timeout.")).to_be_visible()
    look(root, "mappings-unlink")
    root.get_by_role("button", name="Unlink").click()
    expect(root.get_by_role("status")).to_have_text("The organization was unlinked.")
    expect(row(root, acme["name"])).to_have_count(0)
    assert api.get(f"/integrations/{name}/mappings/{acme['id']}").status_code == 404


def test_a_token_that_another_integration_needs_stays(root, api, stack):
    name, other = integration(api), unique("Halo reports")
    connection(api, stack, name)
    create(api, "/integrations", name=other, connection=name)
    acme = organization(api)
    mapped(api, name, acme, entity_id="42")
    mapped(api, other, acme, entity_id="42")
    brought(api, name, acme)
    tab(root, name, f"/{acme['id']}/delete")
    expect(root.get_by_text(f"Its own OAuth token stays: {other}")).to_be_visible()


def test_each_row_tells_where_its_tokens_come_from_and_how_that_is_doing(root, api, stack):
    name = integration(api)
    connection(api, stack, name)
    own, shared, broken = organization(api, "Own"), organization(api, "Shared"), organization(api, "Broken")
    apart = organization(api, "Apart")
    for number, one in enumerate((own, shared, broken, apart)):
        mapped(api, name, one, entity_id=str(number), config={"api_key": "k"} if one is own else {})
    brought(api, name)
    brought(api, name, own)
    brought(api, name, broken, access_token=None, expires_at=None)
    refused = api.post(f"/connections/{name}/refresh?scope={broken['id']}&integration={name}", json={})
    assert refused.status_code == 409, refused.text
    create(
        api,
        f"/connections?scope={apart['id']}",
        name=name,
        client_id="c",
        client_secret="s",
        authorization_url=f"{stack.provider}/authorize",
        token_url=f"{stack.provider}/token",
    )
    tab(root, name)
    expect(row(root, own["name"])).to_contain_text("Active")
    expect(row(root, own["name"])).to_contain_text("Renewed before it expires in")
    expect(row(root, shared["name"])).to_contain_text("Through the connection's own sign-in")
    expect(row(root, broken["name"])).to_contain_text("Reconnect needed")
    expect(row(root, broken["name"]).locator(".trouble")).to_contain_text("no longer accepts this grant")
    expect(row(root, apart["name"])).to_contain_text("A connection of its own")
    expect(row(root, apart["name"])).to_contain_text("Not connected")
    expect(row(root, shared["name"])).to_contain_text("Missing")
    expect(row(root, own["name"])).not_to_contain_text("Missing")
    expect(root.get_by_role("button", name=f"Reconnect {broken['name']}")).to_be_visible()
    expect(root.get_by_role("button", name=f"Connect {shared['name']}", exact=True)).to_be_visible()
    row(root, own["name"]).get_by_text("More").click()
    look(root, "mappings")
    for show, shown in (("broken", {"Broken", "Apart"}), ("own", {"Own", "Broken", "Apart"}), ("incomplete", {"Shared", "Broken", "Apart"})):
        tab(root, name)
        root.get_by_label("Show", exact=True).select_option(show)
        root.get_by_role("button", name="Filter").click()
        found = {text.split(" ")[0] for text in root.locator("tbody th").all_inner_texts()}
        assert found == shown, show
    root.get_by_role("link", name="Show all").click()
    expect(root.locator("tbody tr")).to_have_count(4)
    # When the connection's own sign-in is gone, whoever relies on it is in trouble.
    assert api.post(f"/connections/{name}/disconnect?scope=global").status_code == 200
    tab(root, name, "?show=broken")
    assert {text.split(" ")[0] for text in root.locator("tbody th").all_inner_texts()} == {"Shared", "Broken", "Apart"}
    tab(root, name, f"/{broken['id']}")
    look(root, "mappings-edit-broken")


def test_mappings_are_found_by_organization_and_entity(root, api):
    name = integration(api)
    acme, globex = organization(api), organization(api, "Globex")
    mapped(api, name, acme, entity_id="tenant-1", entity_name="Roadrunner")
    mapped(api, name, globex, entity_id="tenant-2")
    for text, expected in ((acme["name"].upper(), acme), ("RUNNER", acme), ("ant-2", globex), (globex["id"], globex)):
        tab(root, name)
        root.get_by_label("Search").fill(text)
        root.get_by_label("Search").press("Enter")
        expect(root.locator("tbody th")).to_have_text([expected["name"]])
        expect(root.get_by_label("Search")).to_have_value(text)
    tab(root, name, "?q=nowhere")
    expect(root.get_by_text("No mapping is like that")).to_be_visible()


def test_a_list_is_previewed_and_then_imported(root, api):
    name = integration(api, entity_id_name="Tenant ID")
    acme, globex, initech, hooli = (organization(api, one) for one in ("Acme", "Globex", "Initech", "Hooli"))
    mapped(api, name, acme, entity_id="1", config={"timeout": 5, "api_key": "s3cr3t-kept"})
    mapped(api, name, hooli, entity_id="4", entity_name="Hooli")
    csv = (
        "\ufefforganization;entity_id;config.timeout;config.api_key\r\n"
        f"{acme['name'].upper()};1;60;\r\n"
        f'"{globex["name"]}";2;;s3cr3t-new\r\n'
        f"{initech['name']};3;soon;\r\n"
        f"{hooli['name']};4;;\r\n"
        "Umbrella;5;;\r\n"
    )
    tab(root, name, "/~import")
    look(root, "mappings-import")
    root.get_by_label("CSV file").set_input_files({"name": "m.csv", "mimeType": "text/csv", "buffer": csv.encode()})
    expect(root.get_by_label("CSV", exact=True)).to_have_value(re.compile("Umbrella"))
    root.get_by_role("button", name="Preview").click()
    expect(root.get_by_role("status")).to_have_text(re.compile("1 new 1 to change 1 unchanged 2 wrong"))
    expect(row(root, acme["name"])).to_contain_text("timeout: 5 → 60")
    expect(row(root, globex["name"])).to_contain_text("api_key: set")
    expect(row(root, globex["name"])).to_contain_text("Tenant ID (Entity ID): 2")
    expect(row(root, initech["name"])).to_contain_text("config.timeout must be a whole number")
    expect(row(root, hooli["name"])).to_contain_text("Unchanged")
    expect(row(root, "Umbrella")).to_contain_text("There is no organization called Umbrella")
    look(root, "mappings-import-preview")
    assert api.get(f"/integrations/{name}/mappings/{globex['id']}").status_code == 404, "nothing is written yet"
    root.get_by_role("button", name="Import 2 mappings").click()
    expect(root.get_by_role("status")).to_have_text(re.compile("1 created 1 updated 1 unchanged 2 failed"))
    look(root, "mappings-import-result")
    failed = root.get_by_label("The lines that failed").input_value()
    assert failed.splitlines()[1:] == [f"{initech['name']},3,soon,", "Umbrella,5,,"]
    assert "s3cr3t" not in root.content()
    assert mapping(api, name, acme)["config"] == {"timeout": 60, "api_key": {"secret": True, "set": True}}
    assert mapping(api, name, hooli)["entity_name"] == "Hooli", "what has no column stays"
    resolved = api.get(f"/integrations/{name}/resolve?scope={globex['id']}").json()
    assert (resolved["entity_id"], resolved["config"]["api_key"]) == ("2", "s3cr3t-new")
    root.get_by_label("The lines that failed").fill(failed.replace("soon", "90"))
    root.get_by_role("button", name="Preview").click()
    root.get_by_role("button", name="Import 1 mapping").click()
    expect(root.get_by_role("status")).to_have_text(re.compile("1 created 1 failed"))


def test_an_import_does_not_undo_what_somebody_changed_since_the_preview(root, api):
    name = integration(api)
    acme, globex, initech = organization(api), organization(api, "Globex"), organization(api, "Initech")
    mapped(api, name, acme, entity_id="1")
    tab(root, name, "/~import")
    lines = [f"{acme['id']},11", f"{globex['id']},12", f"{initech['id']},13"]
    root.get_by_label("CSV", exact=True).fill("\n".join(["organization_id,entity_id", *lines]))
    root.get_by_role("button", name="Preview").click()
    mapped(api, name, acme, entity_id="2")
    mapped(api, name, globex, entity_id="3")
    root.get_by_role("button", name="Import 3 mappings").click()
    expect(root.get_by_role("status")).to_have_text(re.compile("1 created 2 failed"))
    expect(row(root, acme["name"])).to_contain_text("somebody has changed this mapping since the preview")
    entities = [mapping(api, name, one)["entity_id"] for one in (acme, globex, initech)]
    assert entities == ["2", "3", "13"]


def test_entities_that_change_hands_are_imported_at_once(root, api):
    name = integration(api)
    acme, globex = organization(api), organization(api, "Globex")
    mapped(api, name, acme, entity_id="1")
    tab(root, name, "/~import")
    root.get_by_label("CSV", exact=True).fill(f"organization_id,entity_id\n{globex['id']},1\n{acme['id']},2")
    root.get_by_role("button", name="Preview").click()
    root.get_by_role("button", name="Import 2 mappings").click()
    expect(root.get_by_text("Everything in the list is in place.")).to_be_visible()
    # And one that stays is another's.
    tab(root, name, "/~import")
    root.get_by_label("CSV", exact=True).fill(f"organization_id,entity_id\n{organization(api)['id']},1")
    root.get_by_role("button", name="Preview").click()
    expect(root.get_by_role("table")).to_contain_text("belongs to another organization")
    expect(root.get_by_role("button", name="Import")).to_have_count(0)


def test_a_list_that_is_none_is_refused_with_the_reason(root, api):
    name = integration(api)
    tab(root, name, "/~import")
    root.get_by_label("CSV", exact=True).fill("organization,colour\nAcme,red")
    root.get_by_role("button", name="Preview").click()
    expect(root.locator("#csv-error")).to_contain_text("has a column colour")
    expect(root.get_by_label("CSV", exact=True)).to_have_value("organization,colour\nAcme,red")
    root.get_by_label("CSV", exact=True).fill("organization\n" + "x" * 300_000)
    root.get_by_role("button", name="Preview").click()
    expect(root.get_by_text("At most 256 KiB can be sent at once")).to_be_visible()


def test_an_export_comes_back_as_it_went_and_runs_no_formula(root, api):
    name = integration(api)
    acme, globex = organization(api, "=Acme"), organization(api, "Globex")
    mapped(api, name, acme, entity_id="-1", entity_name="=HYPERLINK(\"x\")", config={"timeout": -5, "region": "eu", "api_key": "s3cr3t"})
    mapped(api, name, globex, entity_id="2", config={"settings": {"a": [1, "x,y"]}, "beta": False, "base_url": "'x"})
    tab(root, name)
    with root.expect_download() as download:
        root.get_by_role("link", name="Export CSV").click()
    text = download.value.path().read_text()
    assert download.value.suggested_filename.endswith("-mappings.csv")
    assert "s3cr3t" not in text
    assert "'=HYPERLINK" in text and not re.search(r"(^|,)\"?[=@-]", text, re.M)
    tab(root, name, "/~import")
    root.get_by_label("CSV", exact=True).fill(text)
    root.get_by_role("button", name="Preview").click()
    expect(root.get_by_role("status")).to_have_text(re.compile("^ *2 unchanged *$"))
    expect(root.get_by_text("There is nothing to import")).to_be_visible()
    root.get_by_role("button", name="Change the list").click()
    expect(root.get_by_label("CSV", exact=True)).to_have_value(re.compile("HYPERLINK"))


def test_a_managed_user_sees_its_own_mapping_and_changes_its_overrides_alone(page, api, stack):
    name = integration(api, entity_id_name="Tenant ID")
    connection(api, stack, name)
    acme, globex = organization(api), organization(api, "Globex")
    mapped(api, name, acme, entity_id="tenant-of-acme", entity_name="Acme Ltd", config={"timeout": 5})
    mapped(api, name, globex, entity_id="tenant-of-globex")
    sign_in(page, key_of(api, organization_id=acme["id"]))
    tab(page, name)
    expect(page.locator("tbody tr")).to_have_count(1)
    assert "tenant-of-globex" not in page.content()
    for label in ("Add Mapping", "Import CSV", "Unlink"):
        expect(page.get_by_role("link", name=label)).to_have_count(0)
    page.get_by_role("link", name="Edit").click()
    expect(page.get_by_text("tenant-of-acme")).to_be_visible()
    expect(page.get_by_label("Tenant ID")).to_have_count(0)
    look(page, "mappings-managed")
    page.get_by_label("timeout").fill("7")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("The mapping was saved.")
    stored = mapping(api, name, acme)
    assert (stored["config"], stored["entity_id"]) == ({"timeout": 7}, "tenant-of-acme")
    # Hidden, and refused all the same.
    for rest, status in (("/~new", 403), ("/~import", 403), (f"/{acme['id']}/delete", 403), (f"/{globex['id']}", 403)):
        assert tab(page, name, rest) and page.request.get(f"/console/integrations/{name}/mappings{rest}").status == status, rest
    tab(page, name, f"/{acme['id']}")
    token = page.locator("input[name=form_token]").first.get_attribute("value")
    send = lambda rest, **form: page.request.post(
        f"/console/integrations/{name}/mappings{rest}", form={"form_token": token} | form, headers={"Origin": stack.url}, max_redirects=0
    )
    revision = page.locator("input[name=revision]").get_attribute("value")
    send(f"/{acme['id']}", revision=revision, entity_id="tenant-of-globex")
    assert mapping(api, name, acme)["entity_id"] == "tenant-of-acme"
    assert send("/~new", organization_id=globex["id"], entity_id="x").status == 403
    assert send(f"/{globex['id']}", revision="1", entity_id="x").status == 403
    assert send(f"/{acme['id']}/delete", revision=revision).status == 403
    assert send("/~import", csv=f"organization_id,entity_id\n{acme['id']},9", step="import", seen=revision).status == 403


def test_a_managed_user_without_a_mapping_is_told_who_makes_one(page, api):
    name = integration(api)
    sign_in(page, key_of(api, organization_id=organization(api)["id"]))
    tab(page, name)
    expect(page.get_by_text("Your organization is not mapped yet")).to_be_visible()


def test_a_providers_user_maps_organizations_by_their_ids_and_imports_nothing(page, api, stack):
    name = integration(api)
    connection(api, stack, name)
    provider, acme = organization(api, "MSP", is_provider=True), organization(api)
    mapped(api, name, acme, entity_id="42")
    sign_in(page, key_of(api, organization_id=provider["id"]))
    tab(page, name)
    expect(page.locator("tbody th")).to_have_text([acme["id"]])
    expect(page.get_by_role("link", name="Import CSV")).to_have_count(0)
    expect(page.get_by_role("button", name="Connect")).to_have_count(0)
    assert page.request.get(f"/console/integrations/{name}/mappings/~import").status == 403
    page.get_by_role("link", name="Add Mapping").click()
    expect(page.get_by_label("Link an OAuth token")).to_have_count(0)
    globex = organization(api, "Globex")
    page.get_by_label("Organization", exact=True).fill("globex")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#organization_id-error")).to_contain_text("UUID")
    page.get_by_label("Organization", exact=True).fill(globex["id"])
    page.get_by_label("Entity ID").fill("43")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("The mapping was added.")


def test_what_is_not_there_is_not_found(root, api):
    name = integration(api)
    for rest in (f"/{uuid.uuid4()}", f"/{uuid.uuid4()}/delete", "/nothing", "/~nothing"):
        assert root.request.get(f"/console/integrations/{name}/mappings{rest}").status == 404, rest


@pytest.fixture(scope="module")
def many(api) -> str:
    """An integration with 5,000 mappings."""
    name = integration(api)
    ids = [str(uuid.uuid4()) for _ in range(5000)]
    make = lambda number: create(api, "/organizations", id=ids[number], name=f"Customer {number:04}")
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(make, range(5000)))
    # Half of what one import takes, for there are slow machines.
    for start in range(0, 5000, 250):
        rows = [{"organization_id": id, "entity_id": f"tenant-{start + index:04}"} for index, id in enumerate(ids[start : start + 250])]
        answer = api.post(f"/integrations/{name}/mappings/import", json={"mappings": rows}).raise_for_status().json()
        assert answer["created"] == 250, [row for row in answer["rows"] if row["result"] == "error"]
    return name


def test_five_thousand_mappings_are_looked_through_page_by_page(root, many):
    took = {}

    def visit(what: str, rest: str) -> None:
        begun = time.monotonic()
        tab(root, many, rest)
        took[what] = time.monotonic() - begun

    visit("first page", "")
    expect(root.locator("tbody tr")).to_have_count(50)
    first = root.locator("tbody th").all_inner_texts()
    begun = time.monotonic()
    root.get_by_role("link", name="Next page").click()
    expect(root.locator("tbody tr")).to_have_count(50)
    took["second page"] = time.monotonic() - begun
    assert not set(first) & set(root.locator("tbody th").all_inner_texts())
    visit("one by name", "?q=customer+4999")
    expect(root.locator("tbody th")).to_have_text(["Customer 4999"])
    visit("one by entity", "?q=tenant-0000")
    expect(root.locator("tbody th")).to_have_text(["Customer 0000"])
    visit("many by name", "?q=customer+1")
    expect(root.locator("tbody tr")).to_have_count(50)
    visit("none that is broken", "?show=own")
    expect(root.get_by_text("No mapping is like that")).to_be_visible()
    print({what: f"{seconds * 1000:.0f} ms" for what, seconds in took.items()})
    # Where there are too many organizations to choose from, they are searched.
    tab(root, many, "/~new")
    root.get_by_label("Find the organization").fill("customer 123")
    root.get_by_role("button", name="Find").click()
    expect(root.get_by_text("10 found")).to_be_visible()
    expect(root.get_by_label("Organization", exact=True).locator("option")).to_have_count(11)
    exported = root.request.get(f"/console/integrations/{many}/mappings/~export").text().splitlines()
    assert len(exported) == 5001


def test_what_an_import_has_no_time_for_is_imported_by_doing_it_again(root, api):
    name, stem = integration(api), unique("Client")
    make = lambda number: organization(api, f"{stem}-{number:03}")["name"]
    with ThreadPoolExecutor(4) as threads:
        names = list(threads.map(make, range(600)))
    tab(root, name, "/~import")
    lines = [f"{one},{number}" for number, one in enumerate(names)]
    root.get_by_label("CSV", exact=True).fill("\n".join(["organization,entity_id", *lines]))
    begun = time.monotonic()
    root.get_by_role("button", name="Preview").click()
    expect(root.get_by_role("status")).to_contain_text("600 new")
    print(f"preview of 600: {time.monotonic() - begun:.1f} s")
    in_place = root.get_by_text("Everything in the list is in place.")
    failed = root.get_by_label("The lines that failed")
    for _ in range(10):
        begun = time.monotonic()
        root.get_by_role("button", name=re.compile("^Import ")).click()
        expect(in_place.or_(failed)).to_be_visible(timeout=30_000)
        print(f"import: {time.monotonic() - begun:.1f} s")
        if in_place.is_visible():
            break
        expect(root.get_by_role("table")).to_contain_text("There was no time left. Import it again.")
        root.get_by_role("button", name="Preview").click()
    expect(in_place).to_be_visible()
