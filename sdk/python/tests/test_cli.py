"""The command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from support.admin import sign_in, unused_name
from support.front import Front, Reply
from support.world import ACME_TENANT, GLOBEX_TENANT, World

from bifrost.cli import connect
from bifrost.cli.main import main


@pytest.fixture
def as_root(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("BIFROST_URL", world.admin.stack.url)
    monkeypatch.setenv("BIFROST_KEY", world.admin.stack.root_key)
    # Wide enough that no line of text is broken in the middle.
    monkeypatch.setenv("COLUMNS", "300")
    return world


Capture = pytest.CaptureFixture[str]


# doctor


def test_doctor_shows_every_check_and_what_to_do(as_root: World, capsys: Capture) -> None:
    assert main(["doctor", "Microsoft_Graph"]) == 0
    out = capsys.readouterr().out
    assert "✓  Redirect URI" in out
    assert f"{as_root.admin.stack.url}/oauth/callback/Microsoft_Graph" in out
    assert out.splitlines()[-1] in ("Microsoft_Graph: pass", "Microsoft_Graph: warn")


def test_doctor_exits_with_1_and_says_the_fix_when_a_check_fails(as_root: World, capsys: Capture) -> None:
    name = unused_name("ill")
    as_root.admin.client_credentials(name, f"{as_root.provider.url}/token", client_secret="wrong")
    as_root.admin.call("GET", "/integrations?limit=1")
    with pytest.raises(AssertionError, match="client-rejected"):
        as_root.admin.call("GET", f"/connections/{name}/token")
    assert main(["doctor", name]) == 1
    out = capsys.readouterr().out
    assert "✗" in out
    assert "→" in out
    assert out.splitlines()[-1] == f"{name}: fail"


def test_doctor_looks_in_the_scope_that_it_is_given(as_root: World, capsys: Capture) -> None:
    assert main(["doctor", "Microsoft_Graph", "--scope", as_root.globex]) == 0
    assert "Microsoft_Graph~" in capsys.readouterr().out


def test_doctor_shows_what_a_provider_says_as_text(
    api: Front, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Brackets are markup to the terminal library, and escapes are more to the terminal."""
    monkeypatch.setenv("COLUMNS", "300")
    check = {
        "id": "x",
        "title": "[red]T",
        "status": "odd",
        "detail": "[link=https://thief.example]d",
        "fix": "[/nothing]\x1b]0;owned\x07\u202e",
    }
    body = json.dumps({"connection_name": "[bold]c", "status": "pass", "checks": [check]}).encode()
    with api.replying(Reply(200, body)):
        assert main(["doctor", "x"]) == 0
    out = capsys.readouterr().out
    for text in ("[red]T", "[link=https://thief.example]d", "[/nothing]", "[bold]c"):
        assert text in out
    assert not {"\x1b", "\x07", "\u202e"} & set(out)


