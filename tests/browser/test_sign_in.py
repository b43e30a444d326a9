"""Signing in to the console with a key, and out."""

import re

import httpx
import pytest
from playwright.sync_api import expect

from conftest import create, look, sign_in, unique


def key_of(api, role="user", **where) -> dict:
    return create(api, "/keys", name="of a test", role=role, **where)


def test_without_a_session_one_is_asked_for_a_key_and_led_on_afterwards(page, stack):
    page.goto("/console/providers")
    expect(page).to_have_url(re.compile("/console/sign-in"))
    look(page, "sign-in")
    page.get_by_label("API key").fill(f" {stack.root_key}\n")
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile("/console/providers$"))


def test_a_wrong_key_is_refused_beside_its_field_and_not_shown_again(page):
    page.goto("/console/sign-in")
    page.get_by_label("API key").fill("bfk_root_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#key-error")).to_contain_text("is not a key of this stack")
    expect(page.get_by_label("API key")).to_have_value("")
    assert "bfk_root_wrong" not in page.content()


def test_a_workflows_key_is_refused(page, api):
    organization = create(api, "/organizations", name=unique("Acme"))
    page.goto("/console/sign-in")
    page.get_by_label("API key").fill(key_of(api, "workflow", organization_id=organization["id"])["key"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#key-error")).to_contain_text("role user or admin")


def test_the_cookie_is_no_scripts_business_and_holds_no_readable_key(root, stack):
    cookies = {cookie["name"]: cookie for cookie in root.context.cookies()}
    session = cookies["bifrost-session"]
    assert session["httpOnly"] and session["sameSite"] == "Lax" and session["path"] == "/"
    assert stack.root_key not in str(cookies) and stack.root_key[-20:] not in str(cookies)
    assert root.evaluate("document.cookie") == ""


def test_pages_are_not_stored_not_framed_and_run_no_script_of_others(root):
    headers = root.request.get("/console/overview").headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy


def test_after_signing_out_the_session_is_gone(root):
    root.get_by_role("button", name="Sign out").click()
    expect(root).to_have_url(re.compile("/console/sign-in"))
    root.goto("/console/overview")
    expect(root).to_have_url(re.compile("/console/sign-in"))


def test_a_revoked_key_ends_its_session_at_once(page, api):
    key = key_of(api, "admin", platform=True)
    sign_in(page, key["key"])
    assert api.delete(f"/keys/{key['id']}").status_code == 204
    page.reload()
    expect(page).to_have_url(re.compile("/console/sign-in"))


@pytest.mark.parametrize("change", ["no token", "another token", "another origin"])
def test_a_form_that_is_not_ours_does_nothing(root, stack, change):
    token = root.locator("input[name=form_token]").first.get_attribute("value")
    form = {} if change == "no token" else {"form_token": "0" * 64 if change == "another token" else token}
    headers = {"Origin": "https://evil.example" if change == "another origin" else stack.url}
    cookies = {cookie["name"]: cookie["value"] for cookie in root.context.cookies()}
    answer = httpx.post(f"{stack.url}/console/sign-out", data=form, headers=headers, cookies=cookies)
    assert answer.status_code == 403 and "was not sent from a page of your present session" in answer.text
    root.reload()
    expect(root.get_by_role("button", name="Sign out")).to_be_visible()


@pytest.mark.parametrize("cookie", ["", "x", "AAAA", "A" * 400, "🙂"])
def test_a_cookie_that_we_did_not_seal_is_no_session(stack, cookie):
    headers = {"Cookie": f"bifrost-session={cookie}".encode()}
    answer = httpx.get(f"{stack.url}/console/overview", headers=headers)
    assert answer.status_code == 303 and answer.headers["location"].startswith("/console/sign-in")


@pytest.mark.parametrize("next", ["//evil.example", "https://evil.example", "/\\evil.example", "../connect/x"])
def test_signing_in_leads_nowhere_but_into_the_console(page, stack, next):
    page.goto(f"/console/sign-in?next={next}")
    page.get_by_label("API key").fill(stack.root_key)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(f"^{re.escape(stack.url)}/console/"))
