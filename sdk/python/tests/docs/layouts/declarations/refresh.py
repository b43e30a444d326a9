async def refresh(self) -> OAuthCredentials
