mappings = await integrations.list_mappings("HaloPSA")
if mappings:
    for mapping in mappings:
        print(f"Org: {mapping.organization_id}, Entity: {mapping.entity_id}")
