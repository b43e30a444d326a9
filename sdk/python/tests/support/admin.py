"""What an administrator does: describes integrations, connects them, maps organizations, makes keys."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from support.stack import Stack

#: The demo provider's one client.
CLIENT = {"client_id": "bifrost-demo", "client_secret": "demo-client-secret"}


@dataclass(frozen=True)
class Admin:
    """Whoever holds the root key."""

    stack: Stack
    _http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60, trust_env=False), repr=False)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The answer's body; an answer of another status than 2xx ends the test."""
        headers = {"authorization": f"Bearer {self.stack.root_key}"}
        response = self._http.request(method, self.stack.url + path, json=body, headers=headers)
        assert response.is_success, f"{method} {path}: {response.text}"
        return response.json() if response.content else None

    def close(self) -> None:
        self._http.close()

    def organization(self, name: str, *, is_provider: bool = False) -> str:
        body = {"name": f"{name} {uuid.uuid4()}", "is_provider": is_provider}
        return str(self.call("POST", "/organizations", body)["id"])

    def key(self, role: str, organization: str | None, **options: object) -> str:
        where = {"platform": True} if organization is None else {"organization_id": organization}
        return str(self.call("POST", "/keys", {"role": role, **where, **options})["key"])

    def integration(self, name: str, **options: object) -> str:
        schema = [
            {"key": "base_url", "type": "string"},
            {"key": "tenant_id", "type": "string"},
            {"key": "custom_field", "type": "string"},
            {"key": "api_key", "type": "secret"},
        ]
        return str(
            self.call("POST", "/integrations", {"name": name, "config_schema": schema, **options})["id"]
        )

    def map(self, name: str, organization: str, entity_id: str, **options: object) -> Mapping[str, Any]:
        path = f"/integrations/{name}/mappings/{organization}"
        mapping: Mapping[str, Any] = self.call("PUT", path, {"entity_id": entity_id, **options})
        return mapping

    def client_credentials(self, name: str, token_url: str, scope: str = "global", **options: object) -> None:
        body = {"name": name, "flow": "client_credentials", "token_url": token_url, "scopes": "api", **CLIENT}
        self.call("POST", f"/connections?scope={scope}", {**body, **options})

    def authorization_code(self, name: str, provider: str, scope: str = "global", **options: object) -> None:
        body = {
            "name": name,
            "authorization_url": f"{self.stack.provider}/authorize",
            "token_url": f"{provider}/token",
            "scopes": "profile offline_access",
            **CLIENT,
        }
        self.call("POST", f"/connections?scope={scope}", {**body, **options})

    def sign_in(self, name: str, scope: str = "global") -> None:
        link = self.call("POST", f"/connections/{name}/authorize?scope={scope}", {})
        sign_in(link["connect_url"])


def sign_in(connect_url: str) -> None:
    """What a person does in a browser with a connect link."""
    with httpx.Client(trust_env=False, timeout=60) as browser:
        page = browser.get(connect_url)
        to_provider = _submit(browser, page)
        sign_in_page = browser.get(to_provider)
        callback = _submit(browser, sign_in_page, user="ada@example.com", decision="allow")
        done = browser.get(callback)
        assert done.status_code == 200, done.text


def _submit(browser: httpx.Client, page: httpx.Response, **fields: str) -> str:
    """Fills in the page's form; returns where it leads."""
    assert page.status_code == 200, page.text
    form = _Form()
    form.feed(page.text)
    address = urljoin(str(page.url), form.action) if form.action else str(page.url).partition("?")[0]
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(address))
    answer = browser.post(address, data={**form.fields, **fields}, headers={"origin": origin})
    assert answer.status_code == 303, answer.text
    return urljoin(address, answer.headers["location"])


class _Form(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = given.get("action", "")
        elif tag == "input" and "name" in given:
            self.fields[given["name"]] = given.get("value", "")


_numbers = itertools.count(1)


def unused_name(about: str) -> str:
    """A name that no other test uses."""
    return f"{about}-{next(_numbers)}"
