integration = await integrations.get("Microsoft_Graph")
if integration:
    # Access OAuth tokens
    token = integration.oauth.access_token
    # Access config values
    tenant_id = integration.config.get("tenant_id")
    # Entity ID for multi-tenant
    entity = integration.entity_id
