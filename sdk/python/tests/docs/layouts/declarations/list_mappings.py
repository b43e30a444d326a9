async def list_mappings(name: str) -> list[IntegrationMappingResponse] | None
