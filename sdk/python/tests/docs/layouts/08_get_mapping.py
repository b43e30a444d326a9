# Get by scope
mapping = await integrations.get_mapping("HaloPSA", scope="org-123")
# Get by entity_id
mapping = await integrations.get_mapping("HaloPSA", entity_id="tenant-456")
if mapping:
    print(f"Entity: {mapping.entity_id}, Config: {mapping.config}")
