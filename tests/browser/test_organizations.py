"""Organizations: those who look after them all list, make and delete them."""

import re
import uuid

import pytest
from playwright.sync_api import expect

from conftest import create, look, sign_in, unique


def key_of(api, role="user", **where) -> dict:
    return create(api, "/keys", name=unique("of a test"), role=role, **where)


@pytest.fixture
def acme(api) -> dict:
    return create(api, "/organizations", name=unique("Acme"))


def open_list(page):
    page.get_by_role("navigation", name="Settings").get_by_role("link", name="Organizations").click()
    expect(page.get_by_role("heading", name="Organizations", level=1)).to_be_visible()


def test_an_organization_is_created_and_found_in_the_list(root):
    name = unique("Northwind <b>& Söhne</b>")
    open_list(root)
    root.get_by_role("link", name="Create Organization").click()
    look(root, "organization-new")
    root.get_by_label("Name").fill(name)
    root.get_by_role("button", name="Create Organization").click()
    expect(root.get_by_role("status")).to_contain_text("has been created")
    expect(root.get_by_role("heading", name=name, level=1)).to_be_visible()
    expect(root.get_by_role("main")).to_contain_text("Managed")
    open_list(root)
    root.get_by_label("Filter by name").fill(name[-8:])
    root.get_by_role("button", name="Filter").click()
    expect(root.get_by_role("row")).to_have_count(2)
    expect(root.get_by_role("row").nth(1)).to_contain_text(name)
    look(root, "organizations-filtered")


def test_an_id_may_be_given_and_a_provider_is_called_one(root, api):
    given, name = str(uuid.uuid4()), unique("Our MSP")
    root.goto("/console/organizations/~new")
    root.get_by_label("Name").fill(name)
    root.get_by_label("ID (optional)").fill(given)
    root.get_by_label("It is a provider").check()
    root.get_by_role("button", name="Create Organization").click()
    expect(root).to_have_url(re.compile(f"/console/organizations/{given}"))
    expect(root.get_by_role("main")).to_contain_text("Provider")
    found, cursor = [], None
    while not found:
        page = api.get("/organizations", params={"limit": 200} | ({"cursor": cursor} if cursor else {})).json()
        found = [item for item in page["items"] if item["id"] == given]
        cursor = page["next_cursor"]
        assert found or cursor, "it is not in the list"
    assert found[0]["is_provider"] and found[0]["name"] == name


def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays(root, acme):
    root.goto("/console/organizations/~new")
    root.get_by_label("Name").fill("Contoso")
    root.get_by_label("ID (optional)").fill("not an id")
    root.get_by_label("It is a provider").check()
    root.get_by_role("button", name="Create Organization").click()
    expect(root.locator("#id-error")).to_contain_text("must be a UUID")
    expect(root.get_by_label("Name")).to_have_value("Contoso")
    expect(root.get_by_label("It is a provider")).to_be_checked()
    look(root, "organization-new-refused")
    root.get_by_label("ID (optional)").fill(acme["id"])
    root.get_by_role("button", name="Create Organization").click()
    expect(root.get_by_role("alert")).to_contain_text(f"The id {acme['id']} is taken.")


def test_an_id_can_be_copied(root, acme):
    root.goto(f"/console/organizations/{acme['id']}")
    root.get_by_role("button", name="Copy").click()
    expect(root.get_by_role("button", name="Copied")).to_be_visible()
    assert root.evaluate("navigator.clipboard.readText()") == acme["id"]


def test_a_long_list_goes_on_on_further_pages(root, api):
    for number in range(55):
        create(api, "/organizations", name=f"Many {number}")
    seen = set()
    root.goto("/console/organizations")
    look(root, "organizations")
    while True:
        seen.update(link.get_attribute("href") for link in root.get_by_role("row").get_by_role("link").all())
        following = root.get_by_role("link", name="Next page")
        if not following.count():
            break
        following.click()
        root.wait_for_load_state()
    assert len(seen) >= 55
    root.goto("/console/organizations?q=nobody+has+this")
    expect(root.get_by_role("main")).to_contain_text("No organization has that in its name.")


def test_an_organizations_page_leads_to_what_it_has(root, api, acme):
    integration = unique("Halo PSA")
    create(api, "/integrations", name=integration, config_schema=[{"key": "site", "type": "string", "required": True}])
    api.put(f"/integrations/{integration}/mappings/{acme['id']}", json={"entity_id": "tenant-7", "entity_name": "Acme GmbH"})
    root.goto(f"/console/organizations/{acme['id']}")
    row = root.get_by_role("row").nth(1)
    expect(row).to_contain_text("tenant-7")
    expect(row).to_contain_text("Missing: site")
    link = row.get_by_role("link", name=integration)
    expect(link).to_have_attribute("href", re.compile(f"/mappings/{acme['id']}$"))
    main = root.get_by_role("main")
    for name, section in (("OAuth Connections of", "connections"), ("API Keys of", "keys")):
        expect(main.get_by_role("link", name=name)).to_have_attribute("href", f"/console/{section}?scope={acme['id']}")
    look(root, "organization")


