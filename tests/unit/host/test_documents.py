from __future__ import annotations

import ast
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from clore_inference.host import travelling
from clore_inference.host.bootstrap import (
    start_command,
    start_document,
    supervisor_command,
    travelling_files,
)
from clore_inference.host.following import FollowDocument, follow_command, follow_document
from clore_inference.host.job import FetchJob, Installation, ServeJob
from clore_inference.host.login import Login
from clore_inference.secret import Secret, redact
from clore_inference.serving import proxy_sources

TOKEN = "hf_" + "canary" * 5
KEY = "ci-" + "canary" * 5
FETCH = FetchJob(repository="mistralai/X", revision="abc", allow_patterns=("*.json",))
SERVE = ServeJob(argv=("vllm", "serve", "mistralai/X"), served_model="m", guard={"engine": "vllm"})
SOURCES = sorted(Path(travelling.__path__[0]).glob("*.py"))


@pytest.mark.parametrize("text", [start_command(), supervisor_command("status", "engine")])
@pytest.mark.parametrize("shell", ["sh", "dash", "bash"])
def test_the_shell_texts_are_posix(text: str, shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"no {shell} on this machine")
    checked = subprocess.run([shell, "-n"], input=text, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_the_start_command_says_nothing_of_the_job() -> None:
    assert start_command() == start_command()
    assert "'" not in start_command().split(" -c '")[-1].rstrip().removesuffix("'")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_a_travelling_file_runs_on_python_3_9_with_nothing_of_ours(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = [
        one.name for node in ast.walk(tree) if isinstance(node, ast.Import) for one in node.names
    ]
    assert not [name for name in (*modules, *names) if name and name.startswith("clore_")]


def test_all_files_travel_and_an_engine_brings_its_door() -> None:
    names = set(travelling_files("weights"))
    assert names == {
        "bin/clore_supervisor.py",
        *(f"bin/clore_host/{path.name}" for path in SOURCES),
    }
    assert set(travelling_files("engine")) - names == {
        "serving/clore_guard.py",
        "serving/clore_sglang.py",
        "serving/clore_tls.py",
        *(f"serving/clore_llamacpp/{name}" for name in proxy_sources()),
    }


def test_a_job_s_identity_is_what_it_does_not_what_is_guessed_of_it() -> None:
    assert FETCH.id == FETCH.model_copy(update={"total_bytes_hint": 9}).id
    assert FETCH.id != FETCH.model_copy(update={"revision": "def"}).id
    assert SERVE.id == SERVE.model_copy(update={"estimate_s": 9}).id
    assert SERVE.id != SERVE.model_copy(update={"argv": ("vllm", "serve", "other")}).id
    assert SERVE.id == ServeJob.model_validate_json(SERVE.model_dump_json()).id


def test_the_id_of_a_job_without_a_snapshot_is_what_it_was_before_there_were_snapshots() -> None:
    assert SERVE.id == "7a932f269f69028c", "every running engine would be started again"
    assert SERVE.id != SERVE.model_copy(update={"repository": "me/gguf"}).id


def test_the_token_travels_with_weights_and_the_keys_with_the_engine() -> None:
    weights = json.loads(start_document(FETCH, token=Secret(TOKEN)))
    engine = json.loads(start_document(SERVE, endpoint_keys=Secret(KEY)))
    assert (weights["token"], "keys" in weights) == (TOKEN, False)
    assert (engine["keys"], "token" in engine) == (KEY, False)
    assert weights["job_id"] == FETCH.id


def a_login(host_key: str | None = "ssh-ed25519 AAAA") -> Login:
    return Login(host="n1.de.clorecloud.net", port=1234, private_key=Secret("p"), host_key=host_key)


@pytest.mark.parametrize("job", [FETCH, SERVE], ids=["weights", "engine"])
def test_a_follower_reads_back_the_very_job(job: FetchJob | ServeJob) -> None:
    text = follow_document(job, a_login(), deadline_s=60, token=Secret(TOKEN), scale=60)
    document = FollowDocument.model_validate_json(text)
    assert document.job == job
    assert document.place.host_key == "ssh-ed25519 AAAA"
    assert TOKEN not in repr(document)


def test_nothing_a_follower_prints_can_hold_its_secrets() -> None:
    private_key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXkt\nQUFBQUFBQUFB\n-----END"
    text = follow_document(
        SERVE,
        Login(host="h", port=1, private_key=Secret(private_key), host_key="ssh-ed25519 AAAA"),
        deadline_s=60,
        endpoint_keys=Secret(KEY),
    )
    document = FollowDocument.model_validate_json(text)
    shown = redact(f"{KEY} and QUFBQUFBQUFB", document.secrets)
    assert KEY not in shown
    assert "QUFBQUFBQUFB" not in shown


def test_the_follower_stands_in_its_shell_s_place() -> None:
    assert follow_command("weights").startswith("exec ")
    assert follow_command("weights").endswith("-m clore_inference.host.follow --kind weights")


def test_an_unpinned_host_is_not_followed() -> None:
    with pytest.raises(ValueError, match="no pinned host key"):
        follow_document(FETCH, a_login(None), deadline_s=60)


@pytest.mark.parametrize("host", ["; rm -rf /", "-oProxyCommand=x", "a b", "a\nb", "", "x" * 300])
def test_a_hostile_host_name_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="neither a host name nor an address"):
        Login(host=host, port=22, private_key=Secret("p"))


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_outside_of_tcp_is_refused(port: int) -> None:
    with pytest.raises(ValueError, match="not a TCP port"):
        Login(host="h", port=port, private_key=Secret("p"))


def test_a_login_does_not_show_its_key() -> None:
    assert "secret-key-text" not in repr(
        Login(host="h", port=1, private_key=Secret("secret-key-text"))
    )


def test_how_an_engine_stops_is_no_reason_to_start_it_again() -> None:
    job = SERVE
    told = job.model_copy(update={"argv": (*job.argv, "--shutdown-timeout", "25")})
    assert told.id == job.id


def test_a_release_is_part_of_what_runs_unless_it_ran_before_releases_were_named() -> None:
    job = SERVE
    first = Installation(engine="vllm", version="0.32.0")
    other = Installation(engine="vllm", version="0.30.0")
    assert job.model_copy(update={"install": first}).id == job.id
    assert job.model_copy(update={"install": other}).id != job.id
    moved = other.model_copy(update={"own": "vllm-0.30.0", "index": "x", "lock": "y"})
    ids = {job.model_copy(update={"install": one}).id for one in (other, moved)}
    assert len(ids) == 1, "where a release comes from does not start an engine again"
