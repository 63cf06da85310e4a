"""A directory's repositories take the place of the seeded ones, under their names and gates."""

from __future__ import annotations

from pathlib import Path

from clore_emulator.hub import repositories
from clore_emulator.hub.shelf import stocked

GATED = "mistralai/Mistral-Medium-3.5-FP8"


def test_without_a_directory_the_hub_has_what_it_always_has() -> None:
    assert [one.name for one in stocked(None)] == [one.name for one in repositories()]


def test_a_repository_on_disk_replaces_the_files_of_its_name_and_stays_gated(
    tmp_path: Path,
) -> None:
    place = tmp_path / "hub" / GATED
    place.mkdir(parents=True)
    (place / "params.json").write_text("{}")
    (place / "consolidated.safetensors").write_bytes(b"weights")
    before = {one.name: one for one in repositories()}
    after = {one.name: one for one in stocked(tmp_path)}
    assert after.keys() == before.keys()
    found = after[GATED]
    assert sorted(found.by_path) == ["consolidated.safetensors", "params.json"]
    assert found.by_path["consolidated.safetensors"].lfs
    assert found.gated
    assert found.commit != before[GATED].commit
    assert found.knows("main")


def test_new_bytes_are_a_new_commit_and_the_same_bytes_the_same(tmp_path: Path) -> None:
    place = tmp_path / "hub" / "me" / "mine"
    place.mkdir(parents=True)
    (place / "params.json").write_text("{}")
    first, again = stocked(tmp_path)[-1], stocked(tmp_path)[-1]
    assert first.commit == again.commit
    (place / "params.json").write_text('{"dim": 1}')
    assert stocked(tmp_path)[-1].commit != first.commit
