"""A pattern in a command line becomes the path of a fetched file."""

from __future__ import annotations

from pathlib import Path

import pytest

from clore_inference.engines.command import SNAPSHOT
from clore_inference.host.travelling.snapshot import MARK, NoSuchFile, expanded, snapshot

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "unsloth/Mistral-GGUF"


def cache(directory: Path, *names: str) -> Path:
    folder = directory / "models--unsloth--Mistral-GGUF" / "snapshots" / COMMIT
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    refs = directory / "models--unsloth--Mistral-GGUF" / "refs"
    refs.mkdir()
    (refs / "main").write_text(COMMIT + "\n")
    return folder


def test_both_sides_speak_of_the_same_mark() -> None:
    assert MARK == SNAPSHOT


@pytest.mark.parametrize("revision", ["main", COMMIT])
def test_a_branch_and_a_commit_name_the_same_folder(tmp_path: Path, revision: str) -> None:
    folder = cache(tmp_path, "a.gguf")
    assert snapshot(tmp_path, REPOSITORY, revision) == folder


def test_the_first_match_in_order_takes_the_place_of_the_pattern(tmp_path: Path) -> None:
    parts = [f"M-Q4_K_M-0000{number}-of-00003.gguf" for number in (3, 1, 2)]
    folder = cache(tmp_path, "A-Q3_K_M.gguf", *parts)
    line = ["llama-server", "-m", "{snapshot}/*Q4_K_M*.gguf", "--alias", "m"]
    wanted = ["llama-server", "-m", str(folder / parts[1]), "--alias", "m"]
    assert expanded(line, folder) == wanted


def test_a_star_matches_a_slash_as_it_did_for_the_fetch(tmp_path: Path) -> None:
    folder = cache(tmp_path, "Q4_K_M/M-Q4_K_M.gguf")
    assert expanded(["{snapshot}/*Q4_K_M*.gguf"], folder) == [str(folder / "Q4_K_M/M-Q4_K_M.gguf")]


def test_other_words_stay_what_they_are(tmp_path: Path) -> None:
    line = ["x", "{snapshot}", "a{snapshot}/b", "*.gguf"]
    assert expanded(line, tmp_path) == line


@pytest.mark.parametrize("pattern", ["*Q8_0*.gguf", "../*", "/etc/*"])
def test_a_pattern_without_a_match_says_which(tmp_path: Path, pattern: str) -> None:
    folder = cache(tmp_path, "a.gguf")
    with pytest.raises(NoSuchFile, match="1 files"):
        expanded([f"{{snapshot}}/{pattern}"], folder)
