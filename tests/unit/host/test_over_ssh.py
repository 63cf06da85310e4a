"""Trust, acceptance, followers and tunnels over a real SSH server on loopback."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from clore_inference.clock import WallClock
from clore_inference.errors import HostRejected, HostUnreachable, TrustError
from clore_inference.host.accept import HostRequirement, accept
from clore_inference.host.following import follow_document
from clore_inference.host.job import FetchJob, Job, ServeJob
from clore_inference.host.status import engine_status
from clore_inference.host.trust import scan_host_key
from clore_inference.host.tunnel import open_tunnel
from clore_inference.secret import Secret
from support.box import ENDPOINT_KEY, Box, Door, a_box, a_door, an_engine, free_port, public_line
from support.small_hub import REPOSITORY, SmallHub, a_hub

pytestmark = pytest.mark.slow  # real SSH connections, real processes

CLOCK = WallClock(60)
TOKEN = "hf_" + "canary" * 5
SMI = """\
case "$*" in
*query-gpu*) echo "0, NVIDIA H100 80GB HBM3, 81559, 580.65.06"
             echo "1, NVIDIA H100 80GB HBM3, 81559, 580.65.06";;
*) echo "| NVIDIA-SMI 580.65.06   Driver Version: 580.65.06   CUDA Version: 13.0 |";;
esac"""
REQUIREMENT = HostRequirement(
    gpu_names=("NVIDIA H100 80GB HBM3",), gpu_count=2, min_gpu_memory_mib=81000, min_driver="580"
)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with a_box(tmp_path) as one:
        one.program("nvidia-smi", SMI)
        yield one


@pytest.fixture
def door(box: Box) -> Iterator[Door]:
    with a_door(box) as one:
        yield one


def accepted(
    door: Door, requirement: HostRequirement = REQUIREMENT, **facts: Any
) -> dict[str, Any]:
    login = door.login(**{"host_key": None, **facts})
    return accept(login, requirement, clock=CLOCK, deadline_s=120, say=lambda _: None)


def test_a_host_is_pinned_and_proves_itself(door: Door) -> None:
    facts = accepted(door)
    assert facts["host_key"] == public_line(door.host_key)
    assert len(facts["gpus"]) == 2
    assert json.loads(json.dumps(facts)) == facts, "what acceptance returns is kept in state"


def test_a_host_that_comes_up_late_is_waited_for(door: Door) -> None:
    door.shut()
    timer = threading.Timer(0.5, door.open)
    timer.start()
    try:
        assert accepted(door)["host_key"] == public_line(door.host_key)
    finally:
        timer.join()


def test_a_liar_is_rejected_with_both_values(door: Door) -> None:
    wanted = REQUIREMENT.model_copy(update={"gpu_count": 4, "min_driver": "600"})
    with pytest.raises(HostRejected) as caught:
        accepted(door, wanted)
    assert "GPUs: 2 instead of 4" in caught.value.reason
    assert "driver: 580.65.06 instead of at least 600" in caught.value.reason


def test_a_host_that_never_answers_misses_its_deadline(door: Door) -> None:
    door.shut()
    began = time.monotonic()
    with pytest.raises(HostRejected, match="missed its deadline of 2 min"):
        accepted(door)
    assert time.monotonic() - began < 10


def test_a_host_that_does_not_take_our_key_misses_its_deadline(door: Door) -> None:
    stranger = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    with pytest.raises(HostRejected, match="does not accept our SSH key"):
        accepted(door, private_key=Secret(stranger))


def test_a_changed_host_key_stops_before_anything_is_sent(door: Door) -> None:
    other = public_line(asyncssh.generate_private_key("ssh-ed25519"))
    with pytest.raises(TrustError, match="does not show the host key that was pinned"):
        accepted(door, host_key=other)
    assert not door.commands
    assert engine_status(door.login(host_key=other), timeout_s=3).state == "unreachable"


def test_two_connections_that_see_two_keys_are_not_trusted(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = asyncssh.get_server_host_key
    seen: list[int] = []

    async def swapped(*place: Any, **options: Any) -> Any:
        seen.append(1)
        key = await real(*place, **options)
        return key if len(seen) == 1 else asyncssh.generate_private_key("ssh-ed25519")

    monkeypatch.setattr(asyncssh, "get_server_host_key", swapped)
    with pytest.raises(TrustError, match="two different host keys"):
        scan_host_key("127.0.0.1", door.port, clock=CLOCK, deadline_s=10)


def test_a_scan_ends_at_its_deadline() -> None:
    with pytest.raises(HostUnreachable, match="showed no host key"):
        scan_host_key("127.0.0.1", free_port(), clock=CLOCK, deadline_s=30)


def test_the_user_s_own_set_up_is_not_read(door: Door, tmp_path: Path) -> None:
    ssh = tmp_path / "me" / ".ssh"
    ssh.mkdir(parents=True)
    (ssh / "config").write_text("Host *\n  Port 1\n  HostName 192.0.2.1\n", encoding="utf-8")
    login = door.login()
    program = (
        "import sys, json; from clore_inference.host.login import Login; "
        "from clore_inference.host.status import engine_status; "
        "from clore_inference.secret import Secret; d = json.load(sys.stdin); "
        "d['private_key'] = Secret(d['private_key']); "
        "print(engine_status(Login(**d), timeout_s=5).state)"
    )
    document = {
        "host": login.host,
        "port": login.port,
        "private_key": login.private_key.reveal(),
        "host_key": login.host_key,
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(document),
        capture_output=True,
        text=True,
        env={**environment(), "HOME": str(tmp_path / "me"), "SSH_AUTH_SOCK": "/nowhere"},
    )
    assert done.stdout.strip() == "absent", done.stderr


def environment() -> dict[str, str]:
    paths = [path for path in sys.path if path]
    return {"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(paths)}


class Following:
    """A follower as local.Command starts it."""

    def __init__(self, job: Job, door: Door, **facts: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "clore_inference.host.follow", "--kind", job.kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            text=True,
        )
        options = {"deadline_s": 1200, "scale": 60, **facts}
        if isinstance(job, ServeJob):
            options["endpoint_keys"] = Secret(ENDPOINT_KEY)
        assert self.process.stdin
        self.process.stdin.write(follow_document(job, door.login(), **options))
        self.process.stdin.close()
        self.process.stdin = None

    def ended(self) -> tuple[int, list[str], str]:
        out, err = self.process.communicate(timeout=40)
        return self.process.returncode, out.splitlines(), err


def test_an_engine_is_followed_until_it_is_ready(box: Box, door: Door) -> None:
    job = an_engine()
    started = box.start(job)
    code, lines, err = Following(job, door).ended()
    assert code == 0, err
    result = json.loads(lines[-1])
    assert (result["start_id"], result["models"]) == (started["start_id"], ["tiny"])
    assert engine_status(door.login(), timeout_s=5).state == "running"


def test_a_job_that_nobody_started_is_started(box: Box, door: Door) -> None:
    code, lines, err = Following(an_engine(), door).ended()
    assert code == 0, err
    assert lines[0] == "engine: the host knows no such job; it is started"


def test_a_failure_is_told_once_and_the_next_call_tries_again(
    box: Box, door: Door, tmp_path: Path
) -> None:
    job = an_engine("--die", "engine serve: error: unrecognized arguments: --foo")
    box.start(job)
    note = "order 123 goes on at 1.72 USD/h"
    code, lines, err = Following(job, door, cost_note=note).ended()
    assert code == 1
    assert "unknown_flag: engine serve: error: unrecognized arguments: --foo" in err
    assert note in err
    assert "`pulumi destroy`" in err
    assert engine_status(door.login(), timeout_s=5).state == "dead"
    code, lines, err = Following(job, door).ended()
    assert code == 1
    assert "an earlier start failed (unknown_flag); it is started" in lines[0]


def test_weights_are_followed_with_bytes_and_a_restart_brings_the_token(
    box: Box, door: Door
) -> None:
    with a_hub({"config.json": b"{}", "a.safetensors": b"x" * 3_000_000}, token=TOKEN) as hub:
        job = FetchJob(repository=REPOSITORY, endpoint=hub.url)
        code, lines, err = Following(job, door, token=Secret(TOKEN)).ended()
        assert code == 0, err
        assert json.loads(lines[-1])["bytes"] == 3_000_002
        assert TOKEN not in "".join(lines) + err


def test_a_gated_repository_is_told_with_its_license_page(box: Box, door: Door) -> None:
    with a_hub({"config.json": b"{}"}, token=TOKEN) as hub:
        job = FetchJob(repository=REPOSITORY, endpoint=hub.url)
        box.start(job)
        code, _, err = Following(job, door).ended()
        assert code == 1
        assert f"Accept the license at {hub.url}/{REPOSITORY} with the account of this token" in err


def following_a_slow_fetch(box: Box, door: Door, hub: SmallHub) -> Following:
    hub.slow_s = 0.5
    job = FetchJob(repository=REPOSITORY, endpoint=hub.url)
    box.start(job)
    follower = Following(job, door)
    assert follower.process.stdout
    follower.process.stdout.readline()
    return follower


def test_a_dropped_connection_is_made_again(box: Box, door: Door) -> None:
    with a_hub({"a.safetensors": b"x" * 2_000_000}) as hub:
        follower = following_a_slow_fetch(box, door, hub)
        door.shut()
        time.sleep(0.3)
        door.open()
        code, lines, err = follower.ended()
        assert code == 0, err
        assert "weights: no connection to the host, trying again" in lines


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_follower_at_once_and_leaves_the_job(
    box: Box, door: Door, number: int
) -> None:
    with a_hub({"a.safetensors": b"x" * 2_000_000}) as hub:
        follower = following_a_slow_fetch(box, door, hub)
        began = time.monotonic()
        follower.process.send_signal(number)
        assert follower.ended()[0] == -number
        assert time.monotonic() - began < 2
        assert box.status("weights")["alive"]
        hub.release.set()
        assert box.until("weights", "complete", "failed")["state"] == "complete"


def test_a_follower_keeps_its_deadline_and_says_that_the_job_goes_on(box: Box, door: Door) -> None:
    with a_hub({"a.safetensors": b"x" * 2_000_000}, slow_s=5) as hub:
        job = FetchJob(repository=REPOSITORY, endpoint=hub.url)
        box.start(job)
        code, _, err = Following(job, door, deadline_s=90, cost_note="order 7 goes on").ended()
        assert code == 1
        assert "had 1 min 30 s and are not there" in err
        assert "The job itself goes on. order 7 goes on." in err


def test_a_tunnel_leads_to_the_host_s_loopback_and_closes(box: Box, door: Door) -> None:
    job = an_engine()
    box.start(job)
    box.until("engine", "running")
    with open_tunnel(door.login(), job.port) as local_port:
        connection = http.client.HTTPConnection("127.0.0.1", local_port, timeout=5)
        connection.request("GET", "/health")
        assert connection.getresponse().status == 200
        connection.close()
    with pytest.raises(OSError, match="refused"):
        http.client.HTTPConnection("127.0.0.1", local_port, timeout=5).connect()


def test_a_tunnel_to_an_unreachable_host_says_so(door: Door) -> None:
    door.shut()
    with pytest.raises(HostUnreachable), open_tunnel(door.login(), 8000):
        pytest.fail("there is no host")


def test_an_unreachable_host_is_unreachable_within_the_bound(door: Door) -> None:
    door.shut()
    began = time.monotonic()
    assert engine_status(door.login(), timeout_s=1).state == "unreachable"
    assert time.monotonic() - began < 2
