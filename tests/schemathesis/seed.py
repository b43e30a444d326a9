"""Something to attack: organizations, integrations with mappings, connections to the demo provider, a connect link.

Makes what is not there. Prints the key of a managed organization's user, and the link's ticket."""

import json
import sys
import urllib.error
import urllib.request

URL, PROVIDER, ROOT_KEY = sys.argv[1:]
# Those of the examples in infra/openapi.json.
ACME = "5c1f0d5e-8f0a-4b7e-9d53-2f6d1a0b7c11"
GLOBEX = "a3b0c6de-2f54-4f0f-8a39-6d1f1f6b9e22"
CLIENT = {"client_id": "bifrost-demo", "client_secret": "demo-client-secret", "token_url": f"{PROVIDER}/token"}


def call(method, path, body=None):
    """The answer, or nothing where something is there already."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {ROOT_KEY}", "Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(URL + path, data, headers, method=method)) as answer:
            return json.loads(answer.read() or "null")
    except urllib.error.HTTPError as error:
        if error.code == 409:
            return None
        raise SystemExit(f"{method} {path}: {error.read().decode()}") from error


def anew(path, body):
    """Deletes what an attack has left of it."""
    name, _, scope = path.partition("?")
    try:
        call("DELETE", f"{name}/{body['name']}?{scope}&force=true")
    except SystemExit:
        pass
    call("POST", path, body)


for id, name in (ACME, "Acme"), (GLOBEX, "Globex"):
    call("POST", "/organizations", {"id": id, "name": name})
for name in "HaloPSA", "Portal", "Spare":
    schema = [
        {"key": "base_url", "type": "string", "required": True},
        {"key": "region", "type": "string", "options": ["eu", "us"]},
        {"key": "page_size", "type": "int"},
        {"key": "settings", "type": "json"},
        {"key": "api_key", "type": "secret"},
    ]
    defaults = {"base_url": "https://halo.example/api", "page_size": 100, "api_key": "default-api-key"}
    anew("/integrations", {"name": name, "config_schema": schema, "defaults": defaults})
    mapping = {"entity_id": f"tenant of {name}", "config": {"api_key": "acme-only"}}
    call("PUT", f"/integrations/{name}/mappings/{ACME}", mapping)
for scope in "global", ACME:
    by_itself = {"name": "HaloPSA", "flow": "client_credentials", "scopes": "profile"}
    anew(f"/connections?scope={scope}", CLIENT | by_itself)
    by_a_person = {"authorization_url": f"{PROVIDER}/authorize", "revocation_url": f"{PROVIDER}/revoke"}
    for name in "Portal", "Spare":
        anew(f"/connections?scope={scope}", CLIENT | by_a_person | {"name": name})
call("GET", "/connections/HaloPSA/token?scope=global")
link = call("POST", "/connections/Portal/authorize?scope=global", {"valid_for": 86400})
key = call("POST", "/keys", {"name": "strangers", "role": "user", "organization_id": ACME})
print(key["key"], link["connect_url"].rpartition("/")[2])
