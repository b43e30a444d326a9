"""How things look in a terminal. What comes from elsewhere is text, whatever brackets and escapes it has in it."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from bifrost.errors import BifrostError

STYLES = {"pass": "green", "warn": "yellow", "fail": "bold red", "skip": "dim"}
MARKS = {"pass": "✓", "warn": "!", "fail": "✗", "skip": "-"}


def plain(text: str, style: str = "") -> Text:
    """Text of others: nothing in it is markup, and nothing in it tells the terminal what to do."""
    return Text(
        "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text), style
    )


def show_error(console: Console, error: BifrostError) -> None:
    """What happened, and what to do."""
    console.print(Text.assemble(("✗ ", STYLES["fail"]), plain(error.detail), plain(f"  {error.code}", "dim")))
    for wrong in error.errors:
        console.print(plain(f"  {wrong.field}: {wrong.message}"))
    if error.fix:
        console.print(Text.assemble(("→ ", "cyan"), plain(error.fix)))
    if error.request_id:
        console.print(plain(f"  request {error.request_id}", "dim"))
