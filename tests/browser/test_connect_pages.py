"""What somebody sees who was sent a link to sign in with, and has no account here."""

from urllib.parse import quote

from playwright.sync_api import expect

from conftest import create, look, unique


def link(api, provider, kind="good", **body) -> tuple[str, str]:
    """A connection's name, and a link to sign in to it."""
    given = provider.connection(kind, name=unique("Connection"), description="Reads the directory")
    name = create(api, "/connections?scope=global", **given)["name"]
    return name, create(api, f"/connections/{quote(name)}/authorize?scope=global", **body)["connect_url"]


def test_a_link_says_what_it_is_for_and_ends_on_a_page_that_says_so(page, api, provider):
    name, url = link(api, provider)
    page.goto(url)
    for said in ("the platform, for all organizations", "offline_access, Directory.Read.All", "Reads the directory"):
        expect(page.get_by_text(said)).to_be_visible()
    look(page, "connect-confirm-platform")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("Status: active")).to_be_visible()
    expect(page.get_by_text("You can close this page.")).to_be_visible()
    expect(page.get_by_role("link", name="Back")).to_have_count(0)
    page.goto(url)
    expect(page.get_by_text("This link has been used.")).to_be_visible()
    look(page, "connect-used")


def test_a_missing_refresh_token_is_warned_of(page, api, provider):
    _, url = link(api, provider, "no-refresh-token")
    page.goto(url)
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("The provider gave no refresh token.")).to_be_visible()
    look(page, "connect-no-refresh-token")


def test_who_is_refused_is_told_why_and_asked_to_begin_anew(page, api, provider):
    name, url = link(api, provider, "denies")
    page.goto(url)
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_role("heading", name=f"{name} is not connected")).to_be_visible()
    expect(page.get_by_role("link", name="Back")).to_have_count(0)
    page.reload()
    expect(page.get_by_text("To connect again, ask for a new link.")).to_be_visible()


def test_a_link_that_never_was_says_so(page):
    page.goto("/connect/never-given")
    expect(page.get_by_role("heading", name="This link does not work any more")).to_be_visible()
    look(page, "connect-invalid")
