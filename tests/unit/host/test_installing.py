"""Another engine is installed while the old one serves: real pip, real wheels, a local index."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clore_inference.host.job import Installation, ServeJob
from support.box import Box, a_box, an_engine, wait_for
from support.package_index import PackageIndex, a_package_index

pytestmark = pytest.mark.slow  # virtual environments and installers

WHEEL = "vllm-0.30.0-py3-none-any.whl"


@pytest.fixture(scope="module")
def index() -> Iterator[PackageIndex]:
    with a_package_index() as one:
        yield one


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with a_box(tmp_path) as one:
        yield one


def another(job: ServeJob, install: Installation, *more: str) -> ServeJob:
    """The same engine of a few lines, on a release that must be installed first."""
    return job.model_copy(update={"argv": (*job.argv, *more), "install": install})


def serving(box: Box, job: ServeJob) -> dict[str, Any]:
    box.start(job)
    return box.until("engine", "running", "failed")


def status_of(box: Box, start_id: str) -> dict[str, Any]:
    path = box.file(f"jobs/engine/{start_id}/status.json")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def test_a_release_is_installed_before_the_old_engine_stops_and_nothing_more_than_a_second_is_lost(
    box: Box, index: PackageIndex
) -> None:
    first = an_engine()
    before = serving(box, first)
    seen_environment = box.home / "environment.json"
    job = another(first, index.release("vllm", "0.30.0"), "--env", str(seen_environment))
    line = box.start(job)
    stages: set[str] = set()

    def told() -> bool:
        seen = box.status("engine")
        if seen["state"] == "installing":
            stages.add(str(seen["stage"]))
            assert box.file(f"jobs/engine/{before['start_id']}").exists()
            assert status_of(box, before["start_id"])["state"] == "running"
        return seen["state"] in ("running", "failed")

    wait_for(told, "the second engine neither runs nor failed")
    after = box.status("engine")
    assert (after["state"], after["start_id"]) == ("running", line["start_id"]), after
    assert any("unpacking vllm 0.30.0" in stage for stage in stages), stages
    ended = status_of(box, before["start_id"])["ended_at"]
    assert after["spawned_at"] - ended < 1.0, "the new engine starts when the old one is gone"
    environment = json.loads(seen_environment.read_text(encoding="utf-8"))
    assert environment["PATH"].split(":")[0] == f"{environment['VIRTUAL_ENV']}/bin"
    assert environment["PYTHONPATH"] == str(box.file("serving")), "nothing of the image's leaks in"


def test_what_is_installed_is_not_fetched_again(box: Box, index: PackageIndex) -> None:
    install = index.release("vllm", "0.30.0")
    assert serving(box, another(an_engine(), install))["state"] == "running"
    served = index.served()
    again = another(an_engine(), install, "--say", "other")
    assert serving(box, again)["state"] == "running"
    assert index.served() == served
    assert not box.file("engines/files").exists(), "the fetched files are gone once installed"


@pytest.mark.parametrize(
    ("fault", "kind"), [("damages", "install_hash"), ("answers_503", "install_network")]
)
def test_an_install_that_fails_leaves_the_old_engine_running_and_a_revert_restarts_nothing(
    box: Box, index: PackageIndex, fault: str, kind: str
) -> None:
    first = an_engine()
    before = serving(box, first)
    index.arm({"name": fault, "file": WHEEL, "times": 99})
    try:
        failed = serving(box, another(first, index.release("vllm", "0.30.0")))
    finally:
        index.arm()
    assert (failed["state"], failed["failure"]["kind"]) == ("failed", kind), failed
    assert failed["kept"] is True
    still = status_of(box, before["start_id"])
    assert still["state"] == "running"
    assert box.start(first)["start_id"] == before["start_id"], (
        "the engine that serves is wanted again"
    )
    assert box.status("engine")["engine"] == before["engine"], "and it is the same process"


def test_a_cut_file_is_gone_on_from(box: Box, index: PackageIndex) -> None:
    whole = len(index.lock("vllm-0.30.0")) and index.release("vllm", "0.30.0").fetch_bytes
    before = sum(index.served().values())
    index.arm({"name": "cuts", "file": WHEEL, "times": 2})
    assert serving(box, another(an_engine(), index.release("vllm", "0.30.0")))["state"] == "running"
    index.arm()
    assert sum(index.served().values()) - before == whole, "no byte is fetched twice"


def test_a_release_without_a_lock_is_refused_and_the_old_engine_goes_on(box: Box) -> None:
    first = an_engine()
    before = serving(box, first)
    unlocked = Installation(engine="vllm", version="0.99.0", own="vllm-0.32.0")
    failed = serving(box, another(first, unlocked))
    assert failed["failure"]["kind"] == "not_locked"
    assert status_of(box, before["start_id"])["state"] == "running"


def test_too_small_a_disk_is_said_before_anything_is_fetched(box: Box, index: PackageIndex) -> None:
    served = index.served()
    install = index.release("vllm", "0.30.0")
    lines = install.lock.splitlines()
    huge = [
        " ".join([line.split()[0], str(10**15), line.split()[2]])
        for line in lines
        if line[0] != "#"
    ]
    failed = serving(
        box, another(an_engine(), install.model_copy(update={"lock": "\n".join(huge)}))
    )
    assert failed["failure"]["kind"] == "install_disk_full"
    assert index.served() == served


def test_an_interrupted_install_is_made_anew(box: Box, index: PackageIndex) -> None:
    install = index.release("vllm", "0.30.0")
    left = box.file(f"engines/vllm-0.30.0-{install.lock_id}/bin")
    left.mkdir(parents=True)
    (left / "python3").write_text("half of an environment", encoding="utf-8")
    assert serving(box, another(an_engine(), install))["state"] == "running"


def test_llamacpp_is_built_on_the_host_from_its_locked_source(
    box: Box, index: PackageIndex
) -> None:
    install = index.release("llamacpp", "b11434")
    assert serving(box, another(an_engine(), install))["state"] == "running"
    place = box.file(f"engines/llamacpp-b11434-{install.lock_id}")
    said = box.sh(f"{place}/bin/llama-server --version")
    assert "11434" in said.stdout + said.stderr
    assert not (place / "source").exists(), "what it was built from takes no disk"


def test_a_gpu_host_without_a_compiler_is_named(box: Box, index: PackageIndex) -> None:
    box.program("nvidia-smi", "exit 0")
    failed = serving(box, another(an_engine(), index.release("llamacpp", "b11434")))
    assert failed["failure"]["kind"] == "no_compiler"
    assert "nvcc" in failed["failure"]["text"]


def test_an_image_of_ones_own_is_used_as_it_is_unless_a_version_is_asked_for(box: Box) -> None:
    unknown = Installation(engine="pytest", version="0", own="")
    assert serving(box, another(an_engine(), unknown))["state"] == "running"
    exact = unknown.model_copy(update={"exact": True})
    assert serving(box, another(an_engine(), exact))["failure"]["kind"] == "not_locked"


def test_a_container_that_restarts_during_an_install_serves_what_served_before(
    box: Box, index: PackageIndex
) -> None:
    first = an_engine()
    before = serving(box, first)
    index.arm({"name": "answers_503", "file": WHEEL, "times": 999})
    failed = serving(box, another(first, index.release("vllm", "0.30.0")))
    index.arm()
    assert failed["kept"]
    box.close()
    wait_for(lambda: not box.status("engine")["alive"], "the runner outlived the container")
    box.sh(f"{box.programs}/python3 {box.file('bin/clore_supervisor.py')} revive")
    after = box.until("engine", "running", "failed")
    assert (after["state"], after["start_id"]) == ("running", before["start_id"])
