async def get(
    name: str,
    scope: str | None = None,
) -> IntegrationData | None
