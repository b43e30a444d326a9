async def delete_mapping(
    name: str,
    scope: str, # Required
) -> bool
