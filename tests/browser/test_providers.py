"""The catalogue of OAuth providers."""

import html
import re

import pytest
from playwright.sync_api import expect

from conftest import create, look, sign_in, unique


def test_the_catalogue_is_filtered_by_name_and_category(root):
    root.get_by_role("link", name="OAuth Providers").click()
    look(root, "providers")
    everything = root.get_by_role("row").count()
    assert everything > 80
    root.get_by_label("Category").select_option(label="PSA")
    root.get_by_role("button", name="Filter").click()
    expect(root.get_by_role("row", name="HaloPSA")).to_contain_text("Authorization Code (Interactive)")
    assert root.get_by_role("row").count() < 10
    root.get_by_label("Filter by name").fill("HALO")
    root.get_by_role("button", name="Filter").click()
    expect(root.get_by_role("row")).to_have_count(2)
    expect(root.get_by_label("Category")).to_have_value("psa")
    root.get_by_label("Filter by name").fill("no such provider <i>")
    root.get_by_role("button", name="Filter").click()
    expect(root.get_by_role("main")).to_contain_text("add a connection to a Custom Provider")
    look(root, "providers-none")
    root.get_by_role("link", name="Show all").click()
    expect(root.get_by_role("row")).to_have_count(everything)


def test_a_providers_page_says_what_to_register_and_what_goes_wrong(root, stack):
    root.goto("/console/providers/microsoft_graph")
    main = root.get_by_role("main")
    expect(main.get_by_role("heading", level=1)).to_have_text("Microsoft Graph (Entra ID)")
    for words in (
        "https://login.microsoftonline.com/organizations/oauth2/v2.0/token",
        f"{stack.url}/oauth/callback/Microsoft_Graph",
        "New client secret",
        "Without the scope offline_access no refresh token comes",
        "{entity_id}",
        "Dies when it is not used for 90 days",
    ):
        expect(main).to_contain_text(words)
    expect(main.get_by_role("row", name="AADSTS7000215")).to_contain_text("Create a new client secret and enter its Value.")
    expect(main.get_by_role("link", name="Add connection")).to_have_attribute(
        "href", "/console/connections/~new?provider=microsoft_graph"
    )
    look(root, "provider")


def test_links_that_leave_tell_nobody_where_one_came_from(root):
    root.goto("/console/providers/microsoft_graph")
    root.get_by_text("Sources of these facts").click()
    away = [link for link in root.get_by_role("link").all() if link.get_attribute("href").startswith("http")]
    assert len(away) > 5
    for link in away:
        assert link.get_attribute("rel") == "noopener noreferrer"
        assert link.get_attribute("href").startswith("https://")


def test_a_provider_with_an_api_key_says_what_to_put_into_an_integration(root):
    root.goto("/console/providers/autotask")
    main = root.get_by_role("main")
    expect(main).to_contain_text("There is nothing to connect")
    expect(main.get_by_role("row", name="api_integration_code")).to_contain_text("secret")
    expect(main.get_by_role("link", name="Add connection")).to_have_count(0)
    expect(main.get_by_role("link", name="Create Integration")).to_be_visible()
    look(root, "provider-with-api-key")


def test_placeholders_are_explained_with_their_only_values(root, api):
    closed = next(
        preset
        for preset in api.get("/providers", params={"limit": 200}).json()["items"]
        if any(placeholder.get("values") for placeholder in preset.get("placeholders", {}).values())
    )
    root.goto(f"/console/providers/{closed['name']}")
    main = root.get_by_role("main")
    for name, placeholder in closed["placeholders"].items():
        expect(main).to_contain_text(f"{{{name}}}")
        for value in placeholder.get("values", []):
            expect(main).to_contain_text(value)
    look(root, "provider-with-placeholders")


def test_every_page_of_the_catalogue_is_there_and_names_each_of_its_scopes_and_troubles(root, api):
    presets = api.get("/providers", params={"limit": 200}).json()["items"]
    for preset in presets:
        answer = root.request.get(f"/console/providers/{preset['name']}")
        assert answer.ok, preset["name"]
        text = html.unescape(answer.text())
        for trouble in preset.get("troubles", []):
            assert trouble["fix"] in text, (preset["name"], trouble)
        for scope in preset.get("known_scopes", []):
            assert scope in text, (preset["name"], scope)


def test_however_its_name_is_spelt_a_provider_is_found_and_what_is_none_is_not(root):
    assert root.request.get("/console/providers/Microsoft-Graph").ok
    for path in ("nobody", "microsoft_graph/x", "%2e%2e"):
        assert root.request.get(f"/console/providers/{path}").status == 404


@pytest.mark.parametrize("who", ["user of the platform", "user of a managed organization"])
def test_everyone_may_read_it_and_only_who_may_connect_is_offered_it(page, api, who):
    acme = create(api, "/organizations", name=unique("Acme"))
    where = {"platform": True} if "platform" in who else {"organization_id": acme["id"]}
    sign_in(page, create(api, "/keys", name="reader", role="user", **where)["key"])
    page.goto("/console/providers/halopsa")
    expect(page.get_by_role("link", name="Add connection")).to_have_count(0 if "platform" in who else 1)
    page.goto("/console/providers/autotask")
    expect(page.get_by_role("link", name="Create Integration")).to_have_count(0)
    assert re.search("Autotask", page.content())
