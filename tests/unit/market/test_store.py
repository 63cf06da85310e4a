"""The state directory: whole documents, private, shared locks."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from clore_inference.market.store import FileStore, default_root, directory_name
from clore_inference.secret import Secret


def test_a_document_comes_back_and_is_private(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "a" / "b")
    store.write("lease-1", {"at": 1.5}, durable=True)
    assert store.read("lease-1") == {"at": 1.5}
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    for file in (tmp_path / "a" / "b").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00"])
def test_a_broken_document_is_no_document(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    assert FileStore(tmp_path).read("x") is None


def test_a_replaced_document_leaves_no_drafts(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    for n in range(3):
        store.write("x", {"n": n})
    assert [file.name for file in tmp_path.iterdir()] == ["x.json"]


def test_a_lock_excludes_threads_and_tells_those_who_wait(tmp_path: Path) -> None:
    waited = threading.Event()
    got: list[str] = []

    def other() -> None:
        with FileStore(tmp_path).lock("x", waited.set):
            got.append("other")

    thread = threading.Thread(target=other)
    with FileStore(tmp_path).lock("x", lambda: None):
        thread.start()
        assert waited.wait(5), "whoever waits is asked whether to go on"
        assert got == []
    thread.join(timeout=5)
    assert got == ["other"]


def test_whoever_waits_for_a_lock_may_give_up(tmp_path: Path) -> None:
    def give_up() -> None:
        raise TimeoutError

    mine, other = FileStore(tmp_path), FileStore(tmp_path)
    with (
        mine.lock("x", lambda: None),
        pytest.raises(TimeoutError),
        other.lock("x", give_up),
    ):
        pytest.fail("two hold one lock")


def test_a_directory_belongs_to_one_address_and_one_key() -> None:
    key = Secret("k" * 32)
    names = {
        directory_name("https://api.clore.ai", key),
        directory_name("https://api.clore.ai", Secret("l" * 32)),
        directory_name("https://api.clore.ai", None),
        directory_name("http://127.0.0.1:8650", key),
    }
    assert len(names) == 4
    assert directory_name("https://api.clore.ai/", key) in names
    assert not any("kkkk" in name for name in names)


def test_the_files_lie_in_the_users_state_directory() -> None:
    assert default_root({"XDG_STATE_HOME": "/x"}) == Path("/x/clore-inference")
    assert default_root({}) == Path.home() / ".local/state/clore-inference"
    assert default_root({"XDG_STATE_HOME": "relative"}) == default_root({})
