"""What a lock holds: the file that an installer on a host would take, and a text that is read again."""

from __future__ import annotations

from typing import Any

import pytest
from tools.engine_locks import __main__ as locks

from clore_inference.catalog import engine_lock, locked_versions, parse_lock


def wheels(*names: str) -> dict[str, Any]:
    rows = [
        {"url": f"https://files.example/{name}", "size": 10, "hashes": {"sha256": "a" * 64}}
        for name in names
    ]
    return {"name": "x", "version": "1", "wheels": rows}


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (("x-1-py3-none-any.whl", "x-1-cp312-cp312-manylinux_2_28_x86_64.whl"), 1),
        (("x-1-py3-none-any.whl", "x-1-cp38-abi3-manylinux_2_35_x86_64.whl"), 1),
        (("x-1-py3-none-any.whl", "x-1-py3-none-manylinux2014_x86_64.whl"), 1),
        (("x-1-py3-none-any.whl",), 0),
    ],
)
def test_the_most_specific_wheel_is_locked(names: tuple[str, ...], taken: int) -> None:
    assert locks._wheel(wheels(*names))["name"] == names[taken]


def test_a_package_without_a_wheel_is_named() -> None:
    with pytest.raises(ValueError, match="x 1 has no wheel"):
        locks._wheel({"name": "x", "version": "1"})


def test_what_is_written_is_what_is_read() -> None:
    files = [{**locks._wheel(wheels("x-1-py3-none-any.whl"))}]
    lock = parse_lock(locks._text("vllm", "1", files))
    assert (lock.count, lock.fetch_bytes, lock.python) == (1, 10, locks.PYTHON)


@pytest.mark.parametrize("engine", ["vllm", "sglang", "llamacpp"])
def test_every_lock_of_the_package_is_whole(engine: str) -> None:
    versions = locked_versions(engine)
    assert versions
    for version in versions:
        lock = engine_lock(engine, version)
        assert lock is not None
        names = [line.split()[2] for line in lock.text.splitlines() if not line.startswith("#")]
        assert len(set(names)) == len(names)
        carried = "llama_cpp_python" if engine == "llamacpp" else engine
        assert any(name.startswith(f"{carried}-") for name in names)
