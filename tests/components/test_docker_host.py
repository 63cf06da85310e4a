"""What a deployment registers on a Docker host of one's own, without an engine and without Docker."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from functools import cache
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks

from clore_inference import HealthCheck, HfCache, InferenceServer, MistralDeployment
from clore_inference.host.docker.knock import why_silent

LOOP = asyncio.new_event_loop()
"""Whatever ran before may have left this thread without one. It stays open: tasks outlive a test."""
TOKEN = "hf_" + "canary" * 5
BOX = {"host": "docker", "docker_host": "ssh://me@gpu.lan", "license_use": "evaluation"}
WHOLE: dict[str, Any] = {
    "hf_token": TOKEN,
    "docker_port": 9000,
    "docker_host_key": "ssh-ed25519 AAAAC3Nz",
}
SHORTER: dict[str, Any] = {"max_model_len": 32768}
CONTAINER = "docker:index/container:Container"
PROVIDER = "pulumi:providers:docker"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLORE_INFERENCE_OFFLINE", "1")


class Registered(mocks.Mocks):
    """Records what a program registers, by type."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {}

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.rows.setdefault(args.typ, []).append({"name": args.name, **args.inputs})
        return f"{args.name}-id", dict(args.inputs)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        return {}, None

    def one(self, kind: str) -> dict[str, Any]:
        (row,) = self.rows[kind]
        return row


@cache
def registered(**wishes: Any) -> Registered:
    asyncio.set_event_loop(LOOP)
    recorder = Registered()
    mocks.set_mocks(recorder, project="shop", stack="prod", preview=True)
    args: Any = {**BOX, **wishes}

    def build() -> None:
        MistralDeployment("llm", args)

    as_program: Any = pulumi.runtime.test
    as_program(build)()
    return recorder


def test_nothing_is_rented_and_every_part_is_there() -> None:
    found = registered(**WHOLE)
    assert not [kind for kind in found.rows if "Lease" in kind or "GpuOrder" in kind]
    for kind in ("HfCache", "InferenceServer", "HealthCheck"):
        assert len(found.rows[f"clore:index:{kind}"]) == 1
    assert len(found.rows[PROVIDER]) == 1, "one plugin process serves every part"


def test_the_container_is_what_was_asked_for() -> None:
    container = registered(**WHOLE).one(CONTAINER)
    assert container["name"] == "shop-prod"
    assert container["gpus"] == "all"
    assert container["ports"] == [{"internal": 8000, "external": 9000, "ip": "127.0.0.1"}]
    assert container["volumes"] == [
        {"volumeName": "shop-weights", "containerPath": "/root/.cache/huggingface"}
    ]
    assert container["shmSize"] > 30_000, "MiB; Docker's own default is 64"
    assert container["stopTimeout"] == container["destroyGraceSeconds"] > 30
    assert container["healthcheck"]["startPeriod"].startswith("30m")
    assert container["restart"] == "unless-stopped"
    assert "privileged" not in container
    assert "networkMode" not in container


def test_public_is_published_on_purpose_only() -> None:
    wishes = {"docker_host": "ssh://me@other.lan", "exposure": "public"}
    (port,) = registered(**wishes).one(CONTAINER)["ports"]
    assert port["ip"] == "0.0.0.0"


@pytest.mark.parametrize(("wish", "words"), [("none", {}), ("0,2,4,6", {"0", "2", "4", "6"})])
def test_gpus_are_all_none_or_those_that_are_named(wish: str, words: set[str]) -> None:
    container = registered(docker_gpus=wish).one(CONTAINER)
    assert "gpus" not in container
    requests = container.get("deviceRequests", [])
    assert {one for row in requests for one in row["deviceIds"]} == set(words)


def test_nothing_of_a_job_and_no_secret_stands_in_the_container() -> None:
    one, other = (
        registered(hf_token=TOKEN, max_model_len=tokens).one(CONTAINER) for tokens in (65536, 32768)
    )
    labels = one.pop("labels")
    assert [row["label"] for row in labels] == ["clore-inference", "clore-inference-token"]
    other.pop("labels")
    assert one == other, "another context length leaves the container alone"
    assert TOKEN not in str(one)
    assert one["envs"] == ["HOME=/root"]


def test_the_token_reaches_a_follower_on_standard_input_as_a_secret() -> None:
    (weights,) = (
        row for row in registered(**WHOLE).rows["command:local:Command"] if "weights" in row["name"]
    )
    assert TOKEN in str(weights["stdin"])
    assert "4dabf18193072939515e22adb298388d" in weights["stdin"], "marked as a secret"
    assert TOKEN not in str({**weights, "stdin": ""})


def test_a_host_key_is_pinned_in_the_words_of_every_ssh_command() -> None:
    provider = registered(**WHOLE).one(PROVIDER)
    words = str(provider["sshOpts"])
    assert "StrictHostKeyChecking=yes" in words
    assert "KnownHostsCommand=/bin/echo %H ssh-ed25519 AAAAC3Nz" in words
    assert "UserKnownHostsFile=/dev/null" in words


def test_another_docker_host_is_another_provider_so_that_all_is_made_there() -> None:
    here, there = (
        registered(**wishes).one(PROVIDER)["name"]
        for wishes in (WHOLE, {"docker_host": "ssh://me@other.lan", "exposure": "public"})
    )
    assert here != there


def test_a_socket_where_nobody_answers_is_told_in_words() -> None:
    from clore_inference.host.docker.daemon import Daemon  # noqa: PLC0415 - beside its use

    assert why_silent(Daemon("unix:///nowhere/docker.sock")) == "No such file or directory"
    assert why_silent(Daemon("ssh://me@gpu.lan")) == "", "only a local engine is asked"


def test_a_rented_deployment_does_not_import_pulumi_docker() -> None:
    program = (
        "import clore_inference.deployment, clore_inference.hf_cache, sys;"
        "print('pulumi_docker' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_the_parts_work_one_by_one_and_an_order_s_words_are_not_asked_for() -> None:
    asyncio.set_event_loop(LOOP)
    recorder = Registered()
    mocks.set_mocks(recorder, project="shop", stack="prod", preview=True)
    known: Any = {**BOX, "endpoint_key": "canary"}

    def build() -> None:
        cache = HfCache("weights", known)
        server = InferenceServer("engine", known, pulumi.ResourceOptions(depends_on=cache.arrived))
        proving: Any = {**known, "start_id": server.start_id}
        HealthCheck("health", proving)

    as_program: Any = pulumi.runtime.test
    as_program(build)()
    assert len(recorder.rows[CONTAINER]) == 1


def test_a_part_without_a_host_says_what_is_missing() -> None:
    wishes: Any = {"license_use": "evaluation", "max_usd_per_day": "50"}
    asyncio.set_event_loop(LOOP)
    mocks.set_mocks(Registered(), project="shop", stack="prod", preview=True)
    with pytest.raises(pulumi.RunError, match="order_id, ssh_host"):
        HfCache("weights", wishes)
