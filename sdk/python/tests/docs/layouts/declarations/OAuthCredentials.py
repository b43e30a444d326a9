class OAuthCredentials(BaseModel):
    connection_name: str
    client_id: str | None
    client_secret: str | None # Decrypted
    authorization_url: str | None
    token_url: str | None
    scopes: list[str]
    access_token: str | None # Decrypted
    refresh_token: str | None # Decrypted
    expires_at: str | None # ISO format
