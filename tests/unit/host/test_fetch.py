"""The fetch as a host runs it: the real hub client against a hub in small."""

from __future__ import annotations

import json
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clore_inference.host.job import FetchJob
from support.box import Box, a_box, wait_for
from support.small_hub import COMMIT, REPOSITORY, SmallHub, a_hub

pytestmark = pytest.mark.slow  # every fetch is a process that imports the hub client

ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
MB = 1_000_000
TOKEN = "hf_" + "canary" * 5


def files() -> dict[str, bytes]:
    dice = random.Random(1)
    return {
        "config.json": b'{"a": 1}',
        ONE: dice.randbytes(4 * MB),
        TWO: dice.randbytes(2 * MB),
        "consolidated-00001.safetensors": dice.randbytes(MB),
    }


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with a_box(tmp_path) as one:
        yield one


@pytest.fixture
def hub() -> Iterator[SmallHub]:
    with a_hub(files()) as one:
        yield one


def a_job(hub: SmallHub, **facts: Any) -> FetchJob:
    return FetchJob(
        **{
            "repository": REPOSITORY,
            "endpoint": hub.url,
            "ignore_patterns": ("consolidated*",),
            **facts,
        }
    )


def ended(box: Box, job: FetchJob, **facts: Any) -> dict[str, Any]:
    box.start(job, **facts)
    return box.until("weights", "complete", "failed")


def test_the_wanted_files_arrive_once_where_engines_look(box: Box, hub: SmallHub) -> None:
    seen = ended(box, a_job(hub))
    assert seen["state"] == "complete", seen
    snapshot = Path(seen["snapshot"])
    assert snapshot.is_relative_to(box.home / ".cache" / "huggingface" / "hub")
    assert sorted(path.name for path in snapshot.iterdir()) == ["config.json", ONE, TWO]
    for name in (ONE, TWO):
        assert (snapshot / name).read_bytes() == hub.files[name]
    assert (seen["revision"], seen["files"], seen["bytes"]) == (COMMIT, 3, 6 * MB + 8)
    assert dict(hub.sent) == {ONE: 4 * MB, TWO: 2 * MB, "config.json": 8}


def test_complete_weights_are_kept_without_asking_the_hub(box: Box, hub: SmallHub) -> None:
    first = ended(box, a_job(hub))
    asked = len(hub.asked)
    assert box.start(a_job(hub)) == {
        "kind": "weights",
        "job": a_job(hub).id,
        "start_id": first["start_id"],
        "state": "complete",
    }
    assert len(hub.asked) == asked


def test_another_job_fetches_only_what_is_missing(box: Box, hub: SmallHub) -> None:
    ended(box, a_job(hub))
    seen = ended(box, a_job(hub, ignore_patterns=()))
    assert (seen["state"], seen["files"]) == ("complete", 4)
    assert hub.sent[ONE] == 4 * MB
    assert hub.sent["consolidated-00001.safetensors"] == MB


def test_a_cut_connection_costs_no_more_than_a_piece(box: Box, hub: SmallHub) -> None:
    hub.cut_after[ONE] = 1_400_000
    assert ended(box, a_job(hub))["state"] == "complete"
    assert hub.sent[ONE] < 4 * MB + 256 * 1024


def test_a_killed_host_goes_on_where_it_was(box: Box, hub: SmallHub) -> None:
    hub.slow_s = 0.1
    box.start(a_job(hub))
    wait_for(
        lambda: (box.status("weights").get("progress") or {}).get("bytes_done", 0) > 1.5 * MB,
        "the fetch does not say how far it is",
    )
    wanted = json.loads(box.file("jobs/weights/current.json").read_text(encoding="utf-8"))
    fetch = Path(f"/proc/{wanted['runner']['pid']}/task/{wanted['runner']['pid']}/children")
    for pid in [*map(int, fetch.read_text().split()), wanted["runner"]["pid"]]:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not box.status("weights")["alive"], "the runner still lives")
    before = Counter(hub.sent)
    hub.release.set()
    assert ended(box, a_job(hub))["state"] == "complete"
    sent_again = sum((hub.sent - before).values())
    assert sent_again < 6 * MB - 1 * MB, "what lay on the disk was fetched again"


