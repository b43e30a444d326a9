"""Runs Django OAuth Toolkit for tests/interop. The only argument is JSON: {"clients": [...], "access_token_ttl":
seconds}; a client has the members of RFC 7591. Listens on a free port of this machine, and says on standard output
which issuer it is.

The site is the smallest that a person can sign in to. Its database is made anew each time in a folder that goes when
it ends.
"""

import json
import secrets
import sys
import tempfile
import threading
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings
from django.core.management import call_command
from django.http import HttpResponseForbidden, JsonResponse
from django.urls import include, path

SIGN_IN = """<!doctype html><title>Sign in</title><form method="post">{% csrf_token %}{{ form }}<button>Sign in</button></form>"""

urlpatterns = []


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Handler(WSGIRequestHandler):
    def log_message(self, *_):
        """Its lines hold codes."""


def main():
    order = json.loads(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="bifrost-django-") as folder:
        configure(Path(folder), order["access_token_ttl"])
        call_command("migrate", verbosity=0)
        set_up(order["clients"])
        with make_server("127.0.0.1", 0, application(), Server, Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            print(json.dumps({"issuer": f"http://127.0.0.1:{server.server_port}"}), flush=True)
            # The test that started it has ended, however that came about.
            sys.stdin.read()


def configure(folder, access_token_ttl):
    settings.configure(
        SECRET_KEY=secrets.token_urlsafe(32),
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "oauth2_provider",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "context_processors": ["django.template.context_processors.request"],
                    "loaders": [
                        ("django.template.loaders.locmem.Loader", {"registration/login.html": SIGN_IN}),
                        "django.template.loaders.app_directories.Loader",
                    ],
                },
            }
        ],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": folder / "database.sqlite3",
                # Requests that come at once wait for each other.
                "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
            }
        },
        # Django's own costs half a second for each request that a client authenticates.
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        USE_TZ=True,
        LOGIN_URL="/accounts/login/",
        LOGGING_CONFIG=None,
        OAUTH2_PROVIDER={
            "SCOPES": {"api:read": "Read", "api:write": "Write"},
            "ACCESS_TOKEN_EXPIRE_SECONDS": access_token_ttl,
            "REFRESH_TOKEN_EXPIRE_SECONDS": 3600,
            "PKCE_REQUIRED": True,
            # Every refresh token works once; one that is used again takes its family along.
            "ROTATE_REFRESH_TOKEN": True,
            "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 0,
            "REFRESH_TOKEN_REUSE_PROTECTION": True,
            # What version 4 will do unasked (RFC 9700), among it the issuer in the redirect back (RFC 9207).
            "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
            "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
            "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
            "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
            "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
            "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
        },
    )
    django.setup()


def set_up(clients):
    # Neither can be imported before Django is set up.
    from django.contrib.auth import get_user_model
    from oauth2_provider.models import get_application_model

    get_user_model().objects.create_user("ada", password="ada lovelace")
    for client in clients:
        # The grant that it starts with; refreshing needs no word of its own here.
        grant_type = client["grant_types"][0].replace("_", "-")
        get_application_model().objects.create(
            name="Bifrost",
            client_id=client["client_id"],
            client_secret=client["client_secret"],
            client_type="confidential",
            authorization_grant_type=grant_type,
            redirect_uris=" ".join(client["redirect_uris"]),
        )


def application():
    # They can't be imported before Django is set up either.
    from django.contrib.auth.views import LoginView
    from django.core.wsgi import get_wsgi_application
    from oauth2_provider import urls

    urlpatterns.extend(
        [
            path("accounts/login/", LoginView.as_view()),
            path("o/", include((urls.base_urlpatterns, urls.app_name))),
            path("o/me", who_am_i),
        ]
    )
    return get_wsgi_application()


def who_am_i(request):
    """The API that the tokens are for."""
    from oauth2_provider.oauth2_backends import get_oauthlib_core

    valid, asked = get_oauthlib_core().verify_request(request, scopes=["api:read"])
    return JsonResponse({"sub": asked.user and asked.user.username}) if valid else HttpResponseForbidden()


main()
