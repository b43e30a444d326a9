"""API keys: made, shown once, and revoked."""

import re

import pytest
from playwright.sync_api import Error, expect

from conftest import create, look, sign_in, unique

NEW_KEY = re.compile(r"bfk_[0-9a-f]{32}_[\w-]+")


def key_of(api, role="user", name=None, **where) -> dict:
    return create(api, "/keys", name=name or unique("of a test"), role=role, **where)


@pytest.fixture
def acme(api) -> dict:
    return create(api, "/organizations", name=unique("Acme"))


def keys_of(api, scope) -> list:
    return api.get("/keys", params={"scope": scope, "limit": 200}).json()["items"]


def fill(page, name, role="Workflow", owner=None, **more):
    page.goto("/console/keys/~new")
    page.get_by_label("Name").fill(name)
    page.get_by_role("radio", name=role).check()
    if owner:
        page.get_by_label("Belongs to").select_option(label=owner)
    for label, value in more.items():
        page.get_by_label(label.replace("_", " ")).fill(value)


def test_a_key_is_made_shown_once_and_works(root, api, acme):
    name = unique("Nightly sync")
    root.goto("/console/keys")
    look(root, "keys")
    root.get_by_label("Keys of").select_option(label=acme["name"])
    root.get_by_role("button", name="Show").click()
    expect(root.get_by_role("main")).to_contain_text("There are no keys here yet.")
    look(root, "keys-none")
    root.get_by_role("link", name="Create API Key").click()
    expect(root.get_by_label("Belongs to")).to_have_value(acme["id"])
    look(root, "key-new")
    root.get_by_label("Name").fill(name)
    root.get_by_role("radio", name="Workflow").check()
    root.get_by_label("Expires", exact=True).select_option(label="In 1 hour")
    root.get_by_label("Allowed networks").fill("127.0.0.0/8\n::1")
    root.get_by_role("button", name="Create API Key").click()
    key = root.locator("#new-key").inner_text()
    assert NEW_KEY.fullmatch(key) and key not in root.url
    expect(root.get_by_role("main")).to_contain_text("It won't be shown again")
    root.get_by_role("button", name="Copy").click()
    expect(root.get_by_role("button", name="Copied")).to_be_visible()
    assert root.evaluate("navigator.clipboard.readText()") == key
    root.evaluate("document.getElementById('new-key').textContent = 'bfk_' + '0'.repeat(32) + '_' + 'A'.repeat(43)")
    look(root, "key-made")
    assert api.get("/integrations", headers={"Authorization": f"Bearer {key}"}).status_code == 200
    root.get_by_role("link", name="I have copied it").click()
    row = root.get_by_role("row", name=name)
    expect(row).to_contain_text("Workflow")
    expect(row).to_contain_text(acme["name"])
    expect(row).to_contain_text(re.compile("in (60|59) minutes"))
    expect(row).to_contain_text("127.0.0.0/8")
    assert "_" + key.rsplit("_")[-1] not in root.content()
    [made] = keys_of(api, acme["id"])
    assert made["allowed_cidrs"] == ["127.0.0.0/8", "::1/128"] and not made["read_secrets"]
    look(root, "keys-of-one")


def test_loading_the_page_of_a_new_key_again_neither_shows_it_nor_makes_another(root, api, acme):
    fill(root, "Once", owner=acme["name"])
    with root.expect_request(lambda request: request.method == "POST") as sent:
        root.get_by_role("button", name="Create API Key").click()
    key = root.locator("#new-key").inner_text()
    response = sent.value.response()
    assert response.headers["cache-control"] == "no-store"
    root.reload()
    expect(root.get_by_role("alert")).to_contain_text("is not shown again; no second one was made")
    assert key not in root.content() and len(keys_of(api, acme["id"])) == 1
    look(root, "key-sent-again")
    # Going back to it shows nothing either: the browser keeps no copy, and asks before it sends a form again.
    root.goto("/console/keys")
    with pytest.raises(Error, match="ERR_CACHE_MISS"):
        root.go_back()
    assert len(keys_of(api, acme["id"])) == 1


