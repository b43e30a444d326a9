"""Flags in, an exit code out: 0 all well, 1 something is wrong, 2 the command line is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console

from bifrost import __version__, context
from bifrost._io import synchronous
from bifrost.cli import connect, doctor, run
from bifrost.cli.show import show_error
from bifrost.errors import BifrostError

ENVIRONMENT = """\
environment:
  BIFROST_URL    the URL of Bifrost Integrations
  BIFROST_KEY    your key; not a flag, because others can read a process's flags
  BIFROST_SCOPE  an organization's id or "global"; your own when it is not set
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `bifrost`."""
    # Answers can be piped elsewhere; what is said about them goes beside.
    out, err = Console(), Console(stderr=True)
    flags = _parser().parse_args(arguments)
    try:
        context.set_scope(flags.scope)
        return int(flags.command(flags, out, err))
    except BifrostError as error:
        show_error(err, error)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        synchronous.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bifrost",
        description="Runs workflows, and looks after connections of Bifrost Integrations.",
        epilog=ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"bifrost {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (run, doctor, connect):
        name = command.__name__.rpartition(".")[2]
        about = (command.__doc__ or "").strip().partition("\n")[0]
        added = commands.add_parser(
            name,
            help=about,
            description=about,
            epilog=ENVIRONMENT,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.add_argument(
            "--scope", metavar="ID", help='an organization\'s id or "global", over BIFROST_SCOPE'
        )
        command.add_arguments(added)
        added.set_defaults(command=command.execute)
    return parser


if __name__ == "__main__":
    sys.exit(main())
