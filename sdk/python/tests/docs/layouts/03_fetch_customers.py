from bifrost import workflow, integrations
import httpx
@workflow
async def fetch_customers():
    # Get integration
    integration = await integrations.get("HaloPSA")
    if not integration:
        return {"error": "Integration not configured"}
    # Access config
    base_url = integration.config.get("base_url")
    tenant = integration.entity_id
    # Access OAuth token
    token = integration.oauth.access_token if integration.oauth else None
    # Make API call
    async with httpx.AsyncClient() as client:
        response = await client.get(
            f"{base_url}/api/customers",
            headers={
                "Authorization": f"Bearer {token}",
                "X-Tenant-ID": tenant
            }
        )
        return response.json()
