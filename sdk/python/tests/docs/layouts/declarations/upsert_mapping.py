async def upsert_mapping(
    name: str,
    scope: str, # Required
    entity_id: str,
    entity_name: str | None = None,
    config: dict | None = None,
) -> IntegrationMappingResponse
