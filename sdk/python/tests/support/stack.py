"""The local stack as a child process, with its demo OAuth provider."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[4]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))

#: Seconds. All is built by then.
START = 120


@dataclass(frozen=True)
class Stack:
    """A running one."""

    url: str
    root_key: str
    provider: str
    #: Where everything goes that it writes.
    log: Path


@contextmanager
def running(folder: Path) -> Iterator[Stack]:
    """Builds it, starts it on free ports with nothing kept, and ends it."""
    build = ["cargo", "build", "--quiet", "--locked", "--workspace", "--exclude", "bifrost-tests", "--bins"]
    subprocess.run(build, cwd=REPOSITORY, check=True)
    out, log = folder / "stack.out", folder / "stack.log"
    command = [
        str(TARGET / "debug/bifrost-local"),
        *("--ephemeral", "--no-build", "--listen", "127.0.0.1:0", "--provider-listen", "127.0.0.1:0"),
    ]
    with out.open("w") as stdout, log.open("w") as stderr:
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=stdout, stderr=stderr)
        try:
            yield _welcomed(process, out, log)
        finally:
            process.terminate()
            process.wait(timeout=30)


def _welcomed(process: subprocess.Popen[bytes], out: Path, log: Path) -> Stack:
    patterns = (r"is at (http://\S+)", r"root key\s+(bfk_root_\S+)", r"demo provider\s+(http://\S+)")
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and process.poll() is None:
        found = [re.search(pattern, out.read_text()) for pattern in patterns]
        if all(found):
            url, root_key, provider = (match.group(1) for match in found if match is not None)
            return Stack(url, root_key, provider, log)
        time.sleep(0.05)
    raise RuntimeError(f"the local stack did not start:\n{log.read_text()}")
