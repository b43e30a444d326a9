"""`bifrost run` as a process of its own, which finds the external APIs as the tests do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support.external import Externals


def bifrost_run(file: Path, externals: Externals, *flags: str) -> subprocess.CompletedProcess[str]:
    """Ended, whatever its exit code."""
    paths = {
        "BIFROST_TEST_EXTERNAL_PORT": str(externals.port),
        "PYTHONPATH": str(Path(__file__).parents[1] / "child"),
    }
    command = [sys.executable, "-m", "bifrost", "run", str(file), *flags]
    return subprocess.run(command, env=os.environ | paths, capture_output=True, text=True, check=False)
