"""The product documentation as it is stored, and the one step that makes its snippets Python again.

The stored pages lost line breaks and indentation in places. For each snippet, a file in `layouts` shows where they
belong. `pour` takes every character of a snippet from the page, and from the layout nothing but line breaks and the
indentation after them. Then `fill_in` puts real ids where the page has placeholders. Nothing else is changed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.stack import REPOSITORY

#: Where the pages are; another place can be given.
VARIABLE = "BIFROST_PRODUCT_DOCS"
FOLDER = Path(os.environ.get(VARIABLE, REPOSITORY.parent / "shared/product_docs"))

SET_UP, CREATING, MODULE, TROUBLESHOOTING, CREATING_MD = (
    "000_7c1e4ae645514450.txt",
    "001_73618b083d306134.txt",
    "002_c8dcac13949c6123.txt",
    "003_2617d74b947e1688.txt",
    "004_1fea60d78a715081.txt",
)

#: What stands for an organization's id.
PLACEHOLDERS = ("org-123", "some-other-org-id")

_HERE = Path(__file__).parent

needs_pages = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"the product documentation is not at {FOLDER}; {VARIABLE} says where it is"
)


@dataclass(frozen=True)
class Snippet:
    """A snippet of a page, by the file of its layout."""

    page: str
    layout: Path

    @property
    def name(self) -> str:
        return self.layout.stem

    def stored(self) -> str:
        """As it stands in the page."""
        page = (FOLDER / self.page).read_text()
        places = [match.start() for match in re.finditer(r"\S", page)]
        wanted = squeeze(self.layout.read_text())
        squeezed = squeeze(page)
        found = [match.start() for match in re.finditer(f"(?={re.escape(wanted)})", squeezed)]
        assert len(found) == 1, f"{self.page} has {self.name} {len(found)} times"
        return page[places[found[0]] : places[found[0] + len(wanted) - 1] + 1]

    def repaired(self, ids: Mapping[str, str]) -> str:
        """What is run: `ids` is by placeholder."""
        return fill_in(pour(self.stored(), self.layout.read_text()), ids)


def squeeze(text: str) -> str:
    """Without all whitespace."""
    return "".join(text.split())


def pour(stored: str, layout: str) -> str:
    """The stored characters, with the layout's line breaks and indentation. Raises ValueError where that is not all."""
    if squeeze(stored) != squeeze(layout):
        raise ValueError("the layout is not of this snippet")
    gaps = re.split(r"\S", layout.strip())
    poured = ""
    for character, given, wanted in zip(squeeze(stored), re.split(r"\S", stored.strip()), gaps, strict=False):
        if given != wanted and "\n" not in wanted:
            raise ValueError(f"the layout changes {given!r} to {wanted!r} after {poured[-40:]!r}")
        poured += wanted + character
    return poured + "\n"


def fill_in(text: str, ids: Mapping[str, str]) -> str:
    """Real ids for placeholders."""
    for placeholder in PLACEHOLDERS:
        text = text.replace(placeholder, ids[placeholder])
    return text


def _snippets(page: str, *numbers: int) -> list[Snippet]:
    files = sorted((_HERE / "layouts").glob("*.py"))
    return [Snippet(page, file) for file in files if int(file.name[:2]) in numbers]


SNIPPETS = [
    *_snippets(SET_UP, 1, 2),
    *_snippets(CREATING, 3, 4),
    *_snippets(MODULE, *range(5, 14)),
    *_snippets(TROUBLESHOOTING, *range(14, 21)),
    *_snippets(CREATING_MD, 21, 22),
]

#: What the module's page declares: signatures and classes, which are compared rather than run.
DECLARATIONS = [Snippet(MODULE, file) for file in sorted((_HERE / "layouts/declarations").glob("*.py"))]


def snippet(number: int) -> Snippet:
    return SNIPPETS[number - 1]
