"""`workflow`, `param` and `ExecutionContext`: what workflows are written with.

They are light on purpose. A decorated function stays what it is, with a note attached that an engine can read: a file
of workflows runs under any engine, in a test, or by `bifrost run FILE`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, overload

import httpx

from bifrost import context
from bifrost._io import asynchronous
from bifrost._io.shared import Pool

__all__ = ["ExecutionContext", "Param", "Workflow", "param", "workflow"]

F = TypeVar("F", bound=Callable[..., object])

_WORKFLOW = "__bifrost_workflow__"
_PARAMS = "__bifrost_params__"


@dataclass(frozen=True)
class Param:
    """What `param` noted of one parameter."""

    name: str
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Workflow:
    """What `workflow` noted of a function."""

    name: str
    description: str
    options: Mapping[str, object] = field(default_factory=dict)

    @staticmethod
    def of(function: object) -> Workflow | None:
        """The note on a function; nothing where it is no workflow."""
        noted = getattr(function, _WORKFLOW, None)
        return noted if isinstance(noted, Workflow) else None

    @staticmethod
    def params(function: object) -> tuple[Param, ...]:
        """The notes on its parameters, from first to last."""
        return tuple(getattr(function, _PARAMS, ()))


@overload
def workflow(function: F, /) -> F: ...
@overload
def workflow(
    *, name: str | None = None, description: str | None = None, **options: object
) -> Callable[[F], F]: ...


def workflow(
    function: F | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    **options: object,
) -> F | Callable[[F], F]:
    """Marks a function as a workflow: `@workflow`, or `@workflow(name=..., schedule=...)` with any keywords.

    Without a name it is called as the function is; without a description, its docstring is it.
    """

    def mark(function: F) -> F:
        about = description if description is not None else inspect.getdoc(function) or ""
        setattr(function, _WORKFLOW, Workflow(name or function.__name__, about, options))
        return function

    return mark if function is None else mark(function)


def param(name: str, type: str | None = None, **options: object) -> Callable[[F], F]:  # noqa: A002
    """Says more about a workflow's parameter than its annotation does, with any keywords: `label`, `required`, ..."""
    if type is not None:
        options = {"type": type, **options}

    def mark(function: F) -> F:
        # Decorators apply from the last to the first.
        setattr(function, _PARAMS, (Param(name, options), *Workflow.params(function)))
        return function

    return mark


class ExecutionContext:
    """What a workflow gets as its first parameter, if it asks for it.

    It keeps no scope of its own: that is the ambient one, so two executions can't mix theirs up.
    """

    def __init__(self, workflow_name: str = "", parameters: Mapping[str, Any] | None = None) -> None:
        self.workflow_name = workflow_name
        self.parameters: Mapping[str, Any] = dict(parameters or {})

    @property
    def scope(self) -> str | None:
        """Whose data the workflow works with; `None` is the key's own."""
        return context.get_scope()

    @property
    def org_id(self) -> str | None:
        """The organization, where the scope is one."""
        scope = self.scope
        return None if scope == "global" else scope

    def set_scope(self, scope: str | None) -> None:
        """The same as `context.set_scope`."""
        context.set_scope(scope)

    async def http_get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        timeout: float = 30.0,
    ) -> httpx.Response:
        """Gets a URL of anybody's. Bifrost's key has no part in it, and redirects are not followed.

        Raises httpx.HTTPError: no answer. An answer of any status is an answer: see `response.raise_for_status()`.
        """
        client = await asynchronous.client(Pool(trust_env=True))
        given = dict(params) if params else None
        return await client.get(url, headers=dict(headers or {}), params=given, timeout=timeout)

    def __repr__(self) -> str:
        return f"ExecutionContext(workflow_name={self.workflow_name!r}, scope={self.scope!r})"
