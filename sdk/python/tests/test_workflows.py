"""`workflow`, `param` and `ExecutionContext`: light, and in nobody's way."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from bifrost import ExecutionContext, context, param, workflow
from bifrost.workflows import Param, Workflow


def test_a_bare_workflow_is_called_as_its_function_is() -> None:
    @workflow
    async def sync_users() -> int:
        """Syncs users."""
        return 7

    assert Workflow.of(sync_users) == Workflow("sync_users", "Syncs users.")
    assert inspect.iscoroutinefunction(sync_users)
    assert asyncio.run(sync_users()) == 7


def test_a_workflow_takes_any_keywords() -> None:
    @workflow(
        name="nightly", description="At nine", execution_mode="scheduled", schedule="0 9 * * 1", later=object
    )
    def run() -> int:
        return 7

    noted = Workflow.of(run)
    assert noted is not None
    assert (noted.name, noted.description) == ("nightly", "At nine")
    assert noted.options == {"execution_mode": "scheduled", "schedule": "0 9 * * 1", "later": object}
    assert run() == 7


def test_a_workflow_without_anything_in_the_brackets_is_one_too() -> None:
    @workflow()
    def run() -> None: ...

    assert Workflow.of(run) == Workflow("run", "")


def test_what_is_no_workflow_has_no_note() -> None:
    assert Workflow.of(print) is None
    assert Workflow.of(None) is None


def test_params_are_noted_from_first_to_last_on_either_side_of_the_workflow() -> None:
    @param("user_id", label="User", required=True)
    @workflow(name="w")
    @param("limit", "int", label="Most")
    def run(user_id: str, limit: int = 5) -> str:
        return user_id * limit

    assert Workflow.params(run) == (
        Param("user_id", {"label": "User", "required": True}),
        Param("limit", {"type": "int", "label": "Most"}),
    )
    assert Workflow.of(run) == Workflow("w", "")
    assert run("x", 2) == "xx"
    assert Workflow.params(print) == ()


def test_a_method_of_the_context_sets_the_ambient_scope() -> None:
    execution = ExecutionContext("w", {"limit": 5})
    execution.set_scope("global")
    assert context.get_scope() == execution.scope == "global"
    assert (execution.workflow_name, execution.parameters["limit"]) == ("w", 5)
    assert repr(execution) == "ExecutionContext(workflow_name='w', scope='global')"


async def test_http_get_follows_no_redirect(monkeypatch: pytest.MonkeyPatch) -> None:
    from support.front import Front, Reply

    front = Front("http://127.0.0.1:9")
    with front.meddling(lambda _: Reply(302, headers={"location": "http://127.0.0.1:9/"})):
        answer = await ExecutionContext().http_get(
            f"{front.url}/x", params={"a": 1}, headers={"authorization": "own"}
        )
    assert answer.status_code == 302
    assert front.seen[0].target == "/x?a=1"
    assert front.seen[0].headers["authorization"] == "own"
    front.close()
