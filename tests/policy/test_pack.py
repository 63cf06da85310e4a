"""Every rule through the pack's adapter, without the engine: equal findings, by the same objects."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pulumi.runtime.proto.analyzer_pb2 import AnalyzerStackConfigureRequest
from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyCustomTimeouts,
    PolicyResource,
    PolicyResourceOptions,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
)
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

from clore_inference.rules import RULES, check_values, rule
from clore_inference.spec import DeploymentSpec
from support.rule_examples import EXAMPLES
from support.wishes import values

ROOT = Path(__file__).resolve().parents[2]
DEPLOYMENT = "clore:index:MistralDeployment"
CONTAINER = "docker:index/container:Container"
RAW = ["vllm", "serve", "mistralai/Mistral-Medium-3.5-FP8"]


def _load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


CONFIGURATION = _load("stack_configuration", ROOT / "policies" / "stack_configuration.py")
PACK = _load("clore_policies", ROOT / "policies" / "clore_policies.py")
POLICIES: dict[str, Policy] = {policy.name: policy for policy in PACK.policies()}
BY_VALUES = {name: one.values for name, one in EXAMPLES.items() if one.values is not None}


OPTIONS = PolicyResourceOptions(
    protect=False,
    ignore_changes=[],
    delete_before_replace=None,
    aliases=[],
    custom_timeouts=PolicyCustomTimeouts(0, 0, 0),
    additional_secret_outputs=[],
)


def _into(found: list[str]) -> ReportViolation:
    def report(text: str, urn: str | None = None) -> None:
        found.append(text)

    return report


def told(
    kind: str, props: dict[str, Any], *, urn_types: str = "", only: str = ""
) -> dict[str, list[str]]:
    """What each policy reports of a resource, as Pulumi would hand it over."""
    args = ResourceValidationArgs(
        kind, unknown_checking_proxy(props), f"urn:pulumi:test::test::{urn_types or kind}::it", "it", OPTIONS, None
    )  # fmt: skip
    reported: dict[str, list[str]] = {}
    for name, policy in POLICIES.items():
        if only and name != only:
            continue
        assert isinstance(policy, ResourceValidationPolicy)
        found: list[str] = []
        policy.validate(args, _into(found))
        if found:
            reported[name] = found
    return reported


def test_the_pack_has_one_policy_per_rule_and_no_other() -> None:
    assert list(POLICIES) == [one.id for one in RULES]


@pytest.mark.parametrize("name", [one.id for one in RULES])
def test_a_mandatory_rule_is_a_mandatory_policy(name: str) -> None:
    wanted = (
        EnforcementLevel.MANDATORY
        if rule(name).severity == "mandatory"
        else EnforcementLevel.ADVISORY
    )
    assert POLICIES[name].enforcement_level == wanted


@pytest.mark.parametrize("name", list(BY_VALUES))
def test_a_deployment_gets_the_findings_of_construction(name: str) -> None:
    broken = BY_VALUES[name]
    expected: dict[str, list[str]] = {}
    for finding in check_values(broken):
        expected.setdefault(finding.rule, []).append(finding.text)
    assert name in expected
    assert told(DEPLOYMENT, broken) == expected


def test_a_good_deployment_gets_no_mandatory_finding() -> None:
    flat = DeploymentSpec.parse(values()).flat()
    flat["maxModelLen"] = float(flat["maxModelLen"])  # numbers arrive as floats
    assert {name for name in told(DEPLOYMENT, flat) if rule(name).severity == "mandatory"} == set()


def test_a_value_that_is_not_known_yet_is_a_finding_and_not_a_silence() -> None:
    found = told(
        DEPLOYMENT,
        values(topology=UNKNOWN_STRING_VALUE, licenseUse=UNKNOWN_STRING_VALUE, maxModelLen="x"),
    )
    assert len(found["clore-config-know-at-preview"]) == 2
    assert "clore-config-require-key" not in found, "it is not missing, it is unknown"
    assert "clore-config-require-type" in found, "the rest is still judged"


def test_every_rule_on_lines_fires_for_a_container_outside_our_components() -> None:
    container = {
        "image": "vllm/vllm-openai:v0.8.5",
        "command": [*RAW, "--tensor-parallel-size", "3", "--max-model-len", "300000", "--enable-reasoning", "--api-key", "x",
                    "--gpu-memory-utilization", "1.5", "--kv-cache-dtype", "int4"],
        "envs": ["HF_HOME=/data", "VLLM_USE_RUST_FRONTEND=1", "MOTD=a&b"],
    }  # fmt: skip
    found = set(told(CONTAINER, container))
    assert found >= {
        "clore-vllm-require-mistral-format", "clore-engine-require-tool-parser", "clore-engine-require-reasoning-parser",
        "clore-vllm-prefer-chunked-prefill", "clore-engine-spell-kv-dtype", "clore-engine-limit-memory-share",
        "clore-engine-forbid-rust-frontend", "clore-engine-forbid-refused-flag", "clore-order-forbid-ampersand",
        "clore-secret-forbid-in-line", "clore-cache-keep-path", "clore-exposure-forbid-raw-engine",
        "clore-topology-require-divisor", "clore-context-limit-length", "clore-engine-require-version", "clore-image-pin-digest",
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["command:remote:Command", "command:local:Command"])
def test_a_command_that_starts_a_raw_engine_is_judged(kind: str) -> None:
    found = told(
        kind, {"create": "nohup vllm serve m --host 0.0.0.0 &", "environment": {"HF_TOKEN": "x"}}
    )
    assert {"clore-exposure-forbid-raw-engine", "clore-secret-forbid-in-line"} <= set(found)


def test_an_unknown_command_of_an_engine_image_is_a_finding() -> None:
    found = told(CONTAINER, {"image": "vllm/vllm-openai:latest", "command": [UNKNOWN_STRING_VALUE]})
    assert "clore-config-know-at-preview" in found


@pytest.mark.parametrize(
    ("kind", "props", "types"),
    [(CONTAINER, {"image": "nginx:1", "command": ["nginx"]}, ""), ("random:index:RandomId", {"byteLength": 3}, ""),
     ("command:remote:Command", {"create": "echo 'unbalanced"}, ""),
     ("command:remote:Command", {"create": "vllm serve m"}, "clore:index:InferenceServer$command:remote:Command"),
     ("clore:index:HfCache", {}, "")],
    ids=["other-image", "other-resource", "no-engine", "our-own-command", "our-own-component"],
)  # fmt: skip
def test_what_is_none_of_its_business_is_left_alone(
    kind: str, props: dict[str, Any], types: str
) -> None:
    assert told(kind, props, urn_types=types) == {}


def test_no_secret_value_is_repeated() -> None:
    canary = "hf_" + "c4n4ry" * 5
    found = told(DEPLOYMENT, values(licenseEvidence=canary, hfToken=canary))
    found |= told(
        CONTAINER,
        {
            "image": "vllm/vllm-openai:v0.32.0",
            "command": [*RAW, "--hf-token", canary],
            "envs": [f"HF_TOKEN={canary}"],
        },
    )
    assert found
    assert canary not in str(found)


RUN = "docker run -d --gpus all -p 8000:8000 -e HF_TOKEN=x vllm/vllm-openai:v0.32.0"


@pytest.mark.parametrize("script", ["create", "update"])
def test_a_command_that_runs_an_engines_container_is_judged_as_that_container(script: str) -> None:
    found = told("command:remote:Command", {script: f"{RUN} some/model --max-model-len many"})
    assert {
        "clore-exposure-forbid-raw-engine", "clore-secret-forbid-in-line", "clore-image-pin-digest",
        "clore-engine-match-flag-value", "clore-engine-require-tool-parser",
    } <= set(found)  # fmt: skip
    assert "x" not in str(found["clore-secret-forbid-in-line"]).split(), "no value is repeated"


@pytest.mark.parametrize(
    "create",
    [
        "docker pull vllm/vllm-openai:v0.32.0",
        "docker run --rm nginx:1",
        "echo vllm/vllm-openai run",
    ],
)
def test_a_command_that_runs_no_engine_is_left_alone(create: str) -> None:
    assert told("command:remote:Command", {"create": create}) == {}


def test_a_container_that_repeats_its_images_entry_point_is_refused_as_the_engine_would() -> None:
    container = {"image": "vllm/vllm-openai:v0.32.0", "command": [*RAW, "--port", "8000"]}
    text = str(told(CONTAINER, container)["clore-engine-match-flag-value"])
    assert "stands where no flag takes it" in text
    container["entrypoints"] = ["/usr/bin/env"]
    assert "clore-engine-match-flag-value" not in told(CONTAINER, container)


def told_at_the_end(*outputs: dict[str, Any], kind: str = DEPLOYMENT) -> dict[str, list[str]]:
    """What each policy reports once a preview is complete."""
    seen = [
        PolicyResource(
            kind, unknown_checking_proxy(one), f"urn:{at}", "it", OPTIONS, None, None, [], {}
        )
        for at, one in enumerate(outputs)
    ]
    reported: dict[str, list[str]] = {}
    for name, policy in POLICIES.items():
        assert isinstance(policy, ResourceValidationPolicy)
        found: list[str] = []
        policy.validate(StackValidationArgs(seen), _into(found))  # type: ignore[arg-type]
        if found:
            reported[name] = found
    return reported


@pytest.mark.parametrize("name", [one.id for one in RULES if one.seen == "preview"])
def test_what_a_deployment_tells_in_a_preview_is_judged_when_it_is_complete(name: str) -> None:
    bad = EXAMPLES[name].bad
    found = told_at_the_end({"facts": bad.told()}, {"endpoint": "x"})
    assert found[name] == [finding.text for finding in rule(name).run(bad)]
    good = EXAMPLES[name].good
    assert name not in told_at_the_end({"facts": good.told()})


def test_what_inputs_showed_is_not_told_twice() -> None:
    flat = DeploymentSpec.parse(values(engine="llamacpp", exposure="public")).flat()
    at_once = told(DEPLOYMENT, flat)
    assert "clore-exposure-require-guard" in at_once, "there is no line for these files"
    assert told_at_the_end({"facts": {"spec": flat}}) == {}


def test_the_end_of_a_preview_is_silent_about_everybody_else() -> None:
    facts = EXAMPLES["clore-wallet-outlast-term"].bad.told()
    assert told_at_the_end({"facts": facts}, kind="random:index:RandomId") == {}
    assert told_at_the_end() == told_at_the_end({}) == {}


def test_the_engine_says_which_secrets_lie_in_clear() -> None:
    canary = "k" * 32
    request = AnalyzerStackConfigureRequest(
        project="mine",
        config={
            "mine:cloreApiKey": canary, "mine:hfToken": "", "mine:topology": "4xH100",
            "other:hfToken": canary,
        },
    )  # fmt: skip
    try:
        CONFIGURATION.remember(request)
        found = told(DEPLOYMENT, values())
        assert [text.partition(" ")[0] for text in found["clore-secret-require-encryption"]] == [
            "cloreApiKey"
        ]
        assert canary not in str(found)
        request.config_secret_keys.append("mine:cloreApiKey")
        CONFIGURATION.remember(request)
        assert "clore-secret-require-encryption" not in told(DEPLOYMENT, values())
    finally:
        CONFIGURATION.remember(AnalyzerStackConfigureRequest())


VOLUME = "clore-cache-keep-volume"


@pytest.mark.parametrize(
    ("mounted", "kept"),
    [
        ({}, False),
        ({"volumes": [{"volumeName": "w", "containerPath": "/root/.cache/huggingface"}]}, True),
        ({"mounts": [{"type": "volume", "target": "/root/.cache/huggingface/"}]}, True),
        ({"volumes": [{"hostPath": "/data", "containerPath": "/root/.cache"}]}, True),
        ({"volumes": [{"hostPath": "/data", "containerPath": "/models"}]}, False),
    ],
    ids=["nothing", "volume", "mount", "above", "elsewhere"],
)
def test_a_foreign_container_keeps_its_weights(*, mounted: dict[str, Any], kept: bool) -> None:
    container = {"image": "vllm/vllm-openai:v0.32.0", "command": ["some/model"], **mounted}
    assert (VOLUME not in told(CONTAINER, container)) is kept


@pytest.mark.parametrize(
    ("flags", "kept"),
    [
        ("", False),
        ("-v weights:/root/.cache/huggingface", True),
        ("--volume=/data:/root/.cache/huggingface:ro", True),
        ("--mount type=volume,source=w,target=/root/.cache/huggingface", True),
        ("-v weights:/models", False),
    ],
)
def test_a_container_that_a_command_runs_keeps_its_weights(*, flags: str, kept: bool) -> None:
    create = f"docker run -d {flags} vllm/vllm-openai:v0.32.0 some/model"
    assert (VOLUME not in told("command:remote:Command", {"create": create})) is kept


def test_where_mounts_are_unknown_nothing_is_said_of_them() -> None:
    container = {"image": "vllm/vllm-openai:v0.32.0", "volumes": UNKNOWN_STRING_VALUE}
    assert VOLUME not in told(CONTAINER, container)
    bare = {"create": "vllm serve some/model"}
    assert VOLUME not in told("command:remote:Command", bare), "no container, no volume"
