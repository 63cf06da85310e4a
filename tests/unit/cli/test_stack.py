"""What a stack's outputs say about its endpoint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from clore_inference.cli import toolchain
from clore_inference.cli.stack import UNKNOWN, endpoint_of, endpoints_of, outputs
from clore_inference.errors import ConfigError

OUTPUTS: dict[str, Any] = {
    "endpoint": "https://abc.clorecloud.net",
    "endpointKey": "stack-key-canary",
    "model": "mistral-medium-3.5",
    "exposure": "public",
    "orderId": "4711",
    "usdPerDay": "43.20",
    "ssh": {
        "host": "n1.clorecloud.net",
        "port": "2222",
        "hostKey": "ssh-ed25519 AAAA",
        "privateKey": "private-key-canary",
        "remotePort": "8000",
    },
}


class Pulumi:
    def __init__(self, code: int = 0, stdout: str = "", stderr: str = "") -> None:
        self.done = CompletedProcess[str]([], code, stdout, stderr)
        self.asked: list[str] = []

    def __call__(self, arguments: Sequence[str]) -> CompletedProcess[str]:
        self.asked = list(arguments)
        return self.done


def test_a_public_stack_has_a_name_and_a_way_by_ssh() -> None:
    endpoint = endpoint_of(OUTPUTS)
    assert endpoint.url == "https://abc.clorecloud.net"
    assert endpoint.login
    assert (endpoint.login.place, endpoint.port) == ("n1.clorecloud.net:2222", 8000)
    assert "canary" not in repr(endpoint)


def test_a_private_stack_has_no_public_name() -> None:
    endpoint = endpoint_of({**OUTPUTS, "exposure": "private", "endpoint": "http://localhost:8000"})
    assert endpoint.url == ""


def test_a_stack_without_ssh_is_reached_by_its_name() -> None:
    assert endpoint_of({**OUTPUTS, "ssh": None}).login is None


def test_a_stack_whose_tls_ends_on_its_host_brings_the_certificate() -> None:
    assert endpoint_of(OUTPUTS).certificate == ""
    assert endpoint_of({**OUTPUTS, "endpointCertificate": "PEM"}).certificate == "PEM"


def test_missing_outputs_are_named_at_once() -> None:
    with pytest.raises(ConfigError, match=r"endpointKey.*model"):
        endpoint_of({"endpoint": "x"})


FLEET = {"berlin": OUTPUTS, "cairo": {**OUTPUTS, "orderId": "4712"}, "note": "any other output"}


def test_a_fleet_is_asked_for_one_replica_and_watched_as_a_whole() -> None:
    assert endpoint_of(FLEET, "cairo").order_id == "4712"
    assert [one.order_id for one in endpoints_of(FLEET)] == ["4711", "4712"]
    assert [one.order_id for one in endpoints_of(OUTPUTS)] == ["4711"]
    with pytest.raises(ConfigError, match=r"fleet of 2: choose one of berlin, cairo"):
        endpoint_of(FLEET)
    with pytest.raises(ConfigError, match=r"no replica 'rome'. Its replicas: berlin, cairo"):
        endpoint_of(FLEET, "rome")


def test_pulumi_is_asked_for_the_chosen_stack() -> None:
    pulumi = Pulumi(stdout=json.dumps(OUTPUTS))
    assert outputs("h100", Path("/p"), pulumi) == OUTPUTS
    assert pulumi.asked == [
        "stack", "output", "--json", "--show-secrets", "--stack", "h100", "--cwd", "/p",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("pulumi", "reason"),
    [
        (Pulumi(code=255, stderr="error: no stack named 'h100' found"), "no stack named"),
        (Pulumi(stdout="{}"), "Run `pulumi up`"),
        (Pulumi(stdout="hm"), "Run `pulumi up`"),
    ],
)
def test_a_stack_that_cannot_be_read_is_explained(pulumi: Pulumi, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        outputs("h100", None, pulumi)


def test_what_a_failed_replica_did_not_tell_is_not_taken_for_an_address() -> None:
    half = {"berlin": {**OUTPUTS, "endpoint": UNKNOWN, "orderId": UNKNOWN, "ssh": UNKNOWN}}
    found = outputs(None, None, Pulumi(stdout=json.dumps(half)))
    endpoint = endpoint_of(found, "berlin")
    assert (endpoint.url, endpoint.login, endpoint.order_id) == ("", None, "")


def test_stand_ins_come_after_the_users_own_path(tmp_path: Path) -> None:
    kept = tmp_path / "clore-inference"
    kept.mkdir()
    environment = {"XDG_CACHE_HOME": str(tmp_path), "PATH": "/usr/bin"}
    assert toolchain.pulumi_path(environment) == "/usr/bin"
    part = {"name": "cli", "origin": "go-module", "version": "3.259.0", "path": "/c/bin/pulumi"}
    document = {"parts": [part], "before_path": ["/c/bin"], "after_path": ["/s"]}
    (kept / "toolchain.json").write_text(json.dumps(document))
    assert toolchain.pulumi_path(environment) == "/c/bin:/usr/bin:/s"
    (kept / "toolchain.json").write_text("{")
    assert toolchain.pulumi_path(environment) == "/usr/bin"


@pytest.mark.parametrize("exposure", ["private", "public"])
def test_a_docker_host_is_reached_by_its_own_way_whatever_it_publishes(exposure: str) -> None:
    box = {"host": "ssh://me@gpu.lan", "hostKey": "ssh-ed25519 AAAA", "port": "9000"}
    known = {**OUTPUTS, "ssh": None, "exposure": exposure, "docker": box}
    endpoint = endpoint_of(known)
    assert endpoint.docker
    assert (endpoint.docker.address, endpoint.docker.host_key) == (box["host"], box["hostKey"])
    assert (endpoint.port, endpoint.url) == (9000, ""), "the key is never sent in plain HTTP"
