"""`bifrost.integrations` without asyncio."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from typing import Any

import httpx

from bifrost import context
from bifrost._core import external, operations
from bifrost._core.models import Integration, IntegrationMappingResponse
from bifrost._io import synchronous
from bifrost.sync.oauth import OAuthCredentials

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
    """`bifrost.IntegrationData`, with a client that needs no asyncio."""

    oauth: OAuthCredentials | None = None

    def client(
        self, base_url: str | None = None, *, longest_pause: float = 60.0, **options: Any
    ) -> httpx.Client:
        """As `bifrost.IntegrationData.client`; `options` are those of `httpx.Client`."""
        credentials = external.usable(self.oauth)
        api = external.api_of(self, credentials, base_url, longest_pause)
        return httpx.Client(auth=_Authorization(api, credentials), **external.options_of(api, options))


class _Authorization(httpx.Auth):
    def __init__(self, api: external.Api, credentials: OAuthCredentials) -> None:
        self._api = api
        self._credentials = credentials

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
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
                    response.read()
                if isinstance(step, float):
                    time.sleep(step)
                elif isinstance(step, external.Replace):
                    self._credentials.replace(step.refused)
                step = conversation.send(None)
        except StopIteration:
            return


def get(name: str, scope: str | None = None) -> IntegrationData | None:
    """As `bifrost.integrations.get`."""
    place = context.place(scope)
    return synchronous.run(place, operations.get_integration(place, name, IntegrationData))


def list_mappings(name: str) -> list[IntegrationMappingResponse] | None:
    """As `bifrost.integrations.list_mappings`."""
    return synchronous.run(context.place(), operations.list_mappings(name))


def get_mapping(
    name: str, scope: str | None = None, entity_id: str | None = None
) -> IntegrationMappingResponse | None:
    """As `bifrost.integrations.get_mapping`."""
    place = context.place(scope)
    return synchronous.run(place, operations.get_mapping(place, name, entity_id))


def upsert_mapping(
    name: str,
    scope: str,
    entity_id: str,
    entity_name: str | None = None,
    config: Mapping[str, Any] | None = None,
) -> IntegrationMappingResponse:
    """As `bifrost.integrations.upsert_mapping`."""
    place = context.place(scope)
    return synchronous.run(place, operations.upsert_mapping(name, scope, entity_id, entity_name, config))


def delete_mapping(name: str, scope: str) -> bool:
    """As `bifrost.integrations.delete_mapping`."""
    place = context.place(scope)
    return synchronous.run(place, operations.delete_mapping(name, scope))