def test_deleting_says_what_goes_and_wants_the_name_typed(root, api, acme):
    integration = unique("Halo")
    create(api, "/integrations", name=integration)
    api.put(f"/integrations/{integration}/mappings/{acme['id']}", json={"entity_id": "7"}).raise_for_status()
    connection = {"name": "Own Graph", "client_id": "x", "client_secret": "y", "token_url": "https://example.com/token"}
    create(api, f"/connections?scope={acme['id']}", flow="client_credentials", **connection)
    key = key_of(api, "workflow", organization_id=acme["id"])
    root.goto(f"/console/organizations/{acme['id']}")
    root.get_by_role("link", name="Delete organization…").click()
    main = root.get_by_role("main")
    for words in ("1 connection: Own Graph", f"1 mapping: {integration}", "1 API key", "unreadable at once"):
        expect(main).to_contain_text(words)
    look(root, "organization-delete")
    root.get_by_label("Type the organization's name").fill("something else")
    root.get_by_role("button", name="Delete organization").click()
    expect(root.locator("#confirm-error")).to_contain_text("is not the organization's name")
    assert api.get("/keys", params={"scope": acme["id"]}).json()["items"]
    root.get_by_label("Type the organization's name").fill(acme["name"])
    root.get_by_role("button", name="Delete organization").click()
    expect(root).to_have_url(re.compile(f"/{acme['id']}/deleted$"))
    look(root, "organization-deleted")
    # Within moments here; where there is more, the page says so and can be looked at again.
    while root.get_by_role("link", name="Look again").count():
        expect(root.get_by_role("status")).to_contain_text("is being removed")
        root.get_by_role("link", name="Look again").click()
    expect(root.get_by_role("status")).to_contain_text("Nothing is left of it.")
    root.goto(f"/console/organizations/{acme['id']}")
    expect(root.get_by_role("heading", level=1)).to_have_text("There is no such thing")
    with_key = {"Authorization": f"Bearer {key['key']}"}
    assert api.get("/integrations", headers=with_key).status_code == 403


def test_a_get_deletes_nothing(root, api, acme):
    root.goto(f"/console/organizations/{acme['id']}/delete")
    root.goto(f"/console/organizations/{acme['id']}/deleted")
    expect(root).to_have_url(re.compile(f"/organizations/{acme['id']}$"))


@pytest.mark.parametrize("path", ["", "/~new", "/{id}", "/{id}/delete", "/{id}/deleted"])
@pytest.mark.parametrize("kind", ["user of a managed organization", "user of a provider"])
def test_who_may_not_see_organizations_is_not_shown_any_and_refused(page, api, acme, path, kind):
    home = acme if "managed" in kind else create(api, "/organizations", name=unique("MSP"), is_provider=True)
    sign_in(page, key_of(api, "user", organization_id=home["id"])["key"])
    expect(page.get_by_role("link", name="Organizations")).to_have_count(0)
    answer = page.request.get(f"/console/organizations{path}".replace("{id}", acme["id"]))
    assert answer.status == 403
    token = page.locator("input[name=form_token]").first.get_attribute("value")
    form = {"form_token": token, "name": "x", "confirm": acme["name"]}
    headers = {"Origin": page.url.split("/console")[0]}
    sent = page.request.post(f"/console/organizations{path}".replace("{id}", acme["id"]), form=form, headers=headers)
    assert sent.status == 403
    assert acme["id"] in [item["id"] for item in all_organizations(api)]


def all_organizations(api) -> list:
    items, cursor = [], None
    while True:
        answer = api.get("/organizations", params={"limit": 200} | ({"cursor": cursor} if cursor else {})).json()
        items, cursor = items + answer["items"], answer["next_cursor"]
        if not cursor:
            return items


def test_an_administrator_of_a_provider_looks_after_all(page, api, acme):
    provider = create(api, "/organizations", name=unique("MSP"), is_provider=True)
    sign_in(page, key_of(api, "admin", organization_id=provider["id"])["key"])
    page.goto(f"/console/organizations/{acme['id']}")
    expect(page.get_by_role("heading", name=acme["name"])).to_be_visible()
    page.goto(f"/console/organizations/{provider['id']}/delete")
    expect(page.get_by_role("main")).to_contain_text("you will be signed out")
    page.get_by_label("Type the organization's name").fill(provider["name"])
    page.get_by_role("button", name="Delete organization").click()
    expect(page).to_have_url(re.compile("/console/sign-in"))


@pytest.mark.parametrize("id", ["x", "..%2f", str(uuid.uuid4())])
def test_what_is_no_organization_is_not_found(root, id):
    answer = root.request.get(f"/console/organizations/{id}")
    assert answer.status == 404
