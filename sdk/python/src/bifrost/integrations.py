"""Integrations: their configuration, tokens, and which organization is which tenant.

`None` means that there is no such thing, and nothing else: whatever goes wrong is raised.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import httpx

from bifrost import context
from bifrost._core import external, operations
from bifrost._core.models import Integration, IntegrationMappingResponse
from bifrost._io import asynchronous
from bifrost.oauth import OAuthCredentials

__all__ = [
    "IntegrationData",
    "IntegrationMappingResponse",
    "delete_mapping",
    "get",
    "get_mapping",
    "list_mappings",
    "upsert_mapping",
]


class IntegrationData(Integration):
    """What a workflow needs to call an API. `repr` shows no secret, and so no value of `config`."""

    #: `None` where the integration has no connection. Trouble with it is in `oauth.problem`.
    oauth: OAuthCredentials | None = None

    def client(
        self, base_url: str | None = None, *, longest_pause: float = 60.0, **options: Any
    ) -> httpx.AsyncClient:
        """An HTTP client of the integration's API, at `config["base_url"]` unless given, with the token set.

        When the API refuses the token, it is refreshed once, however many requests have met that, and the request is
        repeated. When the API says that it is too much (429), the client waits as long as it asks, up to
        `longest_pause` seconds at a time. Other origins never get the token: not by a redirect, not by a full URL.
        `options` are those of `httpx.AsyncClient`, which is what comes back, to be used as any: `async with`.
        Raises TokenUnavailableError: there is no token; ConfigurationError: it is not known where the API is.
        """
        credentials = external.usable(self.oauth)
        api = external.api_of(self, credentials, base_url, longest_pause)
        return httpx.AsyncClient(auth=_Authorization(api, credentials), **external.options_of(api, options))


class _Authorization(httpx.Auth):
    def __init__(self, api: external.Api, credentials: OAuthCredentials) -> None:
        self._api = api
        self._credentials = credentials

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        conversation = self._api.conversation(request)
        step = next(conversation)
        response: httpx.Response | None = None
        try:
            while True:
                if isinstance(step, external.Send):
                    response = yield request
                    step = conversation.send(response)
                    continue
                if response is not None:
                    # Gives the connection back: this takes a while.
                    await response.aread()
                if isinstance(step, float):
                    await asyncio.sleep(step)
                elif isinstance(step, external.Replace):
                    await self._credentials.replace(step.refused)
                step = conversation.send(None)
        except StopIteration:
            return


async def get(name: str, scope: str | None = None) -> IntegrationData | None:
    """What is needed to call the API for a scope, or `None` if there is no such integration.

    `scope` is an organization's UUID or `"global"`, the platform's defaults; `None` the ambient scope, else the key's
    own organization. Raises ScopeForbiddenError: other scopes are for keys of a provider organization.
    """
    place = context.place(scope)
    return await asynchronous.run(place, operations.get_integration(place, name, IntegrationData))


async def list_mappings(name: str) -> list[IntegrationMappingResponse] | None:
    """All mappings of an integration that the key may see, or `None` if there is no such integration.

    All of them, whatever the ambient scope. A mapping made a moment ago can be missing.
    """
    return await asynchronous.run(context.place(), operations.list_mappings(name))


async def get_mapping(
    name: str, scope: str | None = None, entity_id: str | None = None
) -> IntegrationMappingResponse | None:
    """A scope's mapping, or `None` if it has none. With `entity_id`, the mapping must be to that entity, too.

    `scope` is an organization's UUID; `None` the ambient scope, else the key's own organization. Where there is no
    scope at all, `entity_id` is looked for among all mappings that the key may see.
    Raises InvalidInputError: neither is given, and the key may see everyone's.
    """
    place = context.place(scope)
    return await asynchronous.run(place, operations.get_mapping(place, name, entity_id))


async def upsert_mapping(
    name: str,
    scope: str,
    entity_id: str,
    entity_name: str | None = None,
    config: Mapping[str, Any] | None = None,
) -> IntegrationMappingResponse:
    """Makes an organization's mapping, or changes it. What is left out stays as it is; `config={}` removes overrides.

    Secrets stay where `config` does not name them; `None` as a value removes one.
    Raises NotFoundError: no such integration or organization; ConflictError: another organization has that entity id.
    """
    place = context.place(scope)
    return await asynchronous.run(
        place, operations.upsert_mapping(name, scope, entity_id, entity_name, config)
    )


async def delete_mapping(name: str, scope: str) -> bool:
    """Deletes an organization's mapping; `False` if there was none."""
    place = context.place(scope)
    return await asynchronous.run(place, operations.delete_mapping(name, scope))
