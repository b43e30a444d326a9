mapping = await integrations.upsert_mapping(
    "HaloPSA",
    scope="org-123",
    entity_id="tenant-456",
    entity_name="Acme Corp",
    config={"custom_field": "value"}
)
