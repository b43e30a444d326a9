"""What the README shows works."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.command import bifrost_run
from support.external import Externals
from support.stack import REPOSITORY
from support.world import ACME_TENANT, World

import bifrost
from bifrost import errors

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_example_runs_by_bifrost_run(as_acme: World, externals: Externals, tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    file = tmp_path / "customers.py"
    file.write_text(example)
    externals.refused.clear()
    ended = bifrost_run(file, externals)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["tenant"] == ACME_TENANT


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(\w+Error)`", README)) - {"BifrostError"}))
def test_an_error_that_is_named_is_one(name: str) -> None:
    assert issubclass(getattr(errors, name), bifrost.BifrostError)


def test_what_it_leads_to_is_there() -> None:
    for target in re.findall(r"\]\((?!http)(.*?)\)", README):
        assert (REPOSITORY / "sdk/python" / target).exists(), target
