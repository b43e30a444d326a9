"""What a user's type checker sees of the installed package: checked in strict mode, never run."""

from __future__ import annotations

import httpx

from bifrost import ExecutionContext, OAuthCredentials, context, integrations, oauth, param, sync, workflow
from bifrost.errors import BifrostError


@workflow(name="example", schedule="0 9 * * 1")
@param("limit", label="How many")
async def example(ctx: ExecutionContext, limit: int = 10) -> list[str]:
    """Uses most of it."""
    context.set_scope("global")
    integration = await integrations.get("HaloPSA")
    if integration is None or integration.oauth is None:
        return []
    credentials: OAuthCredentials = await integration.oauth.refresh()
    header: str = (await oauth.get_token("HaloPSA")).get_auth_header()
    async with integration.client() as client:
        answer: httpx.Response = await client.get("/me", headers={"x-header": header})
    seconds: int | None = credentials.expires_in
    try:
        mappings = await integrations.list_mappings("HaloPSA") or []
    except BifrostError as error:
        return [error.code, error.fix or "", str(seconds), answer.text]
    return [mapping.organization_id for mapping in mappings[:limit]]


@workflow
def synchronous() -> str | None:
    """The same without asyncio."""
    integration = sync.integrations.get("HaloPSA")
    if integration is None or integration.oauth is None:
        return None
    with integration.client() as client:
        client.get("/me")
    return integration.oauth.refresh().access_token
