"""Gives the link with which a person signs in to a connection."""

from __future__ import annotations

import argparse
import time
import webbrowser
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from bifrost import context
from bifrost._core import operations
from bifrost._core.models import Shape, parse
from bifrost._core.place import Place
from bifrost._io import synchronous
from bifrost.cli.show import MARKS, STYLES, plain

#: Seconds between two looks at a connection that somebody is signing in to.
PACE = 2.0


class Link(Shape):
    """The answer to `POST authorize`. Whoever holds the link may sign in."""

    connect_url: str
    expires_at: datetime


class Connection(Shape):
    """As much of a connection as tells whether somebody has signed in."""

    name: str
    status: str
    expires_at: str | None = None
    status_message: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("name", metavar="NAME", help="the connection")
    parser.add_argument(
        "--organization", metavar="ID", help="connect this organization's own grant on a global connection"
    )
    parser.add_argument(
        "--valid-for", metavar="SECONDS", type=int, help="how long the link is good for [900]"
    )
    parser.add_argument("--open", action="store_true", help="open the link in a browser")
    parser.add_argument("--wait", action="store_true", help="wait until somebody has signed in")


def execute(flags: argparse.Namespace, out: Console, err: Console) -> int:
    """Prints the link alone to stdout, so that it can be piped."""
    place = context.place()
    before = _connection(place, flags.name) if flags.wait else None
    body: dict[str, object] = {}
    if flags.organization is not None:
        body["organization_id"] = flags.organization
    if flags.valid_for is not None:
        body["valid_for"] = flags.valid_for
    link = parse(Link, synchronous.run(place, operations.authorize(place, flags.name, body)), "a link")
    until = link.expires_at.astimezone()
    err.print(plain(f"Whoever opens this link until {until:%d %B, %H:%M} can sign in to {flags.name}:"))
    out.print(plain(link.connect_url), soft_wrap=True)
    if flags.open:
        webbrowser.open(link.connect_url)
    return 0 if before is None else _wait(flags, place, before, link, err)


def _wait(flags: argparse.Namespace, place: Place, before: Connection, link: Link, err: Console) -> int:
    if flags.organization is not None:
        err.print(Text("Whether an organization's own grant is connected can't be watched: see its mapping."))
        return 0
    with err.status("Waiting for somebody to sign in. Ctrl-C ends the waiting, not the link."):
        while datetime.now(link.expires_at.tzinfo) < link.expires_at:
            time.sleep(PACE)
            now = _connection(place, flags.name)
            if now.status == "active" and (now.expires_at, now.status) != (before.expires_at, before.status):
                err.print(
                    Text.assemble((f"{MARKS['pass']} ", STYLES["pass"]), plain(f"{now.name} is connected"))
                )
                if now.status_message:
                    err.print(plain(f"  {now.status_message}"))
                return 0
    err.print(
        Text.assemble((f"{MARKS['fail']} ", STYLES["fail"]), "Nobody has signed in, and the link has expired")
    )
    return 1


def _connection(place: Place, name: str) -> Connection:
    found: dict[str, Any] = synchronous.run(place, operations.get_connection(place, name))
    return parse(Connection, found, "a connection")
