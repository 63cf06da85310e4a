from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clore_emulator.hosts.hosts import can_isolate


@pytest.fixture
def namespaces() -> None:
    if not can_isolate():
        pytest.skip("this kernel forbids network namespaces; run as root or allow user namespaces")


@pytest.fixture(params=["namespaces", "loopback addresses"])
def apart(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How hosts are kept apart: both ways, each where the kernel allows it."""
    if request.param == "loopback addresses":
        monkeypatch.setenv("CLORE_EMULATOR_NETNS", "0")
    else:
        request.getfixturevalue("namespaces")
    return str(request.param)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "hosts"
    for log in (tmp_path / "hosts").glob("*/host.log"):
        assert not log.read_text(encoding="utf-8"), "a host complained"
