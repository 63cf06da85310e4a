"""Names that leave the repository, and what the house promises about imports."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest
from pulumi.dynamic.dynamic import serialize_provider

import clore_inference
from clore_inference import providers, rules
from clore_inference.spec import read_stack_file

REPOSITORY = Path(__file__).resolve().parents[2]

PROVIDERS = (
    "KeysProvider",
    "LeaseGuardProvider",
    "LeaseProvider",
    "EngineLivenessProvider",
    "ContainerLivenessProvider",
    "ProbeProvider",
)
TOKENS = {
    "MistralDeployment": "clore:index:MistralDeployment",
    "GpuOrder": "clore:index:GpuOrder",
    "HfCache": "clore:index:HfCache",
    "InferenceServer": "clore:index:InferenceServer",
    "HealthCheck": "clore:index:HealthCheck",
}


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_is_stored_in_state_by_its_name_and_nothing_else(name: str) -> None:
    stored = base64.b64decode(serialize_provider(getattr(providers, name)()))
    assert b"clore_inference.providers" in stored
    assert name.encode() in stored
    assert len(stored) < 120, "a provider pickled by value would bind every state to its code"


def test_the_public_names_are_the_promised_ones() -> None:
    assert clore_inference.__all__ == [*list(TOKENS), "Keys", "settings"]
    assert all(getattr(clore_inference, name) for name in clore_inference.__all__)


def test_type_tokens_stand_in_the_source_as_promised() -> None:
    for name, token in TOKENS.items():
        source = sys.modules[getattr(clore_inference, name).__module__].__file__ or ""
        assert f'"{token}"' in Path(source).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "room",
    ["spec", "catalog", "sizing", "engines", "rules", "market.client", "host.login", "probe"],
)
def test_importing_a_pure_room_does_not_import_pulumi(room: str) -> None:
    program = f"import sys, clore_inference.{room}; print('pulumi' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_the_program_has_at_most_40_lines() -> None:
    assert len((REPOSITORY / "__main__.py").read_text(encoding="utf-8").splitlines()) <= 40


def test_every_shipped_stack_names_only_known_keys_and_satisfies_the_rules() -> None:
    files = sorted((REPOSITORY / "stacks").glob("Pulumi.*.yaml"))
    assert {"Pulumi.local.yaml", "Pulumi.h100.yaml", "Pulumi.h200.yaml"} <= {f.name for f in files}
    for file in files:
        stack = read_stack_file(file.read_text(encoding="utf-8"), project="clore-inference")
        rules.construct(stack.values)


def test_the_import_rules_hold() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_a_recorded_public_name_never_disappears() -> None:
    recorded = json.loads(
        (REPOSITORY / "tests" / "upgrade" / "names.json").read_text(encoding="utf-8")
    )
    assert set(recorded["providers"]) <= set(PROVIDERS)
    assert recorded["tokens"].items() <= TOKENS.items()
