"""Runs Glewlwyd for tests/interop. The only argument is JSON: {"clients": [...], "access_token_ttl": seconds}; a client
has the members of RFC 7591. Listens on a free port of this machine, and says on standard output which issuer it is.

Its configuration and database are made anew each time in a folder that goes when it ends; it is set up through its own
API for administrators.
"""

import gzip
import json
import os
import platform
import secrets
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

# Where `install` unpacked the packages.
ROOT = Path(__file__).parent / "root"
SCOPES = ["openid", "api:read"]

CONFIGURATION = """
port = {port}
bind_address = "127.0.0.1"
external_url = "{url}"
login_url = "login.html"
api_prefix = "api"
static_files_path = "{root}/usr/share/glewlwyd/webapp/"
static_files_mime_types = ({{ extension = ".html", mime_type = "text/html" }})
log_mode = "console"
log_level = "ERROR"
cookie_secure = 0
session_expiration = 3600
session_key = "GLEWLWYD2_SESSION_ID"
admin_scope = "g_admin"
profile_scope = "g_profile"
user_module_path = "{root}/usr/lib/glewlwyd/user"
client_module_path = "{root}/usr/lib/glewlwyd/client"
user_auth_scheme_module_path = "{root}/usr/lib/glewlwyd/scheme"
plugin_module_path = "{root}/usr/lib/glewlwyd/plugin"
hash_algorithm = "SHA512"
database = {{ type = "sqlite3", path = "{database}" }}
"""


class Administrator:
    """Whoever set up the database, signed in with the password that it came with."""

    def __init__(self, api):
        self.api = api
        self.session = None
        self.post("/auth/", {"username": "admin", "password": "password"})

    def post(self, path, body):
        headers = {"content-type": "application/json"}
        if self.session:
            headers["cookie"] = self.session
        request = urllib.request.Request(self.api + path, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                cookie = response.headers["set-cookie"]
        except urllib.error.HTTPError as error:
            sys.exit(f"Glewlwyd refused {path}: {error.status} {error.read().decode()}")
        if cookie:
            self.session = cookie.split(";")[0]


def main():
    order = json.loads(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="bifrost-glewlwyd-") as folder:
        url = f"http://127.0.0.1:{free_port()}"
        process = start(url, Path(folder))
        try:
            wait_for(url, process)
            issuer = set_up(f"{url}/api", order)
            print(json.dumps({"issuer": issuer}), flush=True)
            # The test that started it has ended, however that came about.
            sys.stdin.read()
        finally:
            process.kill()
            process.wait()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(url, folder):
    database = folder / "glewlwyd.db"
    tables = ROOT / "usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz"
    connection = sqlite3.connect(database)
    connection.executescript(gzip.decompress(tables.read_bytes()).decode())
    connection.close()
    configuration = folder / "glewlwyd.conf"
    port = url.rpartition(":")[2]
    configuration.write_text(CONFIGURATION.format(url=url, port=port, root=ROOT, database=database))
    libraries = [str(path) for path in ROOT.glob(f"usr/lib/{platform.machine()}-*")]
    environment = os.environ | {"LD_LIBRARY_PATH": ":".join(libraries)}
    command = [ROOT / "usr/bin/glewlwyd", "--config-file", configuration]
    # What it says goes where the test shows it when it fails.
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr)


def wait_for(url, process):
    for _ in range(100):
        if process.poll() is not None:
            sys.exit(f"Glewlwyd ended with {process.returncode}")
        try:
            urllib.request.urlopen(f"{url}/config", timeout=5).close()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    sys.exit("Glewlwyd did not start within 10 s")


def set_up(api, order):
    issuer = f"{api}/oidc"
    admin = Administrator(api)
    # `openid` comes with the database.
    admin.post("/scope/", {"name": "api:read", "display_name": "Read", "password_required": True})
    parameters = {
        "iss": issuer,
        "jwt-type": "sha",
        "jwt-key-size": "256",
        "key": secrets.token_urlsafe(32),
        "access-token-duration": order["access_token_ttl"],
        "refresh-token-duration": 3600,
        "code-duration": 60,
        # Every refresh token works once; one that is used again takes along those that came of it.
        "refresh-token-one-use": "always",
        # Tokens for clients too, which OpenID Connect knows nothing of.
        "allow-non-oidc": True,
        "auth-type-code-enabled": True,
        "auth-type-client-enabled": True,
        "auth-type-refresh-enabled": True,
        "auth-type-token-enabled": False,
        "auth-type-implicit-enabled": False,
        "auth-type-password-enabled": False,
        "auth-type-device-enabled": False,
        "pkce-allowed": True,
        "pkce-required": True,
        "introspection-revocation-allowed": True,
        "introspection-revocation-allow-target-client": True,
        "oauth-as-iss-id": True,
        # With it come assertions of clients (RFC 7523), by the keys that they registered.
        "request-parameter-allow": True,
        "client-jwks-parameter": "jwks",
    }
    plugin = {"module": "oidc", "name": "oidc", "display_name": "OpenID Connect", "parameters": parameters}
    admin.post("/mod/plugin/", plugin | {"enabled": True})
    admin.post("/user/", {"username": "ada", "password": "ada lovelace", "scope": SCOPES, "enabled": True})
    for client in order["clients"]:
        admin.post("/client/", in_its_words(client))
    return issuer


def in_its_words(client):
    proof = {name: client[name] for name in ("client_secret", "jwks") if name in client}
    return proof | {
        "client_id": client["client_id"],
        "redirect_uri": client["redirect_uris"],
        "token_endpoint_auth_method": [client["token_endpoint_auth_method"]],
        "authorization_type": [grant.removeprefix("authorization_") for grant in client["grant_types"]],
        "scope": SCOPES,
        "confidential": True,
        "enabled": True,
    }


main()
