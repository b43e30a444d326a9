"""Runs a workflow of a file, and prints what it returns as JSON."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import inspect
import json
import logging
import sys
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python
from rich.console import Console
from rich.logging import RichHandler

from bifrost.errors import FieldError, InvalidInputError
from bifrost.workflows import ExecutionContext, Workflow

#: What a first parameter is called that wants the context, where it has no annotation to say so.
CONTEXT_NAMES = ("context", "ctx")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("file", metavar="FILE", type=Path, help="the Python file")
    parser.add_argument("--workflow", metavar="NAME", help="which one, where the file has several")
    parser.add_argument(
        "--param",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a parameter of the workflow; repeatable",
    )


def execute(flags: argparse.Namespace, out: Console, err: Console) -> int:
    """Logs go to stderr, the result to stdout. What the workflow raises is not caught, unless it is of this package."""
    logging.basicConfig(
        level=logging.INFO, format="%(message)s", handlers=[RichHandler(console=err, show_path=False)]
    )
    # One line for each request would hide what the workflow says.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    function, about = choose(load(flags.file), flags.workflow, flags.file)
    given = dict(_pair(text) for text in flags.param)
    result = call(function, about, given)
    shown = json.dumps(to_jsonable_python(result, fallback=repr), indent=2, ensure_ascii=False)
    if out.is_terminal:
        out.print_json(shown)
    else:
        sys.stdout.write(shown + "\n")
    return 0


def load(file: Path) -> ModuleType:
    """Imports a file, which can import what lies beside it, as when Python runs it."""
    if not file.is_file():
        raise _invalid(f"There is no file {file}")
    name = file.stem
    while name in sys.modules:
        # It must not take the place of a module that something else here needs.
        name += "_"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise _invalid(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.resolve().parent))
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def choose(module: ModuleType, name: str | None, file: Path) -> tuple[Callable[..., Any], Workflow]:
    """The workflow of that name, which may be the function's own; the only one if no name is given."""
    here = {
        id(function): (function, about)
        for function in vars(module).values()
        if callable(function)
        and (about := Workflow.of(function)) is not None
        and getattr(function, "__module__", None) == module.__name__
    }
    named = [
        (function, about)
        for function, about in here.values()
        if name is None or name in (about.name, getattr(function, "__name__", None))
    ]
    if len(named) == 1:
        return named[0]
    names = ", ".join(sorted(about.name for _, about in here.values()))
    if not here:
        raise _invalid(f"{file} has no workflow: no function has the decorator @workflow")
    if name is None:
        raise _invalid(f"{file} has several workflows: choose one with --workflow: {names}")
    raise _invalid(
        f"{file} has {'several workflows' if named else 'no workflow'} of the name {name}; it has {names}"
    )


def call(function: Callable[..., Any], about: Workflow, given: Mapping[str, str]) -> Any:
    """Runs a workflow with its parameters read as they are annotated."""
    signature = inspect.signature(function)
    try:
        annotations = typing.get_type_hints(function)
    except Exception:  # noqa: BLE001 - whatever names they use, they can be anybody's
        annotations = {}
    parameters = list(signature.parameters.values())
    arguments: list[Any] = []
    wanted = (
        parameters[1:] if parameters and _wants_context(parameters[0], annotations, given) else parameters
    )
    values = _values(wanted, annotations, given)
    if len(wanted) < len(parameters):
        arguments.append(ExecutionContext(about.name, values))
    result = function(*arguments, **values)
    return asyncio.run(result) if inspect.iscoroutine(result) else result


def _wants_context(
    first: inspect.Parameter, annotations: Mapping[str, Any], given: Mapping[str, str]
) -> bool:
    if first.name in given or first.kind not in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD):
        return False
    annotation = annotations.get(first.name)
    return annotation is ExecutionContext or (annotation is None and first.name in CONTEXT_NAMES)


def _values(
    wanted: list[inspect.Parameter], annotations: Mapping[str, Any], given: Mapping[str, str]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    wrong: list[FieldError] = []
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in wanted)
    named = {p.name: p for p in wanted if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    for name, text in given.items():
        if name not in named and not takes_any:
            wrong.append(FieldError(name, "the workflow has no such parameter"))
            continue
        try:
            values[name] = _read(text, annotations.get(name, str))
        except ValidationError as error:
            wrong.append(FieldError(name, error.errors()[0]["msg"]))
    missing = (p.name for p in named.values() if p.default is p.empty and p.name not in given)
    wrong.extend(FieldError(name, f"is required: --param {name}=...") for name in missing)
    if wrong:
        raise _invalid("The workflow can't be called like this", *wrong)
    return values


def _read(text: str, annotation: Any) -> Any:
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    try:
        return adapter.validate_python(text)
    except ValidationError:
        # Lists and objects are JSON.
        return adapter.validate_json(text)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise _invalid(f"--param {text} is not NAME=VALUE")
    return name, value


def _invalid(detail: str, *wrong: FieldError) -> InvalidInputError:
    return InvalidInputError(detail, code="invalid-input", errors=wrong)
