"""The policy pack under the real CLI: `pulumi preview --policy-pack policies`.

One preview has a deployment for every bad example, engine lines in foreign containers and commands,
and values that another resource makes; the shipped stacks are previewed by the project's own
program. A container is registered as a component with the type that pulumi-docker's has: the pack
sees the same, and no Docker plugin is needed.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from clore_inference.engines import EngineCommand
from clore_inference.rules import RULES, Facts, check_values, judge, rule
from support.engine import (
    HOW_TO_GET_OFFICIAL,
    REPOSITORY,
    Engine,
    Project,
    Result,
    copy_project,
    ensured_engine,
    has_plugin,
    official_engine,
    write_program,
)
from support.rule_examples import EXAMPLES

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.xdist_group("policy-pack")]

PACK = ("--policy-pack", str(REPOSITORY / "policies"))
LEVELS = {"mandatory": "mandatory", "warning": "advisory"}
STACKS = sorted(
    file.name.removeprefix("Pulumi.").removesuffix(".yaml")
    for file in (REPOSITORY / "stacks").glob("Pulumi.*.yaml")
)
PLAIN_SECRET = "hfToken"
"""Lies in clear in the configuration of the project with the broken deployments."""
ON_DOCKER = "docker"
UNKNOWN = "clore-config-know-at-preview"

PROGRAM = """
import json
from pathlib import Path

import pulumi
from pulumi_command import local

made = local.Command("made", create="echo 4xH100")
for name, (kind, props) in json.loads(Path("cases.json").read_text()).items():
    told = props.pop("<told>", {})
    if kind == "command:local:Command":
        local.Command(name, **props)
    else:
        props = {k: made.stdout if v == "<unknown>" else v for k, v in props.items()}
        pulumi.ComponentResource(kind, name, props).register_outputs(told)
"""
DEPLOYMENT = "clore:index:MistralDeployment"
CONTAINER = "docker:index/container:Container"
COMMAND = "command:local:Command"
BY_VALUES = {name: one.values for name, one in EXAMPLES.items() if one.values is not None}
BY_LINE: dict[str, EngineCommand] = {
    name: one.bad.line for name, one in EXAMPLES.items() if one.bad.line and not one.bad.spec
}
BY_TOLD = {name: one.bad for name, one in EXAMPLES.items() if rule(name).seen == "preview"}
RAW = "nohup vllm serve some/model --host 0.0.0.0 > engine.log &"
UNKNOWN_VALUES = {"licenseUse": "evaluation", "maxUsdPerDay": "45", "topology": "<unknown>"}

Findings = dict[str, list[str]]
"""Texts by rule."""


def cases() -> dict[str, tuple[str, dict[str, Any]]]:
    """Resources to preview, by name."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for name, values in BY_VALUES.items():
        found[f"values-{name}"] = (DEPLOYMENT, values)
    for name, line in BY_LINE.items():
        envs = [f"{key}={value}" for key, value in line.environment.items()]
        container = {"image": line.image or "some/image", "command": list(line.argv), "envs": envs}
        found[f"line-{name}"] = (CONTAINER, container)
    for name, facts in BY_TOLD.items():
        assert facts.spec
        told = {"<told>": {"facts": facts.told()}}
        found[f"told-{name}"] = (DEPLOYMENT, {**facts.spec.flat(), **told})
    found["raw"] = (COMMAND, {"create": RAW, "environment": {"HF_TOKEN": "canary"}})
    found["no-engine"] = (COMMAND, {"create": "echo 'nothing to see'"})
    found["unknown"] = (DEPLOYMENT, UNKNOWN_VALUES)
    found["unknown-image"] = (
        CONTAINER,
        {"image": "vllm/vllm-openai:v0.32.0", "command": "<unknown>"},
    )
    found["other-image"] = (CONTAINER, {"image": "nginx:1", "command": ["nginx"]})
    return found


@dataclass(frozen=True)
class Judged:
    """A preview, and what the pack said in it, by resource."""

    result: Result
    findings: Mapping[str, Findings]
    levels: Mapping[str, set[str]]


def judged(result: Result) -> Judged:
    findings: dict[str, Findings] = defaultdict(lambda: defaultdict(list))
    levels: dict[str, set[str]] = defaultdict(set)
    for event in result.events:
        if (row := event.get("policyEvent")) is None:
            continue
        _, _, text = row["message"].strip().partition("\n")
        findings[row["resourceUrn"].rsplit("::", 1)[1]][row["policyName"]].append(text.strip())
        levels[row["policyName"]].add(row["enforcementLevel"])
    return Judged(result, findings, levels)


def expected(facts: Facts) -> Findings:
    found: Findings = defaultdict(list)
    for finding in judge(facts):
        found[finding.rule].append(finding.text)
    return found


@pytest.fixture(scope="module")
def engine() -> Engine:
    return ensured_engine()


