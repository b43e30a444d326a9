"""What the module's reference page declares is there: functions with these parameters, classes with these fields."""

from __future__ import annotations

import ast
import asyncio
import inspect
from types import ModuleType

import pydantic
import pytest

import bifrost
from bifrost import integrations
from docs.pages import DECLARATIONS, Snippet, needs_pages

#: The page says `dict` where we say which.
SAME = {"dict": ("dict[str, Any]", "Mapping[str, Any]")}


def same(documented: str, ours: str) -> bool:
    alternatives = [documented] + [documented.replace("dict", said) for said in SAME["dict"]]
    return ours in alternatives


def declaration(snippet: Snippet) -> ast.AsyncFunctionDef | ast.ClassDef:
    stored = snippet.repaired({"org-123": "org-123", "some-other-org-id": "some-other-org-id"}).rstrip()
    text = stored if stored.startswith("class") else stored + ": ..."
    node = ast.parse(text).body[0]
    assert isinstance(node, ast.AsyncFunctionDef | ast.ClassDef)
    return node


@needs_pages
@pytest.mark.parametrize("snippet", DECLARATIONS, ids=lambda snippet: snippet.name)
def test_what_the_reference_page_declares_is_there(snippet: Snippet) -> None:
    node = declaration(snippet)
    if isinstance(node, ast.ClassDef):
        check_class(node)
    else:
        check_function(node, bifrost.OAuthCredentials if node.name == "refresh" else integrations)


def check_class(node: ast.ClassDef) -> None:
    ours = getattr(integrations, node.name, None) or getattr(bifrost, node.name)
    assert issubclass(ours, pydantic.BaseModel)
    annotations: dict[str, str] = {}
    for base in reversed(ours.__mro__):
        annotations |= {name: str(said) for name, said in inspect.get_annotations(base).items()}
    for declared in node.body:
        assert isinstance(declared, ast.AnnAssign)
        name = ast.unparse(declared.target)
        assert name in ours.model_fields, f"{node.name}.{name}"
        assert same(ast.unparse(declared.annotation), annotations[name]), (
            f"{node.name}.{name}: {annotations[name]}"
        )


def check_function(node: ast.AsyncFunctionDef, place: ModuleType | type) -> None:
    ours = getattr(place, node.name)
    assert asyncio.iscoroutinefunction(ours)
    signature = inspect.signature(ours)
    assert [argument.arg for argument in node.args.args] == list(signature.parameters)
    required = len(node.args.args) - len(node.args.defaults)
    for index, argument in enumerate(node.args.args):
        parameter = signature.parameters[argument.arg]
        if argument.annotation is not None:
            assert same(ast.unparse(argument.annotation), str(parameter.annotation)), argument.arg
        assert (parameter.default is parameter.empty) == (index < required), argument.arg
        if index >= required:
            assert ast.literal_eval(node.args.defaults[index - required]) == parameter.default
    assert node.returns is not None
    assert ast.unparse(node.returns) == str(signature.return_annotation)
