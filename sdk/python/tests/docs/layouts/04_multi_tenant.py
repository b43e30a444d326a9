# Each org gets their own tenant automatically
integration = await integrations.get("HaloPSA")
tenant_id = integration.entity_id # Org-specific
