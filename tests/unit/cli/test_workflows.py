"""The workflows are YAML, show secrets to few, and run commands that exist."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from clore_inference.cli.comment import MARKER
from clore_inference.cli.main import app

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PREVIEW = "preview.yml"


def read(file: Path) -> dict[str, Any]:
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def triggers(document: dict[Any, Any]) -> Any:
    return document.get("on", document.get(True))  # YAML 1.1 reads a bare `on` as true


def steps(file: Path) -> list[dict[str, Any]]:
    return [step for job in read(file)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_workflow_is_yaml_with_least_rights_and_an_end(file: Path) -> None:
    document = read(file)
    assert document["permissions"] in ({}, {"contents": "read"})
    for job in document["jobs"].values():
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            if "uses" in step:
                assert re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"])
            assert "${{" not in step.get("run", ""), "expressions in scripts let a title run code"


def test_the_preview_is_safe_for_forks() -> None:
    file = ROOT / ".github" / "workflows" / PREVIEW
    assert set(triggers(read(file))) == {"pull_request"}
    text = file.read_text(encoding="utf-8")
    assert "secrets." not in text
    jobs = read(file)["jobs"]
    writing = [name for name, job in jobs.items() if "write" in str(job["permissions"])]
    assert writing == ["post"]
    assert "checkout" not in str(jobs["post"]["steps"]), "who may write runs no code of a stranger"
    checkout = next(step for step in jobs["render"]["steps"] if "checkout" in step.get("uses", ""))
    assert checkout["with"]["persist-credentials"] is False


def test_the_wardens_secrets_are_seen_only_by_steps_that_need_them() -> None:
    document = read(ROOT / ".github" / "workflows" / "warden.yml")
    assert set(triggers(document)) == {"schedule", "workflow_dispatch"}, "never for a pull request"
    (job,) = document["jobs"].values()
    assert "secrets." not in str({**job, "steps": []})
    seeing = [step["name"] for step in job["steps"] if "secrets." in str(step.get("env"))]
    assert seeing == ["Is there an account to watch?", "Watch"]


def test_the_commands_of_the_workflows_exist() -> None:
    program: Any = get_command(app)
    seen = []
    for file in FILES:
        for script in (step["run"] for step in steps(file) if "run" in step):
            for name, words in re.findall(r"clore-inference ([\w-]+)([^>|\n]*)", script):
                if name == "preview":
                    continue  # the marker
                known = {flag for one in program.commands[name].params for flag in one.opts}
                assert set(re.findall(r"(--[\w-]+)", words)) <= known
                seen.append(name)
            for target in re.findall(r"(?m)^\s*make (\w+)", script):
                assert f"\n{target}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
            for path in re.findall(r"(?m)^\s*(\.ci/\w+)", script):
                assert os.access(ROOT / path, os.X_OK)
    assert sorted(seen) == ["preview-comment", "warden"]


def test_the_one_comment_is_found_by_the_marker_that_the_command_writes() -> None:
    post = read(ROOT / ".github" / "workflows" / PREVIEW)["jobs"]["post"]
    assert post["steps"][-1]["env"]["MARKER"] == MARKER


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_script_is_one_that_a_shell_reads(file: Path) -> None:
    for script in (step["run"] for step in steps(file) if "run" in step):
        done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True)
        assert done.returncode == 0, done.stderr
