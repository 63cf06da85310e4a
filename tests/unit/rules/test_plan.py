from __future__ import annotations

import json

import pytest

from clore_inference.rules import plan
from clore_inference.spec import DeploymentSpec
from support.wishes import a_spec


def test_the_plan_answers_what_on_what_how_much_how_long_and_what_could_go_wrong() -> None:
    text = "\n".join(plan(a_spec(maxUsdPerDay="50")).lines())
    for part in (
        "mistralai/Mistral-Medium-3.5-FP8 (fp8, release guide) with vllm 0.32.0 on 4xH100, private, for evaluation",
        "command: vllm serve mistralai/Mistral-Medium-3.5-FP8 --tensor-parallel-size 4",
        "added: the guard",
        "memory: per GPU: weights 31.1 GiB",
        "money: at most 50.00 USD a day (2.08 USD an hour)",
        "USD per million tokens",
        "time: cold start:",
        "speed: one request: at most 100 tokens/s",
        "warning: Image vllm/vllm-openai:v0.32.0 is not pinned",
    ):
        assert part in text, part


def test_the_plan_is_the_same_bytes_on_every_run() -> None:
    spec = a_spec()
    assert json.dumps(plan(spec).as_dict()) == json.dumps(plan(spec).as_dict())


def test_the_plan_is_plain_json_with_the_configurations_words() -> None:
    document = json.loads(json.dumps(plan(a_spec()).as_dict()))
    assert DeploymentSpec.parse(document["spec"]) == a_spec()
    assert document["refused"] is False
    assert document["fit"]["fits"] is True
    assert document["line"]["argv"][0] == "vllm"
    assert document["price"]["cap_per_day"] == "45"


@pytest.mark.parametrize(
    "changes",
    [
        {"topology": "2xH100"},
        {"release": "upstream", "precision": "bf16"},
        {"kvCacheDtype": "q8_0"},
    ],
)
def test_a_refused_spec_has_a_plan_that_says_why(changes: dict[str, object]) -> None:
    found = plan(a_spec(**changes))
    assert found.refused
    assert found.as_dict()["refused"] is True
    assert any(line.startswith("mandatory: ") for line in found.lines())