def test_two_clicks_make_one_key(root, api, acme):
    fill(root, "Twice", owner=acme["name"])
    form = root.locator("form[action='/console/keys/~new']")
    fields = form.evaluate("form => Object.fromEntries(new FormData(form))")
    # The browser keeps apart what two clicks send; here they come at the same moment.
    send = """async fields => Promise.all([1, 2, 3].map(() => fetch('/console/keys/~new', {method: 'POST', body: new URLSearchParams(fields)})
        .then(answer => answer.status)))"""
    # The page's own policy lets no script send anything, so another page of the same origin does it.
    other = root.context.new_page()
    other.goto("/openapi.json")
    assert sorted(other.evaluate(send, fields)) == [200, 409, 409]
    assert len(keys_of(api, acme["id"])) == 1


def test_a_refused_form_keeps_what_was_typed_and_can_be_sent_again(root, api, acme):
    fill(root, "Refused", role="Admin", owner=acme["name"], Allowed_networks="office\n10.0.0.0/8")
    root.get_by_label("Expires", exact=True).select_option(label="In 7 days")
    root.get_by_label("Expires exactly at").fill("2000-01-01T12:30")
    root.get_by_role("button", name="Create API Key").click()
    for field in ("allowed_cidrs", "expires_in"):
        expect(root.locator(f"#{field}-error")).to_be_visible()
    expect(root.get_by_label("Name")).to_have_value("Refused")
    expect(root.get_by_role("radio", name="Admin")).to_be_checked()
    expect(root.get_by_label("Allowed networks")).to_have_value("office\n10.0.0.0/8")
    expect(root.get_by_label("Expires exactly at")).to_have_value("2000-01-01T12:30")
    look(root, "key-new-refused")
    root.get_by_label("Expires", exact=True).select_option(index=0)
    root.get_by_label("Allowed networks").fill("10.0.0.0/8")
    root.get_by_role("button", name="Create API Key").click()
    expect(root.locator("#expires_at-error")).to_contain_text("must lie in the future")
    root.get_by_label("Expires exactly at").fill("2999-01-01T12:30")
    root.get_by_role("button", name="Create API Key").click()
    expect(root.locator("#role-error")).to_contain_text("can't be admin for a key of a managed organization")
    assert keys_of(api, acme["id"]) == []
    root.get_by_role("radio", name="User").check()
    root.get_by_label("Reads client secrets").select_option(label="No")
    root.get_by_role("button", name="Create API Key").click()
    expect(root.locator("#new-key")).to_be_visible()
    [made] = keys_of(api, acme["id"])
    assert made["expires_at"] == "2999-01-01T12:30:00.000Z" and not made["read_secrets"]


def test_whose_key_it_is_must_be_said_and_the_platform_is_said_explicitly(root, api):
    name = unique("For the platform")
    fill(root, name, role="Admin")
    root.get_by_role("button", name="Create API Key").click()
    # The browser itself asks for it; without that, the server does.
    expect(root.locator("#new-key")).to_have_count(0)
    root.locator("form[action='/console/keys/~new']").evaluate("form => form.noValidate = true")
    root.get_by_role("button", name="Create API Key").click()
    expect(root.locator("#organization_id-error")).to_contain_text("is required")
    root.get_by_label("Belongs to").select_option(label="The platform")
    root.get_by_role("button", name="Create API Key").click()
    expect(root.locator("#new-key")).to_be_visible()
    assert name in [key["name"] for key in keys_of(api, "global")]