def test_a_file_that_arrives_damaged_is_brought_once_more(box: Box, hub: SmallHub) -> None:
    hub.damaged[TWO] = 1
    assert ended(box, a_job(hub))["state"] == "complete"
    assert (hub.sent[TWO], hub.sent[ONE]) == (4 * MB, 4 * MB)


def test_a_file_that_stays_damaged_is_named_and_does_not_stay(box: Box, hub: SmallHub) -> None:
    hub.damaged[TWO] = 9
    failure = ended(box, a_job(hub))["failure"]
    assert failure["kind"] == "hash_mismatch"
    assert TWO in failure["text"]
    blob = hub.etag(TWO)
    assert not list((box.home / ".cache").rglob(f"{blob}*[!k]")), "no damaged byte is kept"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_hub_that_stumbles_is_asked_again(box: Box, hub: SmallHub, status: int) -> None:
    hub.failing[status] = 2
    assert ended(box, a_job(hub), scale=100)["state"] == "complete"


def test_a_hub_that_is_gone_is_named_network(box: Box, hub: SmallHub) -> None:
    failure = ended(box, a_job(hub, endpoint="http://127.0.0.1:9"), scale=1000)["failure"]
    assert failure["kind"] == "network"


def test_what_does_not_exist_is_named(box: Box, hub: SmallHub) -> None:
    assert ended(box, a_job(hub, repository="a/b"))["failure"]["kind"] == "not_found"
    revision = ended(box, a_job(hub, revision="nowhere"))["failure"]
    assert revision["kind"] == "revision_not_found"
    nothing = ended(box, a_job(hub, allow_patterns=("*.gguf",)))["failure"]
    assert nothing["kind"] == "not_found"


@pytest.mark.parametrize("token", ["", "hf_" + "stranger" * 4], ids=["none", "a stranger's"])
def test_a_gated_repository_is_named(box: Box, hub: SmallHub, token: str) -> None:
    hub.token = TOKEN
    assert ended(box, a_job(hub), token=token)["failure"]["kind"] == "gated"


def test_the_token_opens_and_leaves_no_trace(box: Box, hub: SmallHub) -> None:
    hub.token, hub.slow_s = TOKEN, 0.05
    box.start(a_job(hub), token=TOKEN)
    wait_for(lambda: hub.sent[ONE] > 0, "nothing is fetched")
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert TOKEN.encode() not in path.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
    hub.release.set()
    assert box.until("weights", "complete", "failed")["state"] == "complete"
    for path in box.home.rglob("*"):
        if path.is_file() and path.stat().st_size < MB:
            assert TOKEN.encode() not in path.read_bytes(), path


def test_a_disk_that_is_too_small_is_known_before_a_byte_is_fetched(
    box: Box, hub: SmallHub
) -> None:
    disk = "import shutil; shutil.disk_usage = lambda _: shutil._ntuple_diskusage(9, 9, 9)"
    extra = box.home.parent / "site"
    extra.mkdir()
    (extra / "sitecustomize.py").write_text(disk, encoding="utf-8")
    box.environment["PYTHONPATH"] = str(extra)
    failure = ended(box, a_job(hub))["failure"]
    assert failure["kind"] == "disk_full"
    assert not hub.sent


def test_a_changed_blob_is_seen_and_replaced(box: Box, hub: SmallHub) -> None:
    seen = ended(box, a_job(hub))
    blob = (Path(seen["snapshot"]) / TWO).resolve()
    blob.write_bytes(b"x" * 2 * MB)
    broken = ended(box, a_job(hub, allow_patterns=("*.safetensors",)))
    assert broken["failure"]["kind"] == "hash_mismatch"
    assert ended(box, a_job(hub, allow_patterns=("*.safetensors",)))["state"] == "complete"
    assert hub.sent[ONE] == 4 * MB


def test_a_python_without_the_hub_client_is_named(box: Box, hub: SmallHub) -> None:
    for name in ("python3", "python"):
        box.program(name, 'exec /usr/bin/python3 -S "$@"')
    if box.sh("python3 -c 'import huggingface_hub'").returncode == 0:
        pytest.skip("every Python of this machine has a hub client")
    failure = ended(box, a_job(hub))["failure"]
    assert failure["kind"] == "no_hub_client"
