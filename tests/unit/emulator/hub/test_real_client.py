"""The real huggingface_hub client against the hub, in a process of its own."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path
from typing import Any

import pytest

from clore_emulator.hub import File, Repository
from clore_emulator.hub.desk import Fault
from support.local_hub import Hub, download, served

pytestmark = pytest.mark.slow  # every download starts a process

REPOSITORY = "mistralai/Mistral-Medium-3.5-FP8"
ONE_LAYOUT: dict[str, Any] = {
    "allow_patterns": ["*.json", "consolidated*"],
    "ignore_patterns": ["model*"],
}
SHARD = "consolidated-00002-of-00004.safetensors"


def moved(hub: Hub) -> dict[str, int]:
    return {name.rpartition("/")[2]: t.bytes for name, t in hub.desk.traffic.items()}


def test_one_layout_arrives_whole_and_nothing_twice(tmp_path: Path) -> None:
    with served() as hub:
        first = Path(download(hub, tmp_path, REPOSITORY, **ONE_LAYOUT)["path"])
        after_first = moved(hub)
        download(hub, tmp_path, REPOSITORY, **ONE_LAYOUT)
        assert moved(hub) == after_first, "the second run moved no byte"
        repository = hub.desk.repositories[REPOSITORY]
    names = {path.name for path in first.iterdir()}
    assert SHARD in names
    assert not any(name.startswith("model-") for name in names)
    for name in names:
        assert (first / name).read_bytes() == repository.by_path[name].content
        assert after_first[name] == repository.by_path[name].size


def test_a_cut_download_is_taken_up_where_it_ended(tmp_path: Path) -> None:
    # The client writes 10 MiB at a time: what a cut leaves of a smaller file is fetched again.
    content = hashlib.shake_128(b"large").digest(25_000_000)
    large = Repository("emulator/large", "1" * 40, (File(SHARD, content, lfs=True),))
    with served(repositories=[large]) as hub:
        hub.desk.faults = [fault("cut_after", bytes=22_000_000)]
        answer = download(hub, tmp_path, large.name)
        if "error" in answer:
            answer = download(hub, tmp_path, large.name)
        traffic = hub.desk.of(large.name, SHARD)
        assert (Path(answer["path"]) / SHARD).read_bytes() == content
    assert [first for first, _ in traffic.ranges] == [2 * 10 * 1024 * 1024]
    assert traffic.bytes < 1.1 * len(content), "what had arrived was kept"


@pytest.mark.parametrize("name", ["http_5xx", "http_429"])
def test_the_client_survives_a_bad_moment(tmp_path: Path, name: str) -> None:
    with served() as hub:
        hub.desk.faults = [fault(name)]
        answer = download(hub, tmp_path, REPOSITORY, **ONE_LAYOUT)
        if "error" in answer:
            answer = download(hub, tmp_path, REPOSITORY, **ONE_LAYOUT)
    assert (Path(answer["path"]) / SHARD).exists()


@pytest.mark.parametrize(
    ("repository", "token", "error"),
    [
        (REPOSITORY, None, "GatedRepoError"),
        (REPOSITORY, "hf_emulator_without_access", "GatedRepoError"),
        (REPOSITORY, "hf_wrong", "HfHubHTTPError"),
        ("mistralai/Nothing", None, "RepositoryNotFoundError"),
    ],
)
def test_refusals_have_the_clients_own_names(
    tmp_path: Path, repository: str, token: str | None, error: str
) -> None:
    with served() as hub:
        assert download(hub, tmp_path, repository, token=token).get("error") == error


def test_an_unknown_revision_is_named(tmp_path: Path) -> None:
    with served() as hub:
        answer = download(hub, tmp_path, REPOSITORY, revision="v9")
    assert answer.get("error") == "RevisionNotFoundError"


def test_the_hub_answers_on_a_unix_socket_too(tmp_path: Path) -> None:
    path = tmp_path / "hub.sock"
    with served(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"GET /_admin/hub HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200")


def fault(name: str, **parameters: int) -> Fault:
    return Fault.of({"name": name, "match": f"*/{SHARD}", **parameters})
