"""Each engine's files, and no others, from the emulated hub into a host's cache; judged by its ledger.

The files are tiny; what they stand for is the `total_size` of the index that came with them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clore_emulator.hub import DEMO_TOKEN
from clore_inference.lifecycle.wanted import fetch_job
from support.in_process import Home, a_home
from support.local_hub import Hub, served
from support.wishes import a_spec

pytestmark = pytest.mark.slow  # importing the hub client takes seconds

FP8_GB = 133.6


@pytest.fixture
def hub() -> Iterator[Hub]:
    with served() as one:
        yield one


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with a_home(tmp_path, block_bytes=64 * 1024, most_run_bytes=256 * 1024) as one:
        yield one


def fetched(home: Home, hub: Hub, **wish: Any) -> dict[str, Any]:
    job = fetch_job(a_spec(hfEndpoint=hub.url, **wish))
    fields = job.model_dump(mode="json", exclude={"endpoint"})
    return dict(home.fetch_from(hub.url, token=DEMO_TOKEN, **fields))


def moved(hub: Hub) -> dict[str, int]:
    """Bytes that the hub sent, by file name."""
    return {
        name.rpartition("/")[2]: row.bytes for name, row in hub.desk.traffic.items() if row.bytes
    }


def stands_for_gb(snapshot: str) -> float:
    """What the fetched indexes say that their weights really weigh."""
    found = Path(snapshot).glob("*.index.json")
    sizes = [json.loads(one.read_text())["metadata"]["total_size"] for one in found]
    return float(sum(sizes) / 1e9)


@pytest.mark.parametrize(
    ("wish", "mine", "other"),
    [
        ({"release": "guide"}, "consolidated", "model"),
        ({"release": "upstream"}, "consolidated", "model"),
        ({"release": "upstream", "engine": "sglang"}, "model", "consolidated"),
    ],
    ids=["guide-vllm", "upstream-vllm", "upstream-sglang"],
)
def test_of_two_layouts_exactly_one_is_fetched(
    home: Home, hub: Hub, wish: dict[str, str], mine: str, other: str
) -> None:
    result = fetched(home, hub, **wish)
    files = moved(hub)
    assert not [name for name in files if name.startswith(f"{other}-")]
    shards = [name for name in files if name.startswith(f"{mine}-")]
    assert len(shards) == 4
    assert round(stands_for_gb(result["snapshot"]), 1) == FP8_GB, "134 GB, not 267"
    repository = hub.desk.repositories[a_spec(**wish).repository_name]
    for name, sent in files.items():
        assert sent == repository.by_path[name].size, f"{name} came once"


def test_a_gguf_repository_brings_the_one_quantization(home: Home, hub: Hub) -> None:
    wish = {"engine": "llamacpp", "topology": "1xH100", "precision": "q4_k_m", "maxModelLen": 32768}
    result = fetched(home, hub, kvCacheDtype="q8_0", **wish)
    assert [path.name for path in Path(result["snapshot"]).iterdir()] == list(moved(hub))
    assert all("Q4_K_M" in name for name in moved(hub))


def test_another_engine_with_the_same_layout_and_another_length_fetch_nothing(
    home: Home, hub: Hub
) -> None:
    fetched(home, hub, release="upstream")
    before = moved(hub)
    fetched(home, hub, release="upstream", maxModelLen=32768)
    assert moved(hub) == before
    fetched(home, hub, release="upstream", engine="sglang")
    after = moved(hub)
    assert {name: after[name] for name in before} == before, "what both layouts share came once"


OFFLINE = """
import sys
from huggingface_hub import snapshot_download
print(snapshot_download(sys.argv[1], revision=sys.argv[2]))
"""


def offline(home: Home, repository: str, revision: str) -> str:
    """What an engine does that is offline: look a model up by its name, whatever files it needs."""
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, repository, revision],
        env={"HOME": str(home.folder), "PATH": os.environ["PATH"], "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_an_engine_finds_one_layout_offline_by_branch_and_by_commit(home: Home, hub: Hub) -> None:
    repository = "mistralai/Mistral-Medium-3.5-128B"
    result = fetched(home, hub, release="upstream")
    assert offline(home, repository, "main") == result["snapshot"]
    assert offline(home, repository, result["revision"]) == result["snapshot"]


def test_a_pinned_revision_is_the_one_that_is_found(home: Home, hub: Hub) -> None:
    repository = "mistralai/Mistral-Medium-3.5-128B"
    commit = hub.desk.repositories[repository].commit
    result = fetched(home, hub, release="upstream", revision=commit)
    assert offline(home, repository, commit) == result["snapshot"]
    assert Path(result["snapshot"]).name == commit == result["revision"]
