"""The supervisor as a host runs it: real processes in a home of their own, engines of a few lines."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clore_inference.host.bootstrap import start_command, start_document
from clore_inference.host.travelling.record import session_members
from clore_inference.secret import Secret
from support.box import ENDPOINT_KEY, Box, a_box, an_engine, wait_for

pytestmark = pytest.mark.slow  # every test starts real processes and waits for them


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with a_box(tmp_path) as one:
        yield one


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def engine_pid(seen: dict[str, Any]) -> int:
    return int(seen["engine"]["pid"])


def test_an_engine_is_started_and_known_as_ready(box: Box) -> None:
    line = box.start(an_engine())
    seen = box.until("engine", "running", "failed")
    assert (seen["state"], seen["models"]) == ("running", ["tiny"])
    assert seen["start_id"] == line["start_id"]


def test_the_same_job_is_kept_with_its_start_id(box: Box) -> None:
    job = an_engine()
    first = box.start(job)
    pid = engine_pid(box.until("engine", "running"))
    assert box.start(job)["start_id"] == first["start_id"]
    assert engine_pid(box.status("engine")) == pid


def test_starting_returns_at_once_and_works_under_dash_with_a_bare_environment(box: Box) -> None:
    box.environment = {"HOME": str(box.home), "PATH": str(box.programs)}
    began = time.monotonic()
    done = box.sh(start_command(), start_document(an_engine()), shell="/bin/dash")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 5
    assert box.until("engine", "running", "failed")["state"] == "running"


def test_two_starts_at_once_make_one_engine(box: Box) -> None:
    text = start_document(an_engine(), scale=20)
    both = [
        subprocess.Popen(
            ["sh", "-c", start_command()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=box.environment,
            text=True,
        )
        for _ in range(2)
    ]
    lines = [json.loads(one.communicate(text)[0]) for one in both]
    assert lines[0]["start_id"] == lines[1]["start_id"]
    assert box.until("engine", "running", "failed")["state"] == "running"


def test_another_engine_takes_the_place_of_the_old_one_and_its_children(
    box: Box, tmp_path: Path
) -> None:
    first = an_engine("--child", "1")
    box.start(first)
    old = engine_pid(box.until("engine", "running"))
    second = an_engine(port=first.port, name="other")
    line = box.start(second)
    wait_for(lambda: gone(old), "the old engine still runs")
    seen = box.until("engine", "running", "failed")
    assert (seen["start_id"], seen["models"]) == (line["start_id"], ["other"])
    assert not session_members(old), "a child of the old engine outlived it"


def test_an_engine_that_ignores_the_request_to_end_is_killed_after_its_limit(box: Box) -> None:
    box.start(an_engine("--ignore-term", "1", grace_s=1), scale=1)
    pid = engine_pid(box.until("engine", "running"))
    box.ask("stop", "engine")
    assert box.until("engine", "stopped")["engine"] is None
    assert gone(pid)


def test_a_flag_that_the_engine_refuses_is_named_and_not_tried_again(box: Box) -> None:
    box.start(an_engine("--die", "engine serve: error: unrecognized arguments: --swap-space 4"))
    seen = box.until("engine", "failed", "running")
    assert seen["failure"]["kind"] == "unknown_flag"
    assert seen["failure"]["text"].endswith("--swap-space 4")
    assert seen["restarts"] == 0
    assert seen["tail"][-1].endswith("--swap-space 4")


def test_a_crash_is_restarted_three_times_and_then_called_a_loop(box: Box) -> None:
    box.start(an_engine("--die", "RuntimeError: unlucky"), scale=1000)
    seen = box.until("engine", "failed", "running")
    assert (seen["failure"]["kind"], seen["restarts"]) == ("crash_loop", 3)


def test_a_crash_that_happens_once_is_survived(box: Box, tmp_path: Path) -> None:
    box.start(an_engine("--dead-once", str(tmp_path / "died")), scale=1000)
    seen = box.until("engine", "running", "failed")
    assert (seen["state"], seen["restarts"]) == ("running", 1)


def test_an_engine_that_is_not_there_is_named(box: Box) -> None:
    job = an_engine().model_copy(update={"argv": ("vllm-of-another-image", "serve")})
    box.start(job)
    failure = box.until("engine", "failed", "running")["failure"]
    assert failure["kind"] == "not_installed"
    assert "vllm-of-another-image" in failure["text"]


def test_a_guard_that_cannot_stand_up_is_known_before_the_engine_loads(
    box: Box, tmp_path: Path
) -> None:
    loaded = tmp_path / "env.json"
    job = an_engine("--env", str(loaded)).model_copy(update={"guard": {"timeout_s": "soon"}})
    box.start(job)
    assert box.until("engine", "failed", "running")["failure"]["kind"] == "guard"
    assert not loaded.exists()


def test_the_engine_is_offline_guarded_and_has_its_private_key_only(
    box: Box, tmp_path: Path
) -> None:
    box.environment["HF_TOKEN"] = "hf_" + "canary" * 5
    box.environment["VLLM_USE_RUST_FRONTEND"] = "1"
    box.start(an_engine("--env", str(tmp_path / "env.json")))
    box.until("engine", "running")
    environment = json.loads((tmp_path / "env.json").read_text(encoding="utf-8"))
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert environment["PYTHONPATH"].split(":")[0] == str(box.file("serving"))
    assert environment["HF_HOME"] == str(box.home / ".cache" / "huggingface")
    assert "HF_TOKEN" not in environment
    assert "VLLM_USE_RUST_FRONTEND" not in environment
    guard = json.loads(Path(environment["CLORE_INFERENCE_GUARD"]).read_text(encoding="utf-8"))
    private = Path(guard["engine_key_file"]).read_text(encoding="utf-8").strip()
    assert environment["VLLM_API_KEY"] == private
    keys = json.loads(Path(guard["keys_file"]).read_text(encoding="utf-8"))["keys"]
    assert [one["name"] for one in keys] == ["default", "supervisor"]
    assert keys[0]["sha256"] == hashlib.sha256(ENDPOINT_KEY.encode()).hexdigest()


def test_no_key_lies_on_the_disk_in_clear_and_nothing_is_open_to_others(box: Box) -> None:
    box.start(an_engine())
    box.until("engine", "running")
    for path in box.file("").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, f"{path} can be read by others"
        if path.is_file():
            assert ENDPOINT_KEY.encode() not in path.read_bytes(), path


def test_another_key_for_the_same_engine_restarts_nothing(box: Box) -> None:
    job = an_engine()
    box.start(job)
    pid = engine_pid(box.until("engine", "running"))
    other = Secret("ci-" + "another" * 5)
    done = box.sh(start_command(), start_document(job, endpoint_keys=other))
    assert done.returncode == 0, done.stderr
    keys = json.loads(box.file("jobs/engine/keys.json").read_text(encoding="utf-8"))["keys"]
    assert keys[0]["sha256"] == hashlib.sha256(other.reveal().encode()).hexdigest()
    assert keys[1]["name"] == "supervisor"
    assert engine_pid(box.status("engine")) == pid


def test_a_restarted_container_gets_its_engine_back_by_onstart(box: Box) -> None:
    (box.home / "onstart.sh").write_text("#!/bin/bash\necho theirs\n", encoding="utf-8")
    line = box.start(an_engine())
    seen = box.until("engine", "running")
    wanted = json.loads(box.file("jobs/engine/current.json").read_text(encoding="utf-8"))
    os.kill(wanted["runner"]["pid"], signal.SIGKILL)
    os.kill(engine_pid(seen), signal.SIGKILL)
    wait_for(lambda: not box.status("engine")["alive"], "the runner still lives")
    hook = box.home / "onstart.sh"
    assert "echo theirs" in hook.read_text(encoding="utf-8")
    subprocess.run(["sh", str(hook)], env=box.environment, check=True, capture_output=True)
    wait_for(lambda: box.status("engine")["alive"], "nothing was started")
    again = box.until("engine", "running", "failed")
    assert (again["state"], again["start_id"]) == ("running", line["start_id"])
    assert engine_pid(again) != engine_pid(seen)


def test_an_engine_whose_runner_died_is_ended_before_the_next_one(box: Box) -> None:
    first = an_engine()
    box.start(first)
    seen = box.until("engine", "running")
    wanted = json.loads(box.file("jobs/engine/current.json").read_text(encoding="utf-8"))
    os.kill(wanted["runner"]["pid"], signal.SIGKILL)
    wait_for(lambda: not box.status("engine")["alive"], "the runner still lives")
    assert box.status("engine")["engine_alive"]
    box.start(first)
    wait_for(lambda: gone(engine_pid(seen)), "the orphan still holds the port")
    assert box.until("engine", "running", "failed")["state"] == "running"


def test_stages_of_loading_are_told(box: Box) -> None:
    bar = "Loading safetensors checkpoint shards:  38% Completed | 3/8 [00:05<00:08, 1.66s/it]"
    box.start(an_engine("--say", bar, "--die", "CUDA out of memory. Tried to allocate 2 GiB"))
    seen = box.until("engine", "failed")
    assert seen["failure"]["kind"] == "out_of_memory"
    assert bar in seen["tail"]