@pytest.fixture(scope="module")
def project(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    directory = tmp_path_factory.mktemp("broken")
    write_program(directory, PROGRAM)
    (directory / "cases.json").write_text(json.dumps(cases()), encoding="utf-8")
    made = Project(directory, engine)
    made.create_stack()
    made.configure(**{PLAIN_SECRET: "canary"})
    yield made
    made.close()


@pytest.fixture(scope="module")
def broken(project: Project) -> Judged:
    return judged(project.preview(*PACK))


def test_a_mandatory_finding_fails_the_preview(broken: Judged) -> None:
    assert broken.result.code != 0, broken.result.text


@pytest.mark.parametrize("name", list(BY_VALUES))
def test_a_deployment_gets_the_findings_of_construction(broken: Judged, name: str) -> None:
    wanted: Findings = defaultdict(list)
    for finding in check_values(BY_VALUES[name], plain_secrets=[PLAIN_SECRET]):
        wanted[finding.rule].append(finding.text)
    assert name in wanted
    assert broken.findings[f"values-{name}"] == wanted


@pytest.mark.parametrize("name", list(BY_LINE))
def test_a_foreign_container_gets_the_findings_of_its_line(broken: Judged, name: str) -> None:
    line = BY_LINE[name]
    facts = Facts.of_engine_line(
        line.argv, image=line.image or "some/image", environment=line.environment
    )
    assert facts
    wanted = expected(replace(facts, mounts=()))
    assert name in wanted
    assert broken.findings[f"line-{name}"] == wanted


@pytest.mark.parametrize("name", list(BY_TOLD))
def test_what_a_deployment_told_gets_the_findings_of_a_plan(broken: Judged, name: str) -> None:
    wanted = expected(replace(BY_TOLD[name], plain_secrets=(PLAIN_SECRET,)))
    assert name in wanted
    assert broken.findings[f"told-{name}"] == wanted


def test_every_rule_fired(broken: Judged) -> None:
    fired = {name for found in broken.findings.values() for name in found}
    assert {one.id for one in RULES} - fired == set()


def test_each_rule_has_its_level_by_default(broken: Judged) -> None:
    wanted = {name: {LEVELS[rule(name).severity]} for name in broken.levels}
    assert broken.levels == wanted


def test_a_foreign_command_that_runs_an_engine_is_judged_and_another_is_not(broken: Judged) -> None:
    wanted = {"clore-exposure-forbid-raw-engine", "clore-secret-forbid-in-line"}
    assert wanted <= set(broken.findings["raw"])
    assert "canary" not in broken.result.text, "no secret is repeated"
    for name in ("made", "no-engine", "other-image"):
        assert not broken.findings.get(name), "none of the pack's business"


def test_what_is_not_known_before_the_up_is_a_finding(broken: Judged) -> None:
    assert "topology" in broken.findings["unknown"][UNKNOWN][0]
    assert "clore-config-require-key" not in broken.findings["unknown"]
    assert "command" in broken.findings["unknown-image"][UNKNOWN][0]


def test_a_configured_exception_is_advisory_and_shows_its_reason(
    engine: Engine, tmp_path: Path
) -> None:
    name, reason = "clore-topology-forbid-refused", "two weeks of tests at 8K, ticket 114"
    write_program(tmp_path / "one", PROGRAM)
    values = {
        "licenseUse": "evaluation",
        "maxUsdPerDay": "45",
        "topology": "2xH100",
        "maxModelLen": 4096,
    }
    one = {"it": (DEPLOYMENT, values)}
    (tmp_path / "one" / "cases.json").write_text(json.dumps(one), encoding="utf-8")
    exceptions = tmp_path / "exceptions.json"
    excepted = Project(tmp_path / "one", engine)
    excepted.create_stack()
    exceptions.write_text(json.dumps({name: {"enforcementLevel": "advisory", "reason": "x"}}))
    short = excepted.preview(*PACK, "--policy-pack-config", str(exceptions))
    assert short.code != 0, "a reason that says nothing is none"
    exceptions.write_text(json.dumps({name: {"enforcementLevel": "advisory", "reason": reason}}))
    seen = judged(excepted.preview(*PACK, "--policy-pack-config", str(exceptions)))
    assert seen.result.code == 0, seen.result.text
    assert seen.levels[name] == {"advisory"}
    assert reason in seen.findings["it"][name][0]
    assert reason in seen.result.text, "a person sees it too"


@pytest.fixture(scope="module")
def shipped(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Judged | None]:
    official = official_engine(tmp_path_factory.mktemp("official"))

    def preview(stack: str) -> Judged | None:
        found = official if stack == ON_DOCKER else engine
        if found is None or (stack == ON_DOCKER and not has_plugin(found, "docker")):
            return None
        directory = tmp_path_factory.mktemp(stack)
        copy_project(directory)
        environment = {
            "PYTHONPATH": str(REPOSITORY / "components"),
            "CLORE_INFERENCE_OFFLINE": "1",
            "XDG_STATE_HOME": str(directory / "client"),
            **dict.fromkeys(("CLORE_API_KEY", "HF_TOKEN"), ""),
        }
        made = Project(directory, found, stack=stack, environment=environment)
        try:
            made.create_stack()
            return judged(made.preview(*PACK))
        finally:
            made.close()

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(STACKS, pool.map(preview, STACKS), strict=True))


@pytest.mark.parametrize("stack", STACKS)
def test_a_shipped_stack_previews_clean_without_keys(
    shipped: dict[str, Judged | None], stack: str
) -> None:
    seen = shipped[stack]
    if seen is None:
        pytest.skip(f"needs Pulumi's plugin docker: {HOW_TO_GET_OFFICIAL}")
    assert seen.result.code == 0, seen.result.text
    fired = {name for found in seen.findings.values() for name in found}
    assert {name for name in fired if rule(name).severity == "mandatory"} == set()
    resources = {name for _, name in seen.result.operations()}
    least = 7 if stack == ON_DOCKER else 10
    assert len(resources) > least, "the pack saw the whole deployment"
