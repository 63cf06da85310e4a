"""The rules of the stand-in for the plugin `command`, without an engine."""

from __future__ import annotations

from typing import Any

import pytest
from commands import inputs, wire
from commands.difference import differences, path_of
from commands.local import run_local
from commands.run import Collector, CommandError, Job, Output, Stop, job_for

HIDDEN = "canary-4711-secret"


def job(command: str, said: list[str] | None = None, **properties: Any) -> Job:
    lines = said if said is not None else []
    return job_for(command, properties, Output(), lines.append, Stop())


def test_only_what_differs_is_reported_with_its_path() -> None:
    old = {
        "create": "a",
        "triggers": ["x", 1.0],
        "environment": {"A": "1", "B": "2"},
        "__defaults": [],
    }
    new = {
        "create": "b",
        "triggers": ["x", 2.0, 3.0],
        "environment": {"A": "1", "C": "2"},
        "stdin": "s",
    }
    assert differences(old, new) == {
        "create": "update",
        "environment.B": "delete",
        "environment.C": "add",
        "stdin": "add",
        "triggers[1]": "update",
        "triggers[2]": "add",
    }


def test_equal_inputs_and_internal_names_are_no_difference() -> None:
    assert differences({"create": "a", "version": "1"}, {"create": "a", "__x": 1}) == {}


def test_secretness_counts_as_a_difference_but_not_the_same_secret() -> None:
    assert differences({"stdin": "a"}, {"stdin": wire.secret("a")}) == {"stdin": "update"}
    assert differences({"stdin": wire.secret("a")}, {"stdin": wire.secret("a")}) == {}


def test_odd_names_are_quoted_in_paths() -> None:
    assert path_of(("environment", "a.b")) == 'environment["a.b"]'
    assert path_of(("triggers", 0, "x")) == "triggers[0].x"


def test_values_survive_the_wire() -> None:
    values = {"a": [1.0, True, "x", {"b": None}], "s": wire.secret({"k": "v"}), "u": wire.UNKNOWN}
    back = wire.from_struct(wire.to_struct(values))
    assert back == values
    assert wire.plain(back)["s"] == {"k": "v"}
    assert wire.has_unknown(back)
    assert list(wire.secret_texts(back)) == ["v"]


def test_a_connection_gets_defaults_and_becomes_secret() -> None:
    checked = inputs.checked(inputs.REMOTE, {"connection": {"host": "h", "port": 2222.0}})
    assert wire.is_secret(checked["connection"])
    expected = {
        "host": "h",
        "port": 2222.0,
        "user": "root",
        "dialErrorLimit": 10,
        "perDialTimeout": 15,
    }
    assert wire.plain(checked["connection"]) == expected


def test_an_unknown_connection_stays_unknown() -> None:
    given = {"connection": wire.secret(wire.UNKNOWN)}
    assert inputs.checked(inputs.REMOTE, given) == given
    assert not list(inputs.failures(inputs.REMOTE, given))


@pytest.mark.parametrize(
    ("token", "given", "where"),
    [
        (inputs.LOCAL, {"assetPaths": ["*"]}, "assetPaths"),
        (inputs.LOCAL, {"logging": "loud"}, "logging"),
        (inputs.REMOTE, {}, "connection"),
        (inputs.REMOTE, {"connection": {"user": "u"}}, "connection.host"),
        (inputs.REMOTE, {"connection": {"host": "h", "proxy": {"host": "p"}}}, "connection.proxy"),
        ("command:remote:CopyToRemote", {}, ""),
    ],
)
def test_what_the_stand_in_cannot_do_is_refused_and_named(
    token: str, given: dict[str, Any], where: str
) -> None:
    assert [name for name, _ in inputs.failures(token, given)] == [where]


def test_a_command_gets_its_environment_and_standard_input() -> None:
    said: list[str] = []
    output = run_local(
        job('cat; echo "$WORD"; echo aside >&2', said, stdin="in\n", environment={"WORD": "w"})
    )
    assert output == Output("in\nw", "aside")
    assert sorted(said) == ["aside", "in", "w"]


def test_a_failure_has_command_and_output_but_no_secret() -> None:
    secret = wire.secret(HIDDEN)
    with pytest.raises(CommandError) as failed:
        run_local(job("cat; exit 4", stdin=secret))
    assert str(failed.value).startswith('exit status 4: running "cat; exit 4":')
    assert HIDDEN not in str(failed.value)


def test_lines_are_masked_but_the_output_is_kept_as_it_is() -> None:
    said: list[str] = []
    output = run_local(job("cat", said, stdin=wire.secret(HIDDEN)))
    assert said == ["[secret]"]
    assert output.stdout == HIDDEN, "marking outputs secret is the program's choice, as officially"


@pytest.mark.parametrize(
    ("logging", "shown"),
    [("none", []), ("stdout", ["out"]), ("stderr", ["err"]), ("stdoutAndStderr", ["err", "out"])],
)
def test_logging_chooses_what_is_shown(logging: str, shown: list[str]) -> None:
    said: list[str] = []
    run_local(job("echo out; echo err >&2", said, logging=logging))
    assert sorted(said) == shown


def test_a_line_in_pieces_is_shown_once_whole() -> None:
    said: list[str] = []
    collector = Collector(job("true", said))
    for piece in (b"ha", b"lf\nwho", b"le\nrest"):
        collector.take("stdout", piece)
    assert said == ["half", "whole"]
    assert collector.output().stdout == "half\nwhole\nrest"
    assert said[-1] == "rest"


def test_a_stop_before_the_start_ends_the_command_at_once() -> None:
    stop = Stop()
    stop.ask()
    with pytest.raises(CommandError, match="signal: killed"):
        run_local(job_for("exec sleep 60", {}, Output(), lambda _: None, stop))


def test_the_output_before_reaches_the_environment_unless_it_must_not() -> None:
    before = Output("so far", "")
    words = 'echo "<$PULUMI_COMMAND_STDOUT>"'
    with_it = job_for(words, {}, before, lambda _: None, Stop())
    without = job_for(words, {"addPreviousOutputInEnv": False}, before, lambda _: None, Stop())
    assert run_local(with_it).stdout == "<so far>"
    assert run_local(without).stdout == "<>"


def test_a_job_does_not_show_what_it_was_given() -> None:
    assert HIDDEN not in repr(job("cat", stdin=wire.secret(HIDDEN)))