@pytest.mark.parametrize("command", ["doctor", "connect"])
def test_what_one_may_not_is_said_with_its_fix(
    as_acme: World, capsys: Capture, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert main([command, "HaloPSA"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "✗" in said.err
    assert "forbidden" in said.err
    assert "→ Use a key whose role allows it" in said.err
    assert as_acme.acme_key not in said.err


# connect


def test_connect_prints_the_link_alone_so_that_it_can_be_piped(as_root: World, capsys: Capture) -> None:
    name = unused_name("connect")
    as_root.admin.authorization_code(name, as_root.provider.url)
    assert main(["connect", name, "--valid-for", "60"]) == 0
    said = capsys.readouterr()
    link = said.out.strip()
    assert link.startswith(f"{as_root.admin.stack.url}/connect/")
    assert "\n" not in link
    assert name in said.err
    sign_in(link)
    assert as_root.admin.call("GET", f"/connections/{name}")["status"] == "active"


def test_connect_can_wait_until_somebody_has_signed_in(
    as_root: World, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = unused_name("connect")
    as_root.admin.authorization_code(name, as_root.provider.url)
    monkeypatch.setattr(connect, "PACE", 0.1)
    signing_in: list[threading.Thread] = []

    def person(url: str) -> None:
        signing_in.append(threading.Thread(target=sign_in, args=(url,)))
        signing_in[0].start()

    monkeypatch.setattr("webbrowser.open", person)
    assert main(["connect", name, "--open", "--wait"]) == 0
    signing_in[0].join()
    assert f"✓ {name} is connected" in capsys.readouterr().err


def test_connect_stops_waiting_when_the_link_has_expired(
    as_root: World, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = unused_name("connect")
    as_root.admin.authorization_code(name, as_root.provider.url)
    monkeypatch.setattr(connect, "PACE", 0.1)
    assert main(["connect", name, "--valid-for", "1", "--wait"]) == 1
    assert "the link has expired" in capsys.readouterr().err


def test_connect_gives_an_organizations_own_link(as_root: World, capsys: Capture) -> None:
    assert main(["connect", "Microsoft_Graph", "--organization", as_root.acme]) == 0
    assert "/connect/" in capsys.readouterr().out


def test_connecting_what_needs_no_sign_in_is_said(as_root: World, capsys: Capture) -> None:
    assert main(["connect", "Pax8"]) == 1
    assert "wrong-flow" in capsys.readouterr().err


# run


def write(folder: Path, text: str) -> str:
    file = folder / "flows.py"
    file.write_text(textwrap.dedent(text))
    return str(file)


def test_run_runs_the_only_workflow_and_prints_its_result_as_json(
    as_acme: World, tmp_path: Path, capsys: Capture
) -> None:
    file = write(
        tmp_path,
        """
        from bifrost import workflow, integrations

        @workflow
        async def entity():
            return {"entity": (await integrations.get("HaloPSA")).entity_id}
        """,
    )
    assert main(["run", file]) == 0
    assert json.loads(capsys.readouterr().out) == {"entity": ACME_TENANT}


def test_run_runs_in_the_scope_that_it_is_given(as_msp: World, tmp_path: Path, capsys: Capture) -> None:
    file = write(
        tmp_path,
        """
        from bifrost import workflow
        from bifrost.sync import integrations

        @workflow
        def entity(context):
            return [integrations.get("HaloPSA").entity_id, context.org_id]
        """,
    )
    assert main(["run", file, "--scope", as_msp.globex]) == 0
    assert json.loads(capsys.readouterr().out) == [GLOBEX_TENANT, as_msp.globex]


FLOWS = """
    from __future__ import annotations
    import datetime
    from bifrost import ExecutionContext, workflow, param
    from helpers import double

    @workflow(name="first one")
    def first(ctx: ExecutionContext, count: int, names: list[str], when: datetime.date, *, loud: bool = False):
        return {"count": double(count), "names": names, "when": when, "loud": loud, "p": dict(ctx.parameters)}

    @workflow
    @param("anything")
    def second(anything, **more):
        return [anything, more]

    @workflow
    def third(context: str):
        return context

    @workflow
    def fourth():
        return object()

    def no_workflow():
        pass
"""


@pytest.fixture
def flows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "helpers.py").write_text("def double(value): return 2 * value\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "helpers", raising=False)
    return write(tmp_path, FLOWS)


def test_run_reads_parameters_as_they_are_annotated(flows: str, capsys: Capture) -> None:
    given = ["count=21", 'names=["a", "b"]', "when=2026-01-31", "loud=yes"]
    flags = [flag for text in given for flag in ("--param", text)]
    assert main(["run", flows, "--workflow", "first one", *flags]) == 0
    out = json.loads(capsys.readouterr().out)
    assert {name: out[name] for name in ("count", "names", "when", "loud")} == {
        "count": 42,
        "names": ["a", "b"],
        "when": "2026-01-31",
        "loud": True,
    }
    assert out["p"]["count"] == 21


def test_run_takes_the_functions_own_name_too_and_leaves_text_as_it_is(flows: str, capsys: Capture) -> None:
    assert main(["run", flows, "--workflow", "second", "--param", "anything=1=2", "--param", "x=7"]) == 0
    assert json.loads(capsys.readouterr().out) == ["1=2", {"x": "7"}]


def test_a_first_parameter_that_is_called_context_but_is_text_is_a_parameter(
    flows: str, capsys: Capture
) -> None:
    assert main(["run", flows, "--workflow", "third", "--param", "context=text"]) == 0
    assert json.loads(capsys.readouterr().out) == "text"


def test_a_result_that_is_no_json_is_shown_all_the_same(flows: str, capsys: Capture) -> None:
    assert main(["run", flows, "--workflow", "fourth"]) == 0
    assert "<object object" in json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], ["several workflows", "first one, fourth, second, third"]),
        (["--workflow", "no_workflow"], ["no workflow of the name no_workflow"]),
        (["--workflow", "first"], ["count: is required", "names: is required"]),
        (
            ["--workflow", "first", "--param", "count=many", "--param", "x=1"],
            ["count: ", "x: the workflow has no such"],
        ),
        (["--workflow", "first", "--param", "count"], ["is not NAME=VALUE"]),
    ],
)
def test_a_call_that_can_not_be_made_says_everything_that_is_wrong(
    flows: str, capsys: Capture, flags: list[str], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert main(["run", flows, *flags]) == 1
    err = capsys.readouterr().err
    for words in said:
        assert words in err


def test_a_file_that_is_not_there_or_has_no_workflow_says_so(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert main(["run", str(tmp_path / "nowhere.py")]) == 1
    assert main(["run", write(tmp_path, "from bifrost import workflow\n")]) == 1
    err = capsys.readouterr().err
    assert "There is no file" in err
    assert "no workflow" in err


def test_a_file_that_is_called_as_a_module_of_pythons_is_takes_nobodys_place(
    tmp_path: Path, capsys: Capture
) -> None:
    file = tmp_path / "json.py"
    file.write_text("from bifrost import workflow\n\n@workflow\ndef run():\n    return __name__\n")
    assert main(["run", str(file)]) == 0
    assert sys.modules["json"] is json
    assert json.loads(capsys.readouterr().out) == "json_"
    sys.path.remove(str(tmp_path))


def test_an_error_of_bifrosts_ends_a_workflow_with_its_fix(
    as_acme: World, tmp_path: Path, capsys: Capture
) -> None:
    file = write(
        tmp_path,
        """
        from bifrost import workflow, oauth

        @workflow
        async def fails():
            await oauth.get_token("no-such-connection")
        """,
    )
    assert main(["run", file]) == 1
    err = capsys.readouterr().err
    assert "no-such-connection" in err
    assert "→" in err


# The command itself


def test_without_url_and_key_it_says_what_to_set(capsys: Capture) -> None:
    assert main(["doctor", "x"]) == 1
    assert "BIFROST_URL and BIFROST_KEY must be set" in capsys.readouterr().err


def test_help_names_the_commands_and_the_environment() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "bifrost", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    ).stdout
    for words in ("run", "doctor", "connect", "BIFROST_URL", "BIFROST_KEY", "BIFROST_SCOPE"):
        assert words in shown


def test_the_key_can_not_be_given_where_others_can_read_it(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "x", "--key", "bfk_x_y"])
    assert ended.value.code == 2


def test_importing_the_package_does_not_import_the_command_line() -> None:
    script = "import bifrost, sys; print([m for m in sys.modules if m.split('.')[0] in ('rich', 'argparse')])"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "rich" not in shown
