class IntegrationData(BaseModel):
    integration_id: str
    entity_id: str | None # External entity ID (tenant, company, etc.)
    entity_name: str | None # Display name for entity
    config: dict # Merged configuration (defaults + org overrides)
    oauth: OAuthCredentials | None
