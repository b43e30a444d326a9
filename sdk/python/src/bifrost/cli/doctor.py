"""Looks at a connection from Bifrost and from the provider, and says what to do."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bifrost import context
from bifrost._core import operations
from bifrost._core.models import Shape, parse
from bifrost._io import synchronous
from bifrost.cli.show import MARKS, STYLES, plain


class Check(Shape):
    """One thing that was looked at."""

    id: str
    title: str
    #: `pass`, `warn`, `fail` or `skip`.
    status: str
    detail: str
    fix: str | None = None


class Diagnosis(Shape):
    """How a connection is."""

    connection_name: str
    status: str
    checks: list[Check]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("name", metavar="NAME", help="the connection")


def execute(flags: argparse.Namespace, out: Console, _err: Console) -> int:
    """Exits with 1 when a check failed."""
    place = context.place()
    found: dict[str, Any] = synchronous.run(place, operations.diagnose(place, flags.name))
    diagnosis = parse(Diagnosis, found, "a diagnosis")
    out.print(_table(diagnosis))
    out.print(
        Text.assemble(plain(f"{diagnosis.connection_name}: "), _status(diagnosis.status, diagnosis.status))
    )
    return 1 if diagnosis.status == "fail" else 0


def _table(diagnosis: Diagnosis) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(min_width=16)
    table.add_column(ratio=1, overflow="fold")
    for check in diagnosis.checks:
        said = plain(check.detail, "dim" if check.status in ("pass", "skip") else "")
        if check.fix:
            said.append("\n→ ", "cyan").append_text(plain(check.fix))
        table.add_row(_status(check.status, MARKS.get(check.status, "?")), plain(check.title), said)
    return table


def _status(status: str, text: str) -> Text:
    return plain(text, STYLES.get(status, ""))
