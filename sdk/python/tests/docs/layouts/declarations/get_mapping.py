async def get_mapping(
    name: str,
    scope: str | None = None,
    entity_id: str | None = None,
) -> IntegrationMappingResponse | None
