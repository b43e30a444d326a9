"""How things look in a terminal. What comes from elsewhere is text, whatever brackets it has in it."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from bifrost.errors import BifrostError

STYLES = {"pass": "green", "warn": "yellow", "fail": "bold red", "skip": "dim"}
MARKS = {"pass": "✓", "warn": "!", "fail": "✗", "skip": "-"}


def show_error(console: Console, error: BifrostError) -> None:
    """What happened, and what to do."""
    console.print(Text.assemble(("✗ ", STYLES["fail"]), error.detail, (f"  {error.code}", "dim")))
    for wrong in error.errors:
        console.print(Text(f"  {wrong.field}: {wrong.message}"))
    if error.fix:
        console.print(Text.assemble(("→ ", "cyan"), error.fix))
    if error.request_id:
        console.print(Text(f"  request {error.request_id}", "dim"))
