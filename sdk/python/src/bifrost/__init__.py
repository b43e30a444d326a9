"""What workflows import to reach their organizations' APIs through Bifrost Integrations.

    from bifrost import integrations

    integration = await integrations.get("HaloPSA")

`BIFROST_URL` and `BIFROST_KEY` say where the API is and open it; `BIFROST_SCOPE` says for whom.
"""

__version__ = "0.1.0"

from bifrost import context, errors, integrations, oauth
from bifrost._io.asynchronous import close as aclose
from bifrost.errors import BifrostError
from bifrost.integrations import IntegrationData, IntegrationMappingResponse
from bifrost.oauth import OAuthCredentials, OAuthProblem
from bifrost.workflows import ExecutionContext, param, workflow

__all__ = [
    "BifrostError",
    "ExecutionContext",
    "IntegrationData",
    "IntegrationMappingResponse",
    "OAuthCredentials",
    "OAuthProblem",
    "__version__",
    "aclose",
    "context",
    "errors",
    "integrations",
    "oauth",
    "param",
    "workflow",
]
