"""A Docker host of one's own: the official Docker plugin, a real Docker engine, simulated engines.

The tests of this module tell one story on one stack, in their order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from support.docker_engine import HOW_TO_GET, DockerEngine, a_docker_engine
from support.docker_rental import IMAGES, DockerRental
from support.engine import HOW_TO_GET_OFFICIAL, Engine, has_plugin, official_engine
from support.market import Market, wait_until
from support.real_sshd import HOW_TO_GET as HOW_TO_GET_SSHD
from support.real_sshd import a_real_sshd

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.official,
    pytest.mark.xdist_group("docker-host"),
]

QUESTION = {
    "model": "mistral-medium-3.5",
    "messages": [{"role": "user", "content": "Are you there?"}],
}
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHf75TYLQxImqKdhEjAh9sQEEG/QSSZONmhdEQ7zRHG2"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("docker")


@pytest.fixture(scope="module")
def parts(scratch: Path) -> Engine:
    engine = official_engine(scratch)
    if engine is None or not has_plugin(engine, "docker"):
        pytest.skip(HOW_TO_GET_OFFICIAL)
    return engine


@pytest.fixture(scope="module")
def docker(parts: Engine) -> Iterator[DockerEngine]:
    """Without the plugin no Docker engine is started, and no image made."""
    assert has_plugin(parts, "docker")
    with a_docker_engine() as engine:
        if engine is None:
            pytest.skip(HOW_TO_GET)
        engine.bring_image(*IMAGES.values())
        yield engine


@pytest.fixture(scope="module")
def hub(scratch: Path) -> Iterator[Market]:
    running = Market.start(scratch / "market", "--liars", "none")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def box(scratch: Path, parts: Engine, docker: DockerEngine, hub: Market) -> Iterator[DockerRental]:
    rental = DockerRental.create(scratch / "box", parts, docker, hub)
    try:
        up = rental.up()
        assert up.code == 0, up.text
        yield rental
        rental.destroy()
    finally:
        rental.close()


def fetched(hub: Market) -> dict[str, int]:
    return {name: int(row["bytes"]) for name, row in hub.fetched()["files"].items()}


def test_an_up_ends_with_a_proven_endpoint_and_the_next_one_changes_nothing(
    box: DockerRental,
) -> None:
    assert "chat" in json.dumps(box.outputs()["proven"])
    assert box.ask(QUESTION).status_code == 200
    assert box.docker.containers(box.name) == [box.container], "the fetch took its container away"
    again = box.up()
    assert set(again.changes) == {"same"}, again.text


def test_no_secret_is_in_what_docker_shows_or_in_clear_in_the_state(
    box: DockerRental, hub: Market
) -> None:
    known = box.outputs()
    secrets = (hub.hub_token, known["endpointKey"])
    shown = {
        "inspect": json.dumps(box.docker.inspect(box.container)),
        "history": box.docker.run("history", "--no-trunc", IMAGES["vllm"]),
        "volume": box.docker.run("volume", "inspect", box.volume),
        "logs": box.docker.run("logs", box.container),
        "state": json.dumps(box.export()),
    }
    shown |= {
        str(path): content.decode(errors="replace")
        for path, content in box.artefacts()
        if path.name != "Pulumi.test.yaml"
    }
    for place, text in shown.items():
        assert not [one for one in secrets if one in text], f"a secret is in {place}"
    left = box.docker.run("exec", box.container, "/bin/sh", "-c", "cat /proc/[0-9]*/environ")
    assert hub.hub_token not in left, "the token leaves with the fetch"


def test_the_endpoint_is_on_the_loopback_only_and_the_guard_stands_before_it(
    box: DockerRental,
) -> None:
    addresses = {
        row.address
        for rows in psutil.net_if_addrs().values()
        for row in rows
        if row.family.name == "AF_INET" and not row.address.startswith("127.")
    }
    for address in addresses:
        with pytest.raises(requests.ConnectionError):
            box.ask(QUESTION, address=address)
    inside = box.docker.inspect(box.container)["NetworkSettings"]["IPAddress"]
    for base in (f"http://127.0.0.1:{box.port}", f"http://{inside}:8000"):
        for route in ("/invocations", "/tokenize", "/metrics", "/v1/models"):
            assert requests.get(base + route, timeout=30).status_code in (401, 404), route


def test_another_context_length_restarts_the_engine_in_the_same_container(
    box: DockerRental, hub: Market
) -> None:
    before, start = box.docker.inspect(box.container)["Id"], box.outputs()["startId"]
    had = fetched(hub)
    box.configure(maxModelLen="32768")
    changed = box.up()
    assert changed.code == 0, changed.text
    assert box.docker.inspect(box.container)["Id"] == before
    assert box.outputs()["startId"] != start
    assert fetched(hub) == had


def test_a_killed_container_is_repaired_by_the_next_up(box: DockerRental, hub: Market) -> None:
    had = fetched(hub)
    box.docker.run("kill", box.container)
    repaired = box.up()
    assert repaired.code == 0, repaired.text
    assert "its container ended with exit code 137" in repaired.text
    assert box.ask(QUESTION).status_code == 200
    assert fetched(hub) == had
    box.docker.run("rm", "--force", box.container)
    made = box.up()
    assert made.code == 0, made.text
    assert "its container does not exist" in made.text
    assert set(box.up().changes) == {"same"}


def test_a_container_that_comes_back_brings_its_engine_with_it(box: DockerRental) -> None:
    start = box.outputs()["startId"]
    box.docker.run("restart", "--time", "60", box.container)
    wait_until(
        lambda: box.docker.inspect(box.container)["State"]["Health"]["Status"] == "healthy",
        within_s=90,
        because="the engine did not come back with its container",
    )
    assert box.ask(QUESTION).status_code == 200
    assert box.outputs()["startId"] == start
    assert set(box.up().changes) == {"same"}


def test_another_engine_is_another_container_on_the_same_weights(
    box: DockerRental, hub: Market
) -> None:
    before = box.docker.inspect(box.container)["Id"]
    box.configure(engine="sglang", image=IMAGES["sglang"])
    changed = box.up()
    assert changed.code == 0, changed.text
    assert box.docker.inspect(box.container)["Id"] != before
    both = fetched(hub)
    box.configure(engine="vllm", image=IMAGES["vllm"])
    back = box.up()
    assert back.code == 0, back.text
    assert fetched(hub) == both, "every layout is fetched once"


def test_the_weights_outlive_the_stack_and_are_found_again(box: DockerRental, hub: Market) -> None:
    had = fetched(hub)
    gone = box.destroy()
    assert gone.code == 0, gone.text
    assert box.docker.containers(box.name) == []
    assert box.volume in box.docker.run("volume", "ls", "--format", "{{.Name}}").split()
    again = box.up()
    assert again.code == 0, again.text
    assert fetched(hub) == had, "no byte is fetched twice"
    assert box.ask(QUESTION).status_code == 200


def test_a_preview_needs_no_docker_engine(box: DockerRental, parts: Engine, tmp_path: Path) -> None:
    stranger = DockerRental.create(
        tmp_path / "stranger",
        parts,
        box.docker,
        box.market,
        dockerHost="unix:///nowhere/docker.sock",
    )
    try:
        seen = stranger.preview()
        assert seen.code == 0, seen.text
        assert "does not answer" in seen.text
        assert seen.changes["create"] > 5
    finally:
        stranger.close()
    box.unplug()
    try:
        seen = box.preview()
        assert seen.code == 0, seen.text
        assert not {"create", "delete", "replace"} & set(seen.changes), seen.text
        refused = box.up()
        assert "does not answer" in refused.text
        assert refused.code != 0
    finally:
        box.plug()
    assert set(box.preview().changes) == {"same"}


def test_a_host_without_the_gpus_is_told_before_anything_is_fetched(
    docker: DockerEngine, parts: Engine, hub: Market, tmp_path: Path
) -> None:
    if "nvidia" in docker.run("info"):
        pytest.skip("this Docker engine has an NVIDIA runtime")
    rental = DockerRental.create(tmp_path / "bare", parts, docker, hub, dockerGpus="all")
    try:
        refused = rental.up()
        assert refused.code != 0
        assert "could not select device driver" in refused.text
        assert "NVIDIA Container Toolkit" in refused.text
        assert docker.containers(rental.name) == []
    finally:
        rental.close()


def test_over_ssh_it_is_the_same_and_only_the_pinned_host_key_is_taken(
    docker: DockerEngine, parts: Engine, hub: Market, tmp_path: Path
) -> None:
    with a_real_sshd(tmp_path / "sshd", {"DOCKER_HOST": docker.address}) as sshd:
        if sshd is None:
            pytest.skip(HOW_TO_GET_SSHD)
        rental = DockerRental.create(
            tmp_path / "far",
            parts,
            docker,
            hub,
            environment_too={"SSH_AUTH_SOCK": sshd.agent},
            dockerHost=f"ssh://root@127.0.0.1:{sshd.port}",
            dockerHostKey=OTHER_KEY,
        )
        try:
            assert rental.preview().code == 0, "a preview does not connect"
            refused = rental.up()
            assert refused.code != 0
            assert "Host key verification failed" in refused.text
            assert docker.containers(rental.name) == []
            rental.configure(dockerHostKey=sshd.host_key)
            up = rental.up()
            assert up.code == 0, up.text
            assert set(rental.up().changes) == {"same"}
            assert rental.ask(QUESTION).status_code == 200
            assert rental.destroy().code == 0
        finally:
            rental.close()
