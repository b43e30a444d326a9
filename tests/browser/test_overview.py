"""The overview: what needs somebody, how much there is, and what is refreshed when."""

import re
import time

import pytest
from playwright.sync_api import expect

from conftest import create, look, sign_in, unique


def key_of(api, role="user", **where) -> dict:
    return create(api, "/keys", name="of a test", role=role, **where)


def connection(api, stack, scope, **more) -> dict:
    body = {
        "name": unique("Halo"),
        "client_id": "bifrost-demo",
        "client_secret": "demo-client-secret",
        "authorization_url": f"{stack.provider}/authorize",
        "token_url": f"{stack.provider}/token",
    }
    return create(api, f"/connections?scope={scope}", **body | more)


def connect(api, page, scope, connection, **body):
    """Signs in at the provider, in a browser of its own."""
    link = create(api, f"/connections/{connection['name']}/authorize?scope={scope}", **body)["connect_url"]
    tab = page.context.browser.new_page()
    tab.goto(link)
    tab.get_by_role("button", name="Continue").click()
    tab.get_by_role("button", name="Sign in and allow").click()
    expect(tab.get_by_role("heading", level=1)).to_contain_text("connected", ignore_case=True)
    tab.close()


def needs(page):
    return page.get_by_role("main").locator("ul.needs > li")


def test_a_connection_whose_sign_in_or_secret_is_over_comes_first_and_leads_to_its_page(root, api, stack):
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 5 * 86_400 + 60))
    past = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3_700))
    acme = create(api, "/organizations", name=unique("Acme"))
    ending = connection(api, stack, acme["id"], client_secret_expires_at=soon)
    over = connection(api, stack, "global", client_secret_expires_at=past)
    root.goto("/console/overview")
    row = needs(root).filter(has_text=ending["name"])
    expect(row).to_contain_text("Secret expires soon")
    expect(row).to_contain_text(f"of {acme['name']}")
    expect(row).to_contain_text("expires in 5 days")
    link = row.get_by_role("link", name=ending["name"])
    name = ending["name"].replace(" ", "%20")
    expect(link).to_have_attribute("href", f"/console/connections/{name}?scope={acme['id']}")
    expect(needs(root).filter(has_text=over["name"])).to_contain_text("Secret expired")
    texts = needs(root).all_inner_texts()
    assert next(n for n, text in enumerate(texts) if over["name"] in text) < next(n for n, text in enumerate(texts) if ending["name"] in text)
    api.delete(f"/connections/{over['name']}?scope=global").raise_for_status()
    api.delete(f"/connections/{ending['name']}?scope={acme['id']}").raise_for_status()
    root.reload()
    expect(root.get_by_role("main")).not_to_contain_text(ending["name"])


def test_the_counts_are_links_to_what_they_count(root, api):
    create(api, "/organizations", name=unique("Acme"))
    create(api, "/integrations", name=unique("Halo"))
    root.goto("/console/overview")
    tiles = root.locator("a.tile")
    for name, address in (("Organizations", "organizations"), ("Integrations", "integrations"), ("Connections", "connections")):
        tile = tiles.filter(has_text=name)
        expect(tile).to_have_attribute("href", f"/console/{address}")
        assert re.search(r"\d+", tile.inner_text())


def test_what_the_schedule_refreshes_is_plotted_and_told_in_a_table(root, api, stack):
    """Takes two minutes: so long live the demo provider's tokens."""
    mine = connection(api, stack, "global")
    connect(api, root, "global", mine)
    dead = connection(api, stack, "global")
    connect(api, root, "global", dead)
    api.patch(f"/connections/{dead['name']}?scope=global", json={"client_secret": "wrong"}).raise_for_status()
    deadline = time.time() + 230
    while True:
        root.goto("/console/overview")
        past = root.get_by_role("img", name=re.compile("Scheduled refreshes"))
        text = root.get_by_role("main").inner_text()
        counts = re.search(r"(\d+) refreshed and (\d+) failed in the last 24 hours", text)
        upcoming = re.search(r"(\d+) tokens? that expires?", text)
        # What other tests left behind is refreshed, too.
        mine_failed = needs(root).filter(has_text=dead["name"]).filter(has_text="Failing, retrying")
        if mine_failed.count() and int(counts[1]) >= 1 and int(counts[2]) >= 1 and int(upcoming[1]) >= 1:
            break
        assert time.time() < deadline, text
        time.sleep(5)
    expect(past).to_be_visible()
    expect(root.get_by_role("img", name=re.compile("Upcoming expiries"))).to_be_visible()
    look(root, "overview")
    for summary in root.get_by_text("As a table").all():
        summary.click()
    table = root.get_by_role("table").first
    expect(table.get_by_role("columnheader")).to_have_text(["Hour (UTC)", "Refreshed", "Failed"])
    told = [[int(cell) for cell in row.get_by_role("cell").all_inner_texts()] for row in table.get_by_role("row").all()[1:]]
    assert [sum(column) for column in zip(*told)] == [int(counts[1]), int(counts[2])]
    look(root, "overview-tables")
    inside = """svg => [...svg.querySelectorAll('rect[x]')].every(bar => {
        const [inner, outer] = [bar.getBoundingClientRect(), svg.getBoundingClientRect()];
        return inner.left >= outer.left && inner.right <= outer.right && inner.top >= outer.top && inner.bottom <= outer.bottom
    })"""
    for width in (1280, 390):
        root.set_viewport_size({"width": width, "height": 860})
        for svg in root.locator("figure svg[role=img]").all():
            assert svg.evaluate(inside)


