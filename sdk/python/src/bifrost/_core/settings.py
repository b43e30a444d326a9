"""Where the API is, and the key to it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from ipaddress import ip_address

import httpx
from pydantic import SecretStr

from bifrost.errors import ConfigurationError

URL_VARIABLE = "BIFROST_URL"
KEY_VARIABLE = "BIFROST_KEY"
SCOPE_VARIABLE = "BIFROST_SCOPE"


@dataclass(frozen=True)
class Settings:
    """The API's URL, without a slash at the end, and a key that shows itself to nobody."""

    url: str
    key: SecretStr

    @property
    def authorization(self) -> str:
        return f"Bearer {self.key.get_secret_value()}"

    @property
    def is_local(self) -> bool:
        return is_loopback(httpx.URL(self.url))

    @classmethod
    def parse(cls, url: str, key: str) -> Settings:
        """Checks both.

        Raises ConfigurationError: the URL is none or would send the key in clear, or the key can't be one. The error
        does not repeat the key.
        """
        # Keys are often read from files, which end with a line.
        key = key.strip()
        if not re.fullmatch(r"[\x21-\x7e]+", key):
            raise _misconfigured(f"{KEY_VARIABLE} is empty, or has characters that no key has")
        return cls(checked_url(url, URL_VARIABLE), SecretStr(key))

    @classmethod
    def from_environment(cls) -> Settings:
        url, key = os.environ.get(URL_VARIABLE), os.environ.get(KEY_VARIABLE)
        missing = [name for name, value in ((URL_VARIABLE, url), (KEY_VARIABLE, key)) if not value]
        if url is None or key is None or missing:
            raise _misconfigured(f"{' and '.join(missing)} must be set")
        return cls.parse(url, key)


def checked_url(text: str, name: str) -> str:
    """A URL that secrets may be sent to: https, or this machine; without a slash at the end.

    `name` is what the error calls it.
    """
    try:
        url = httpx.URL(text.strip())
    except httpx.InvalidURL:
        raise _misconfigured(f"{name} is not a URL") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise _misconfigured(f"{name} is not an http or https URL")
    if url.userinfo or url.query or url.fragment:
        raise _misconfigured(f"{name} has a user, a query or a fragment, where only the address belongs")
    if url.scheme != "https" and not is_loopback(url):
        raise _misconfigured(
            f"{name} is not https, and {url.host} is not this machine: secrets would travel in clear"
        )
    return str(url).rstrip("/")


def is_loopback(url: httpx.URL) -> bool:
    """Whether it leads to this machine and nowhere else."""
    if url.host == "localhost":
        return True
    try:
        return ip_address(url.host).is_loopback
    except ValueError:
        return False


def _misconfigured(detail: str) -> ConfigurationError:
    fix = f"Set {URL_VARIABLE} to the https URL of Bifrost Integrations, and {KEY_VARIABLE} to your key."
    return ConfigurationError(detail, code="configuration", fix=fix)
