"""What is shipped."""

from __future__ import annotations

import ast
import re
from importlib.metadata import metadata, requires
from pathlib import Path

import pytest
from support.stack import REPOSITORY

import bifrost

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))


def test_it_is_typed_and_its_version_is_said_once() -> None:
    assert (ROOT / "src/bifrost/py.typed").is_file()
    assert metadata("bifrost")["Version"] == bifrost.__version__


@pytest.mark.parametrize("name", ["LICENSE-APACHE", "LICENSE-MIT"])
def test_the_licenses_are_the_repositorys(name: str) -> None:
    assert (ROOT / name).read_bytes() == (REPOSITORY / name).read_bytes()


def test_it_needs_httpx_pydantic_and_rich_and_nothing_else() -> None:
    names = {re.split(r"[<>=;\[ ]", requirement)[0] for requirement in requires("bifrost") or []}
    assert names == {"httpx", "pydantic", "rich"}


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_the_syntax_is_that_of_python_3_10(file: Path) -> None:
    ast.parse(file.read_text(), feature_version=(3, 10))


def test_all_that_is_public_is_there() -> None:
    for name in bifrost.__all__:
        assert hasattr(bifrost, name)


def test_nothing_in_the_rules_does_io() -> None:
    """`_core` decides, `_io` sends: so both faces share all decisions."""
    for file in (ROOT / "src/bifrost/_core").glob("*.py"):
        imports = [
            node
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        names = {alias.name for node in imports for alias in node.names} | {
            node.module for node in imports if isinstance(node, ast.ImportFrom)
        }
        assert not names & {"asyncio", "threading", "socket", "bifrost._io", "time.sleep"}, file
