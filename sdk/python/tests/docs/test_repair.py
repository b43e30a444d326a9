"""The repair of the stored snippets restores layout and puts ids for placeholders, and does nothing else."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from docs.pages import (
    DECLARATIONS,
    FOLDER,
    PLACEHOLDERS,
    SNIPPETS,
    VARIABLE,
    Snippet,
    needs_pages,
    pour,
    squeeze,
)

IDS = {
    "org-123": "5c1f0d5e-8f0a-4b7e-9d53-2f6d1a0b7c11",
    "some-other-org-id": "a3b0c6de-2f54-4f0f-8a39-6d1f1f6b9e22",
}

ALL = [*SNIPPETS, *DECLARATIONS]


def test_the_documentation_has_22_snippets_to_run() -> None:
    assert len(SNIPPETS) == 22


@needs_pages
@pytest.mark.parametrize("snippet", ALL, ids=lambda snippet: snippet.name)
def test_a_repaired_snippet_is_the_stored_one_but_for_whitespace_and_placeholders(snippet: Snippet) -> None:
    stored, repaired = snippet.stored(), snippet.repaired(IDS)
    mapped_back = repaired
    for placeholder in PLACEHOLDERS:
        assert stored.count(IDS[placeholder]) == 0
        mapped_back = mapped_back.replace(IDS[placeholder], placeholder)
    assert squeeze(mapped_back) == squeeze(stored)
    assert squeeze(stored) in squeeze((FOLDER / snippet.page).read_text())


@needs_pages
@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.name)
def test_a_repaired_snippet_is_python(snippet: Snippet) -> None:
    compile(snippet.repaired(IDS), snippet.name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@needs_pages
def test_the_snippets_cover_every_use_of_the_package_in_the_pages() -> None:
    """No snippet was passed over: whatever the pages import from `bifrost`, or await of it, is in one of them."""
    told = ("from bifrost import", "await integrations.", "await oauth.", "await integration.", "await ctx.")
    for page in sorted(FOLDER.glob("*.txt")):
        ours = "".join(snippet.stored() for snippet in ALL if snippet.page == page.name)
        text = page.read_text()
        for words in told:
            assert squeeze(text).count(squeeze(words)) == squeeze(ours).count(squeeze(words)), (
                page.name,
                words,
            )


def test_without_the_pages_their_tests_are_skipped_with_a_message(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", "is_python"],
        env=os.environ | {VARIABLE: str(tmp_path / "nowhere")},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    assert (
        f"the product documentation is not at {tmp_path}/nowhere; {VARIABLE} says where it is" in ended.stdout
    )
    assert "22 skipped" in ended.stdout


@pytest.mark.parametrize(
    ("stored", "layout"),
    [
        ('print("a b")', 'print("a  b")'),
        ('print("a b")', 'print("ab")'),
        ('print("ab")', 'print("a b")'),
        ("a = 1", "a = 2"),
        ("a = 1", "a = 1\nb = 2"),
    ],
)
def test_a_layout_that_changes_more_than_line_breaks_is_refused(stored: str, layout: str) -> None:
    with pytest.raises(ValueError, match="layout"):
        pour(stored, layout)


def test_line_breaks_and_indentation_come_from_the_layout_and_the_rest_from_the_page() -> None:
    stored = '@workflowasync def f(): x = "a  b"\nreturn x'
    layout = '@workflow\nasync def f():\n    x = "a  b"\n    return x\n'
    assert pour(stored, layout) == layout
