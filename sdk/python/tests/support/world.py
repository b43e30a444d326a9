"""The organizations, integrations and connections that the documentation speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from support.admin import Admin, unused_name
from support.front import Front

ACME_TENANT, GLOBEX_TENANT = "tenant-456", "tenant-789"


@dataclass(frozen=True)
class World:
    """Acme and Globex are managed by an MSP; keys are of workflows unless they say otherwise."""

    admin: Admin
    provider: Front
    msp: str
    acme: str
    globex: str
    msp_key: str
    acme_key: str
    globex_key: str
    acme_user_key: str

    def minting(self, about: str, **options: Any) -> Minting:
        """An integration of one test's own, whose tokens are minted at a token URL of its own."""
        name = unused_name(about)
        path = f"/{uuid4()}/token"
        self.admin.integration(name, defaults={"base_url": "https://api.pax8.com"})
        self.admin.client_credentials(name, self.provider.url + path, **options)
        self.admin.map(name, self.acme, f"acme-{name}")
        self.admin.map(name, self.globex, f"globex-{name}")
        return Minting(name, path, self.provider)


@dataclass(frozen=True)
class Minting:
    """An integration and its connection, of one name."""

    name: str
    path: str
    provider: Front

    @property
    def exchanges(self) -> int:
        """How many tokens the provider was asked for."""
        return self.provider.count(self.path)


def make_world(admin: Admin, provider: Front) -> World:
    msp = admin.organization("MSP", is_provider=True)
    acme, globex = admin.organization("Acme"), admin.organization("Globex")
    # One registration that reaches every tenant by a token URL of the tenant's own.
    admin.integration("HaloPSA", entity_id_name="Tenant ID", defaults={"base_url": "https://api.halopsa.com"})
    admin.client_credentials("HaloPSA", f"{provider.url}/{{entity_id}}/token")
    # The provider signed in once, for everyone.
    admin.integration("Microsoft_Graph", defaults={"base_url": "https://graph.microsoft.com/v1.0"})
    admin.authorization_code("Microsoft_Graph", provider.url)
    admin.sign_in("Microsoft_Graph")
    admin.integration("Pax8", defaults={"base_url": "https://api.pax8.com/v1"})
    admin.client_credentials("Pax8", f"{provider.url}/token")
    # In these tests Globex has signed in by itself, to a connection of its own.
    admin.authorization_code("Microsoft_Graph", provider.url, scope=globex)
    admin.sign_in("Microsoft_Graph", scope=globex)
    for organization, tenant, api_key in (
        (acme, ACME_TENANT, "acme-only"),
        (globex, GLOBEX_TENANT, "globex-only"),
    ):
        admin.map("HaloPSA", organization, tenant, config={"api_key": api_key})
        admin.map(
            "Microsoft_Graph", organization, f"graph-{tenant}", config={"tenant_id": f"directory-of-{tenant}"}
        )
    return World(
        admin,
        provider,
        msp,
        acme,
        globex,
        msp_key=admin.key("workflow", msp),
        acme_key=admin.key("workflow", acme),
        globex_key=admin.key("workflow", globex),
        acme_user_key=admin.key("user", acme),
    )
