"""Inside other infrastructure: pip installs the package, five lines use it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.engine import REPOSITORY, Engine, Project, write_program

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

FIVE_LINES = """\
import pulumi
from clore_inference import MistralDeployment

llm = MistralDeployment("llm", {"license_use": "research", "max_usd_per_day": "48"})
pulumi.export("endpoint", llm.endpoint)
"""


def installed(directory: Path) -> Path:
    """Install the package as a stranger would, without its dependencies, which are here already."""
    source, target = directory / "source", directory / "site-packages"
    for name in ("components", "emulator"):
        shutil.copytree(REPOSITORY / name, source / name)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    command = [
        sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation",
        "--no-index", "--target", str(target), str(source),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return target


def test_a_program_outside_the_repository_previews_a_deployment_in_five_lines(
    ours: Engine, tmp_path: Path
) -> None:
    write_program(tmp_path / "theirs", FIVE_LINES, name="their-infrastructure")
    paths = {"PYTHONPATH": str(installed(tmp_path))}
    project = Project(tmp_path / "theirs", ours, environment=paths)
    project.create_stack()
    result = project.preview()
    assert result.code == 0, result.text
    assert ("create", "llm") in result.operations()
    assert "vllm serve mistralai/Mistral-Medium-3.5-FP8" in result.text
