"""The stand-ins prove themselves with programs of a few lines; the official parts must do the same.

Every claim runs on the engine that this machine has, and once more on official parts where they are.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from support.engine import (
    HOW_TO_GET_OFFICIAL,
    Engine,
    Project,
    ensured_engine,
    official_engine,
    write_program,
)
from support.ssh_server import ssh_server

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

MakeProject = Callable[[str], Project]


@pytest.fixture(
    scope="module",
    params=["ours", pytest.param("official", marks=pytest.mark.official)],
)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    if request.param == "ours":
        return ensured_engine()
    found = official_engine(tmp_path_factory.mktemp("official"))
    if found is None:
        pytest.skip(HOW_TO_GET_OFFICIAL)
    return found


@pytest.fixture
def make_project(engine: Engine, tmp_path: Path) -> Iterator[MakeProject]:
    made: list[Project] = []

    def make(program: str) -> Project:
        write_program(tmp_path / "project", program)
        project = Project(tmp_path / "project", engine)
        project.create_stack()
        made.append(project)
        return project

    yield make
    for project in made:
        project.close()


LOCAL = """
import pulumi
from pulumi_command import local
c = pulumi.Config()
command = local.Command(
    "it",
    create=c.get("create") or "echo first; echo aside >&2; cat",
    update=c.get("update"),
    delete=c.get("delete"),
    triggers=[c.get("trigger") or "one"],
    stdin=c.get_secret("stdin") or "typed",
    environment={"WORD": c.get("word") or "w"},
)
pulumi.export("stdout", command.stdout)
pulumi.export("stderr", command.stderr)
print("the program speaks")
"""


def test_a_local_command_runs_once_shows_its_lines_and_keeps_its_output(
    make_project: MakeProject,
) -> None:
    project = make_project(LOCAL)
    planned = project.preview()
    assert planned.changes == {"create": 2}, planned.text
    assert not project.resources(), "a preview runs nothing and keeps nothing"
    first = project.up()
    assert first.code == 0, first.text
    assert {"first", "aside", "typed"} <= {line.strip() for line in first.messages("info")}
    assert any("the program speaks" in line for line in first.messages())
    assert project.outputs() == {"stdout": "first\ntyped", "stderr": "aside"}
    second = project.up()
    assert second.changes == {"same": 2}, second.text


def test_a_changed_trigger_replaces_and_a_changed_input_updates(make_project: MakeProject) -> None:
    project = make_project(LOCAL)
    project.up()
    project.configure(trigger="two")
    replaced = project.up()
    assert replaced.changes == {"replace": 1, "same": 1}, replaced.text
    project.configure(word="other")
    updated = project.up()
    assert updated.changes == {"update": 1, "same": 1}, "environment is updated in place"
    planned = project.preview("--expect-no-changes")
    assert planned.code == 0, planned.text


def test_an_update_script_sees_the_output_of_the_run_before(make_project: MakeProject) -> None:
    project = make_project(LOCAL)
    project.up()
    project.configure(update='echo "was: $PULUMI_COMMAND_STDOUT / $PULUMI_COMMAND_STDERR / $WORD"')
    assert project.up().changes == {"update": 1, "same": 1}
    assert project.outputs()["stdout"] == "was: first\ntyped / aside / w"


def test_a_failing_command_fails_the_up_with_its_whole_output(make_project: MakeProject) -> None:
    project = make_project(LOCAL)
    project.configure(create="echo before; echo cause >&2; exit 3")
    result = project.up()
    assert result.code != 0
    message = "\n".join(result.messages("error"))
    assert "exit status 3: running" in message, message
    assert "before" in message, "the error has the output"
    assert "cause" in message, "both streams of it"
    assert "it" not in project.resources(), "what failed is not in state"


def test_delete_runs_a_script_only_where_there_is_one(
    make_project: MakeProject, tmp_path: Path
) -> None:
    project = make_project(LOCAL)
    project.configure(delete=f'echo "$PULUMI_COMMAND_STDOUT" > {tmp_path}/deleted')
    project.up()
    result = project.destroy()
    assert result.code == 0, result.text
    assert (tmp_path / "deleted").read_text().startswith("first"), "it sees the last output"
    project.unset("delete")
    project.up()
    (tmp_path / "deleted").unlink()
    assert project.destroy().code == 0
    assert not (tmp_path / "deleted").exists()


def test_a_secret_on_standard_input_reaches_the_command_and_nothing_else(
    make_project: MakeProject,
) -> None:
    canary = "canary-" + os.urandom(12).hex()
    project = make_project(LOCAL)
    project.configure(create="wc -c")
    project.configure_secret("stdin", canary)
    result = project.up()
    assert result.code == 0, result.text
    assert project.outputs()["stdout"].strip() == str(len(canary))
    project.preview("--diff")
    leaks = [str(file) for file, content in project.artefacts() if canary.encode() in content]
    assert not leaks


INTERRUPTED = """
from pulumi_command import local
local.Command("long", create="echo started; exec sleep 300")
"""


def test_ctrl_c_ends_a_program_that_the_script_execs(make_project: MakeProject) -> None:
    project = make_project(INTERRUPTED)
    running = project.start("up", "--yes", "--skip-preview")
    _wait_for(lambda: "started" in running.text)
    asked = time.monotonic()
    running.interrupt()
    result = running.finish(60)
    assert result.code != 0
    assert time.monotonic() - asked < 15, "the command must not hold up Ctrl-C"
    assert "long" not in project.resources()


def _wait_for(claim: Callable[[], bool], within_s: float = 60) -> None:
    end = time.monotonic() + within_s
    while not claim():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.05)


REMOTE = """
import pulumi
from pulumi_command import local, remote
c = pulumi.Config()
host = local.Command("host", create="echo 127.0.0.1")
command = remote.Command(
    "it",
    connection=remote.ConnectionArgs(
        host=host.stdout,
        port=c.require_int("port"),
        user="root",
        private_key=c.require_secret("privateKey"),
        host_key=c.get("hostKey"),
        dial_error_limit=c.get_int("limit") or 2,
        per_dial_timeout=5,
    ),
    create=c.get("create") or "cat; echo; sleep 0.3; echo aside >&2",
    triggers=[c.get("trigger") or "one"],
    stdin="typed there",
    add_previous_output_in_env=False,
)
pulumi.export("stdout", command.stdout)
pulumi.export("stderr", command.stderr)
"""


def test_a_remote_command_runs_over_ssh_on_a_host_that_the_preview_does_not_know(
    make_project: MakeProject,
) -> None:
    project = make_project(REMOTE)
    with ssh_server() as server:
        project.configure(port=str(server.port), hostKey=server.host_key)
        project.configure_secret("privateKey", server.private_key)
        planned = project.preview()
        assert planned.code == 0, planned.text
        assert planned.changes == {"create": 3}
        first = project.up()
        assert first.code == 0, first.text
        assert {"typed there", "aside"} <= {line.strip() for line in first.messages("info")}
        assert project.outputs() == {"stdout": "typed there", "stderr": "aside"}
        assert project.up().changes == {"same": 3}
        project.configure(trigger="two")
        assert project.up().changes == {"replace": 1, "same": 2}
        project.configure(create="echo before; exit 7")
        failed = project.up()
        assert failed.code != 0
        message = "\n".join(failed.messages("error"))
        assert "Process exited with status 7: running" in message, message
        assert "before" in message
    result = project.destroy()
    assert result.code == 0, "nothing is run on the host, which is gone: " + result.text


def test_another_host_key_than_the_pinned_one_is_refused(make_project: MakeProject) -> None:
    project = make_project(REMOTE)
    with ssh_server() as server, ssh_server() as other:
        project.configure(port=str(server.port), hostKey=other.host_key, limit="1")
        project.configure_secret("privateKey", server.private_key)
        result = project.up()
    assert result.code != 0
    assert "it" not in project.resources()
    assert "typed there" not in result.text, "nothing was sent"


def test_a_host_that_does_not_answer_is_dialled_up_to_the_limit(make_project: MakeProject) -> None:
    project = make_project(REMOTE)
    with ssh_server() as server:
        port, key = server.port, server.private_key
    project.configure(port=str(port), limit="2")
    project.configure_secret("privateKey", key)
    result = project.up()
    assert result.code != 0
    assert "after 2 failed attempts" in "\n".join(result.messages("error")), result.text
    assert any("Dial 1/2 failed: retrying" in line for line in result.messages("info"))


def test_a_connection_stays_secret_in_state(make_project: MakeProject) -> None:
    project = make_project(REMOTE)
    with ssh_server() as server:
        project.configure(port=str(server.port), hostKey=server.host_key)
        project.configure_secret("privateKey", server.private_key)
        assert project.up().code == 0
    body = server.private_key.splitlines()[2].encode()
    leaks = [str(file) for file, content in project.artefacts() if body in content]
    assert not leaks
    assert "ciphertext" in json.dumps(project.resources()["it"]["inputs"]["connection"])


def test_a_program_that_fails_says_why_and_with_which_code(make_project: MakeProject) -> None:
    project = make_project("raise SystemExit(5)")
    result = project.preview()
    assert result.code != 0
    assert "program exited with non-zero exit code: 5" in result.text
    (project.directory / "__main__.py").write_text(
        "raise ValueError('the cause')", encoding="utf-8"
    )
    assert "the cause" in project.preview().text


def test_a_program_sees_its_configuration_and_a_secret_stays_one(make_project: MakeProject) -> None:
    project = make_project(
        "import pulumi\n"
        "c = pulumi.Config()\n"
        "pulumi.export('word', c.require('word'))\n"
        "pulumi.export('hidden', c.require_secret('hidden'))\n"
        "pulumi.export('names', [pulumi.get_project(), pulumi.get_stack()])\n"
    )
    project.configure(word="spoken")
    project.configure_secret("hidden", "whispered")
    result = project.up()
    assert result.code == 0, result.text
    assert "whispered" not in result.text
    expected = {"word": "spoken", "hidden": "whispered", "names": ["tiny", "test"]}
    assert project.outputs() == expected


PACK = """
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy

