"""A small OAuth provider that can be told to misbehave, each client in its own way.

What a client's name says is how it is treated, so that tests in one browser don't disturb each other:

    no-refresh-token    gets no refresh token
    denies              signs nobody in: consent is refused
    refused-client      is unknown at the token endpoint
    dead-grant          its refresh tokens are refused
    dead-grant-over     the same, and its access token is over after a second
    slow                gets its tokens after three seconds
    changes-person      somebody else signs in each time

Everything that was handed out or brought here is kept in `secrets`, to be looked for where it must not be."""

import base64
import itertools
import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit


class Provider:
    def __init__(self):
        self.secrets: list[str] = []
        self.revoked: list[str] = []
        self._device_approved = threading.Event()
        self._people = itertools.cycle(["ada@example.com", "bob@example.com"])
        self._lock = threading.Lock()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                provider.get(self)

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
                provider.post(self, {name: values[0] for name, values in parse_qs(body).items()})

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()

    def connection(self, kind: str = "good", **more) -> dict:
        """The body of a connection that is treated like this."""
        secret = self.keep(f"secret-{uuid.uuid4().hex}")
        return {
            "client_id": f"{kind}-{uuid.uuid4().hex[:8]}",
            "client_secret": secret,
            "authorization_url": f"{self.url}/authorize",
            "token_url": f"{self.url}/token",
            "revocation_url": f"{self.url}/revoke",
            "scopes": "offline_access Directory.Read.All",
            "dialect": {"verify": {"url": f"{self.url}/me", "subject": "id", "email": "email"}},
        } | more

    def approve_device(self):
        """Somebody has typed in the code."""
        self._device_approved.set()

    def keep(self, secret: str) -> str:
        with self._lock:
            self.secrets.append(secret)
        return secret

    def get(self, request):
        path, query = urlsplit(request.path).path, urlsplit(request.path).query
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        if path == "/me":
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            who = "bob@example.com" if token.endswith("-bob") else "ada@example.com"
            return self.answer(request, 200, {"id": who, "email": who})
        if path != "/authorize":
            return self.answer(request, 404, {"error": "not_found"})
        if "decision" not in asked:
            fields = "".join(f'<input type="hidden" name="{n}" value="{v}">' for n, v in asked.items())
            page = f"""<!DOCTYPE html><html lang="en"><title>Sign in</title><h1>Sign in at the provider</h1>
                <p>{asked.get("scope", "")}</p><form>{fields}
                <button name="decision" value="allow">Accept</button><button name="decision" value="deny">Cancel</button></form>"""
            return self.answer(request, 200, page)
        back = {"state": asked["state"]}
        if asked["decision"] == "deny" or asked["client_id"].startswith("denies"):
            back |= {"error": "access_denied", "error_description": "The person said no."}
        else:
            back["code"] = self.keep(f"code-{uuid.uuid4().hex}")
        self.answer(request, 302, "", {"location": f"{asked['redirect_uri']}?{urlencode(back)}"})

    def post(self, request, form: dict):
        path = urlsplit(request.path).path
        if path == "/revoke":
            self.revoked.append(form.get("token", ""))
            return self.answer(request, 200, {})
        if path == "/device":
            self._device_approved.clear()
            given = {"device_code": self.keep(f"device-{uuid.uuid4().hex}"), "user_code": "WDJB-MJHT"}
            given |= {"verification_uri": f"{self.url}/activate", "expires_in": 600, "interval": 1}
            return self.answer(request, 200, given)
        if path != "/token":
            return self.answer(request, 404, {"error": "not_found"})
        if form.get("device_code") and not self._device_approved.is_set():
            return self.answer(request, 400, {"error": "authorization_pending"})
        client = form.get("client_id") or self.basic_client(request)
        if "grant_type" not in form or client.startswith("refused-client"):
            return self.answer(request, 401, {"error": "invalid_client"})
        if client.startswith("slow"):
            time.sleep(3)
        refreshing = form["grant_type"] == "refresh_token"
        spent = {"authorization_code": "code", "refresh_token": "refresh_token"}.get(form["grant_type"])
        if spent and form.get(spent) not in self.secrets:
            return self.answer(request, 400, {"error": "invalid_grant"})
        if refreshing and client.startswith("dead-grant"):
            return self.answer(request, 400, {"error": "invalid_grant", "error_description": "It was revoked."})
        person = next(self._people) if client.startswith("changes-person") and not refreshing else "ada@example.com"
        token = f"access-{uuid.uuid4().hex}-{person.split('@')[0]}"
        tokens = {"access_token": self.keep(token), "token_type": "Bearer"}
        tokens["expires_in"] = 1 if client.startswith("dead-grant-over") else 3600
        if form["grant_type"] != "client_credentials" and not client.startswith("no-refresh-token"):
            tokens["refresh_token"] = self.keep(f"refresh-{uuid.uuid4().hex}")
        self.answer(request, 200, tokens)

    @staticmethod
    def basic_client(request) -> str:
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        return base64.b64decode(encoded).decode().partition(":")[0] if scheme == "Basic" else ""

    @staticmethod
    def answer(request, status: int, body, headers: dict | None = None):
        kind = "text/html" if isinstance(body, str) else "application/json"
        body = (body if isinstance(body, str) else json.dumps(body)).encode()
        request.send_response(status)
        for name, value in {"content-type": kind, "content-length": str(len(body)), **(headers or {})}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)
