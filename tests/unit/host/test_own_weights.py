"""Weights that already lie on the host: verified, linked, and not fetched."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from clore_inference.host.job import FetchJob
from clore_inference.host.travelling import fetch
from clore_inference.host.travelling.refusal import Refusal
from support.in_process import Home, a_home
from support.small_hub import COMMIT, SmallHub, a_hub

pytestmark = pytest.mark.slow  # importing the hub client takes seconds

FILES = {
    "config.json": b'{"a": 1}',
    "deep/tokenizer.json": b"{}",
    "model-1.safetensors": random.Random(5).randbytes(300_000),
}


@pytest.fixture
def hub() -> Iterator[SmallHub]:
    with a_hub(dict(FILES)) as one:
        yield one


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with a_home(tmp_path, block_bytes=64 * 1024, most_run_bytes=256 * 1024) as one:
        yield one


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_sums(folder: Path) -> None:
    lines = [f"{hashlib.sha256(content).hexdigest()}  ./{name}" for name, content in FILES.items()]
    (folder / "SHA256SUMS").write_text("\n".join(lines) + "\n", encoding="utf-8")


def whole(snapshot: str) -> None:
    for name, content in FILES.items():
        assert (Path(snapshot) / name).read_bytes() == content


def test_files_of_one_s_own_are_held_to_the_hub_s_list_and_linked(
    home: Home, hub: SmallHub, mine: Path
) -> None:
    result = home.fetch(hub, path=str(mine))
    whole(result["snapshot"])
    assert not hub.sent, "nothing is fetched"
    assert Path(result["snapshot"], "model-1.safetensors").resolve().is_relative_to(mine)
    assert Path(result["snapshot"]).name == COMMIT
    again = home.fetch(hub)
    whole(again["snapshot"])
    assert not hub.sent, "a fetch of the same files finds them there"


def test_files_that_no_hub_knows_are_held_to_their_own_sums(
    home: Home, hub: SmallHub, mine: Path
) -> None:
    write_sums(mine)
    result = home.fetch_from("http://127.0.0.1:9", path=str(mine), repository="me/my-own-model")
    whole(result["snapshot"])
    assert not hub.asked
    reference = home.cache / "models--me--my-own-model" / "refs" / "main"
    assert reference.read_text(encoding="utf-8") == Path(result["snapshot"]).name


def test_a_changed_file_is_told_and_left_alone(home: Home, hub: SmallHub, mine: Path) -> None:
    damaged = b"x" * 300_000
    (mine / "model-1.safetensors").write_bytes(damaged)
    with pytest.raises(Refusal, match="it is yours, so it was left as it is") as caught:
        home.fetch(hub, path=str(mine))
    assert caught.value.kind == "hash_mismatch"
    assert (mine / "model-1.safetensors").read_bytes() == damaged
    assert not hub.sent


def test_a_missing_file_or_folder_is_named(home: Home, hub: SmallHub, mine: Path) -> None:
    (mine / "config.json").unlink()
    with pytest.raises(Refusal, match=r"config\.json is not in"):
        home.fetch(hub, path=str(mine))
    with pytest.raises(Refusal, match="there is no folder /no/where"):
        home.fetch(hub, path="/no/where")
    assert not hub.sent


def test_sums_cannot_lead_out_of_their_folder(home: Home, hub: SmallHub, mine: Path) -> None:
    (mine / "SHA256SUMS").write_text(f"{'0' * 64}  ../../etc/passwd\n", encoding="utf-8")
    home.fetch(hub, path=str(mine))
    assert not hub.sent


def test_a_fetch_that_finds_a_linked_file_changed_removes_the_link_only(
    home: Home, hub: SmallHub, mine: Path
) -> None:
    home.fetch(hub, path=str(mine))
    damaged = b"x" * 300_000
    (mine / "model-1.safetensors").write_bytes(damaged)
    with pytest.raises(Refusal, match="it was removed"):
        home.fetch(hub)
    assert (mine / "model-1.safetensors").read_bytes() == damaged
    whole(home.fetch(hub)["snapshot"])


def test_what_was_verified_once_is_not_hashed_again(
    home: Home, hub: SmallHub, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.fetch(hub, path=str(mine))
    monkeypatch.setattr(fetch, "_hash", lambda *_: pytest.fail("hashed again"))
    home.fetch(hub, path=str(mine))


def test_jobs_from_before_keep_their_ids() -> None:
    assert FetchJob(repository="a/b").id == FetchJob(repository="a/b", path="").id
    assert FetchJob(repository="a/b").id != FetchJob(repository="a/b", path="/w").id