def no_echo(args, report):
    if "echo" in str(args.props.get("create")):
        report("a command must not echo")

if __name__ == "__main__":
    PolicyPack(
        name="tiny-pack",
        enforcement_level=EnforcementLevel.MANDATORY,
        policies=[ResourceValidationPolicy("no-echo", "echo is loud", no_echo)],
    )
"""


def test_a_policy_pack_in_python_runs_and_refuses(
    make_project: MakeProject, tmp_path: Path
) -> None:
    project = make_project(LOCAL)
    pack = tmp_path / "pack"
    write_program(pack, PACK)
    settings = (pack / "Pulumi.yaml").read_text(encoding="utf-8").replace("name: tiny\n", "")
    (pack / "PulumiPolicy.yaml").write_text(settings + "version: 0.0.1\n", encoding="utf-8")
    (pack / "Pulumi.yaml").unlink()
    result = project.preview("--policy-pack", str(pack))
    assert result.code != 0
    assert "a command must not echo" in result.text


def test_what_the_killed_cli_started_ends_by_itself(
    make_project: MakeProject, engine: Engine
) -> None:
    if "stand-in" not in engine.origins.values():
        pytest.skip("the official parts look after their engine every five minutes only")
    project = make_project(INTERRUPTED)
    running = project.start("up", "--yes", "--skip-preview")
    _wait_for(lambda: "started" in running.text)
    children = psutil.Process(running.process.pid).children(recursive=True)
    names = [child.name() for child in children]
    assert "sleep" in names, names
    running.kill()
    running.finish(30)
    _, left = psutil.wait_procs(children, timeout=30)
    assert not left, "language host, program, plugin and command all end"
    assert project.cancel().code == 0, "the lock of the killed command is freed"
    assert "long" not in project.resources()