def test_revoking_names_the_keys_that_die_with_it(root, api, stack):
    parent = key_of(api, "admin", name=unique("Parent"), platform=True)
    with stack.api(parent["key"]) as of_parent:
        child = key_of(of_parent, "user", name=unique("Child"), platform=True)
    root.goto("/console/keys")
    while not root.get_by_role("link", name=f"Revoke {parent['name']}").count():
        root.get_by_role("link", name="Next page").click()
    root.get_by_role("link", name=f"Revoke {parent['name']}").click()
    expect(root.get_by_role("main")).to_contain_text(child["name"])
    look(root, "key-revoke")
    assert api.get("/integrations", headers={"Authorization": f"Bearer {child['key']}"}).status_code == 200
    root.get_by_role("button", name="Revoke key").click()
    expect(root.get_by_role("status")).to_contain_text("has been revoked")
    assert parent["name"] not in root.content()
    for key in (parent, child):
        with stack.api(key["key"]) as revoked:
            assert revoked.get("/openapi.json").status_code == 200
            assert root.request.get("/console/keys").ok
    root.context.clear_cookies()
    root.goto("/console/sign-in")
    root.get_by_label("API key").fill(child["key"])
    root.get_by_role("button", name="Sign in").click()
    expect(root.locator("#key-error")).to_contain_text("has been revoked")


def test_revoking_ones_own_key_signs_one_out(page, api):
    key = key_of(api, "admin", platform=True)
    sign_in(page, key["key"])
    page.goto(f"/console/keys/{key['id']}/revoke")
    expect(page.get_by_role("main")).to_contain_text("you will be signed out")
    page.get_by_role("button", name="Revoke key").click()
    expect(page).to_have_url(re.compile("/console/sign-in"))


def test_a_managed_user_makes_and_sees_workflow_keys_of_its_own_only(page, api, acme):
    other = create(api, "/organizations", name=unique("Other"))
    theirs = key_of(api, "workflow", organization_id=other["id"])
    user = key_of(api, "user", organization_id=acme["id"])
    sign_in(page, user["key"])
    page.get_by_role("link", name="API Keys").click()
    expect(page.get_by_label("Keys of")).to_have_count(0)
    page.get_by_role("link", name="Create API Key").click()
    expect(page.get_by_role("radio")).to_have_count(1)
    expect(page.get_by_label("Belongs to")).to_have_count(0)
    look(page, "key-new-of-a-user")
    page.get_by_label("Name").fill("Mine")
    page.get_by_role("button", name="Create API Key").click()
    expect(page.locator("#new-key")).to_be_visible()
    page.get_by_role("link", name="I have copied it").click()
    expect(page.get_by_role("row", name="Mine")).to_contain_text(acme["name"])
    assert user["id"] not in page.get_by_role("table").inner_text()
    for path in (f"?scope={other['id']}", "?scope=global", f"/~new?scope={other['id']}"):
        assert page.request.get(f"/console/keys{path}").status == 403
    for id in (theirs["id"], user["id"]):
        assert page.request.get(f"/console/keys/{id}/revoke").status == 404
        assert send(page, f"/console/keys/{id}/revoke").status == 404
    for form in ({"role": "user"}, {"role": "admin"}, {"role": "workflow", "organization_id": other["id"]}):
        assert send(page, "/console/keys/~new", once=unique("x"), **form).status in (403, 422)
    assert len(keys_of(api, other["id"])) == 1 and len(keys_of(api, acme["id"])) == 2


def test_a_user_of_the_platform_manages_no_keys(page, api):
    key = key_of(api, "user", platform=True)
    sign_in(page, key["key"])
    expect(page.get_by_role("link", name="API Keys")).to_have_count(0)
    for path in ("", "/~new", f"/{key['id']}/revoke"):
        assert page.request.get(f"/console/keys{path}").status == 403
    assert send(page, "/console/keys/~new", once="x", role="workflow", organization_id="global").status == 403
    assert send(page, f"/console/keys/{key['id']}/revoke").status == 403


def send(page, path, **form):
    token = page.locator("input[name=form_token]").first.get_attribute("value")
    headers = {"Origin": page.url.split("/console")[0]}
    return page.request.post(path, form={"form_token": token, **form}, headers=headers)


@pytest.mark.parametrize("path", ["/x/revoke", "/00000000-0000-7000-8000-000000000000/revoke", "?scope=acme"])
def test_what_is_no_key_and_no_scope_is_refused(root, path):
    assert root.request.get(f"/console/keys{path}").status in (404, 422)
