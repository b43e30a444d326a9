"""The same without asyncio: `from bifrost.sync import integrations, oauth`. For scripts and workflows without it."""

from bifrost._io.synchronous import close
from bifrost.sync import integrations, oauth
from bifrost.sync.integrations import IntegrationData, IntegrationMappingResponse
from bifrost.sync.oauth import OAuthCredentials

__all__ = [
    "IntegrationData",
    "IntegrationMappingResponse",
    "OAuthCredentials",
    "close",
    "integrations",
    "oauth",
]
