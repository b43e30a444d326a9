"""Every operation of the package, as the calls it makes and what it makes of the answers. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from bifrost import errors
from bifrost._core.models import Credentials, Integration, IntegrationMappingResponse, Token, parse
from bifrost._core.place import Origin, Place
from bifrost._core.wire import Call, Operation, done, is_missing, malformed, path, query, success

C = TypeVar("C", bound=Credentials)
K = TypeVar("K", bound=Integration)

#: The most that the API gives at once.
PAGE = 200

#: An organization that there is not: ids of version 0 are never given out.
_NOBODY = "00000000-0000-0000-0000-000000000000"

#: How often a write is tried that somebody else's gets in between of.
_WRITES = 5


def get_integration(place: Place, name: str, kind: type[K]) -> Operation[K | None]:
    """`GET /integrations/{name}/resolve`."""
    answer = yield Call("GET", path("integrations", name, "resolve"), query(scope=place.scope))
    if is_missing(answer):
        return None
    integration = parse(kind, success(answer), "an integration")
    if integration.oauth is not None:
        integration.oauth.came_from(Origin(place, place.scope, name))
    return integration


def get_token(place: Place, connection: str, integration: str | None, kind: type[C]) -> Operation[C]:
    """`GET /connections/{name}/token`.

    Where placeholders must be filled and no integration is named, the one that is called as the connection is: that is
    the connection's own, unless someone has said otherwise.
    """
    answer = yield _token_call(place, connection, integration)
    if integration is None and answer.problem_code == "integration-required":
        repeated = yield _token_call(place, connection, connection)
        if not is_missing(repeated):
            answer, integration = repeated, connection
    token = parse(Token, success(answer), "a token")
    credentials = kind(connection_name=token.connection_name)
    adopt(credentials, token)
    credentials.came_from(Origin(place, place.scope, integration))
    return credentials


def _token_call(place: Place, connection: str, integration: str | None) -> Call:
    return Call(
        "GET", path("connections", connection, "token"), query(scope=place.scope, integration=integration)
    )


def refresh(place: Place, credentials: Credentials, origin: Origin) -> Operation[None]:
    """`POST /connections/{name}/refresh`, of the very grant and generation that the credentials are of; in place.

    What was never there can't be refreshed, only asked for.
    """
    connection = credentials.connection_name
    if credentials.generation is None:
        answer = yield _token_call(place, connection, origin.integration)
    else:
        body: dict[str, object] = {"generation": credentials.generation}
        if credentials.grant_id is not None:
            body["grant_id"] = credentials.grant_id
        where = query(scope=place.scope, integration=origin.integration)
        answer = yield Call("POST", path("connections", connection, "refresh"), where, body)
    token = parse(Token, success(answer), "a token")
    # What we know of the refresh token may be spent, and of another grant's client nothing. Only a resolve shows it.
    incomplete = credentials.refresh_token is not None or credentials.grant_id not in (None, token.grant_id)
    adopt(credentials, token)
    if incomplete and origin.integration is not None:
        answer = yield Call(
            "GET", path("integrations", origin.integration, "resolve"), query(scope=place.scope)
        )
        now = parse(Integration, success(answer), "an integration").oauth
        if now is not None and now.access_token == token.access_token:
            for name in Credentials.model_fields:
                setattr(credentials, name, getattr(now, name))


def adopt(credentials: Credentials, token: Token) -> None:
    """Makes all facts of the credentials those of this token."""
    if (token.grant_id, token.generation) != (credentials.grant_id, credentials.generation):
        credentials.refresh_token = None
    credentials.connection_name = token.connection_name
    credentials.grant_id = token.grant_id
    credentials.generation = token.generation
    credentials.access_token = token.access_token
    credentials.token_type = token.token_type
    credentials.expires_at = token.expires_at
    credentials.scopes = token.scopes
    credentials.facts = token.facts
    credentials.warning = token.warning
    if token.warning is None:
        credentials.problem = None
        credentials.status = "active"


def list_mappings(
    name: str, entity_id: str | None = None
) -> Operation[list[IntegrationMappingResponse] | None]:
    """`GET /integrations/{name}/mappings`, all pages of it."""
    mappings: list[IntegrationMappingResponse] = []
    cursor: str | None = None
    seen: set[str] = set()
    while True:
        where = query(limit=PAGE, cursor=cursor, entity_id=entity_id)
        answer = yield Call("GET", path("integrations", name, "mappings"), where)
        if is_missing(answer):
            return None
        body = success(answer)
        items, cursor = body.get("items"), body.get("next_cursor")
        if not isinstance(items, list) or not isinstance(cursor, str | None):
            raise malformed("a list of mappings")
        mappings.extend(_mapping(item) for item in items)
        if cursor is None:
            return mappings
        if cursor in seen:
            raise malformed("a list of mappings, because its cursors go round in circles,")
        seen.add(cursor)


def get_mapping(
    place: Place, name: str, entity_id: str | None
) -> Operation[IntegrationMappingResponse | None]:
    """The mapping of the scope; with an entity id, if it is that one's. Without any scope, the key's own, or with an
    entity id the one among all that the key may see.
    """
    if place.scope is not None:
        answer = yield Call("GET", path("integrations", name, "mappings", place.scope))
        if is_missing(answer):
            return None
        mapping = _mapping(success(answer))
        return mapping if entity_id is None or mapping.entity_id == entity_id else None
    if entity_id is None:
        # Keys of managed organizations are refused any other organization before anything is looked up, and their
        # lists hold nothing but their own. The API tells no other key where it belongs.
        answer = yield Call("GET", path("integrations", name, "mappings", _NOBODY))
        if answer.problem_code != "scope-forbidden":
            if not is_missing(answer):
                done(answer)
            raise errors.InvalidInputError(
                "Which organization's mapping is meant is not clear: the key may see all of them",
                code="invalid-input",
                fix="Give scope or entity_id, or set the scope with context.set_scope() or BIFROST_SCOPE.",
            )
    mappings = yield from list_mappings(name, entity_id)
    return mappings[0] if mappings else None


def upsert_mapping(
    name: str,
    scope: str,
    entity_id: str,
    entity_name: str | None,
    config: Mapping[str, object] | None,
) -> Operation[IntegrationMappingResponse]:
    """`PUT /integrations/{name}/mappings/{organization_id}`.

    The API replaces a mapping whole. What is left out here is to stay as it is, so it is read first and written back
    on the condition that nobody has changed it in between.
    """
    where = path("integrations", name, "mappings", scope)
    for tries_left in reversed(range(_WRITES)):
        body: dict[str, object] = {"entity_id": entity_id}
        if_match = None
        if entity_name is None or config is None:
            answer = yield Call("GET", where)
            if not is_missing(answer):
                old, if_match = success(answer), answer.headers.get("etag")
                body |= {"entity_name": old.get("entity_name"), "config": old.get("config")}
        if entity_name is not None:
            body["entity_name"] = entity_name
        if config is not None:
            body["config"] = dict(config)
        answer = yield Call("PUT", where, body=body, if_match=if_match)
        if answer.status != 412 or tries_left == 0:
            break
    return _mapping(success(answer))


def delete_mapping(name: str, scope: str) -> Operation[bool]:
    """`DELETE /integrations/{name}/mappings/{organization_id}`."""
    answer = yield Call("DELETE", path("integrations", name, "mappings", scope), repeatable=False)
    if is_missing(answer):
        return False
    done(answer)
    return True


def _mapping(body: Any) -> IntegrationMappingResponse:
    return parse(IntegrationMappingResponse, body, "a mapping")


def diagnose(place: Place, connection: str) -> Operation[dict[str, Any]]:
    """`POST /connections/{name}/diagnose`."""
    answer = yield Call("POST", path("connections", connection, "diagnose"), query(scope=place.scope))
    return success(answer)


def authorize(place: Place, connection: str, body: Mapping[str, object]) -> Operation[dict[str, Any]]:
    """`POST /connections/{name}/authorize`."""
    answer = yield Call(
        "POST", path("connections", connection, "authorize"), query(scope=place.scope), body, repeatable=False
    )
    return success(answer)


def get_connection(place: Place, connection: str) -> Operation[dict[str, Any]]:
    """`GET /connections/{name}`."""
    answer = yield Call("GET", path("connections", connection), query(scope=place.scope))
    return success(answer)