def test_a_managed_user_sees_its_own_organization_and_nothing_of_others(page, api, stack):
    acme, other = (create(api, "/organizations", name=unique(name)) for name in ("Acme", "Other"))
    integration = unique("Halo")
    create(api, "/integrations", name=integration, config_schema=[{"key": "site", "type": "string", "required": True}])
    api.put(f"/integrations/{integration}/mappings/{acme['id']}", json={"entity_id": "tenant-7"}).raise_for_status()
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86_400))
    mine = connection(api, stack, acme["id"], client_secret_expires_at=soon)
    theirs = connection(api, stack, other["id"], client_secret_expires_at=soon)
    ours = connection(api, stack, "global", client_secret_expires_at=soon)
    sign_in(page, key_of(api, "user", organization_id=acme["id"])["key"])
    page.goto("/console/overview")
    main = page.get_by_role("main")
    expect(needs(page)).to_have_count(1)
    expect(needs(page)).to_contain_text(mine["name"])
    expect(main.get_by_role("row", name=mine["name"])).to_contain_text("Not connected")
    expect(main.get_by_role("row", name=integration)).to_contain_text("Missing: site")
    for foreign in (theirs["name"], ours["name"], other["name"], "Scheduled refreshes", "Organizations"):
        assert foreign not in main.inner_text()
    look(page, "overview-of-a-user")
    for name, scope in ((mine, acme["id"]), (theirs, other["id"]), (ours, "global")):
        api.delete(f"/connections/{name['name']}?scope={scope}").raise_for_status()
    page.reload()
    expect(main).to_contain_text("It has no connections of its own.")
    expect(main).to_contain_text("Every connection that is in use works")


def test_an_organizations_own_sign_in_that_is_over_is_told_to_it_and_to_administrators(page, api, stack, chromium):
    acme = create(api, "/organizations", name=unique("Acme"))
    shared = connection(api, stack, "global")
    integration = unique("Halo")
    create(api, "/integrations", name=integration, connection=shared["name"])
    api.put(f"/integrations/{integration}/mappings/{acme['id']}", json={"entity_id": "7"}).raise_for_status()
    sign_in(page, key_of(api, "user", organization_id=acme["id"])["key"])
    connect(api, page, "global", shared, organization_id=acme["id"])
    page.goto("/console/overview")
    expect(page.get_by_role("row", name=integration)).to_contain_text("Active")
    # Now the provider knows the client no more, and says so when it is asked.
    api.patch(f"/connections/{shared['name']}?scope=global", json={"client_secret": "wrong"}).raise_for_status()
    api.post(f"/connections/{shared['name']}/refresh?scope={acme['id']}&integration={integration}", json={})
    page.reload()
    row = needs(page).filter(has_text=f"Own sign-in for {integration}")
    expect(row).to_contain_text("Failing, retrying")
    expect(row.get_by_role("link")).to_have_attribute("href", re.compile(f"/mappings/{acme['id']}$"))
    admin = chromium.new_context(base_url=stack.url)
    console = sign_in(admin.new_page(), stack.root_key)
    console.goto("/console/overview")
    row = needs(console).filter(has_text=shared["name"]).filter(has_text=f"of {acme['name']}")
    expect(row).to_contain_text("Its own sign-in on the global connection")
    admin.close()


@pytest.mark.parametrize("who", ["user of the platform", "user of a provider", "admin of a provider"])
def test_each_role_sees_what_it_may(page, api, stack, who):
    create(api, "/integrations", name=unique("Halo"))
    provider = create(api, "/organizations", name=unique("MSP"), is_provider=True)
    where = {"platform": True} if "platform" in who else {"organization_id": provider["id"]}
    sign_in(page, key_of(api, who.split()[0], **where)["key"])
    page.goto("/console/overview")
    main = page.get_by_role("main")
    plots = main.get_by_role("img", name=re.compile("Scheduled refreshes"))
    if "admin" in who:
        expect(plots).to_be_visible()
        expect(main.locator("a.tile")).to_have_count(3)
    else:
        expect(plots).to_have_count(0)
    if who == "user of the platform":
        expect(main).to_contain_text("are for its admins")
        expect(main.get_by_role("link", name=re.compile("OAuth Connections"))).to_have_count(0)
    assert page.request.get("/console/overview/x").status == 404
