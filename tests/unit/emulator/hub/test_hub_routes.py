"""The hub's answers, one by one."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from clore_emulator.hub import DEMO_TOKEN, Desk, create_app, repositories
from clore_emulator.hub.reply import Cut

OPEN, GATED = "mistralai/Mistral-Medium-3.5-128B", "mistralai/Mistral-Medium-3.5-FP8"
SHARD = "consolidated-00002-of-00004.safetensors"
LET_IN = {"Authorization": f"Bearer {DEMO_TOKEN}"}
NOT_LET_IN = {"Authorization": "Bearer hf_emulator_without_access"}


@pytest.fixture
def hub() -> TestClient:
    return TestClient(create_app())


def desk(hub: TestClient) -> Desk:
    found: Desk = hub.app.state.desk  # type: ignore[attr-defined]
    return found


def test_the_models_document_has_sizes_and_hashes_when_asked(hub: TestClient) -> None:
    plain = hub.get(f"/api/models/{OPEN}").json()
    assert plain["sha"].startswith("c4be198"), "the revision that fixed the rope scale"
    assert all(set(row) == {"rfilename"} for row in plain["siblings"])
    rows = hub.get(f"/api/models/{OPEN}/revision/main?blobs=true").json()["siblings"]
    shard = next(row for row in rows if row["rfilename"] == SHARD)
    content = hub.get(f"/{OPEN}/resolve/main/{SHARD}").content
    assert shard["lfs"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert shard["size"] == len(content)


@pytest.mark.parametrize("revision", ["main", "refs%2Fheads%2Fmain", "c4be198"])
def test_a_revision_is_a_branch_or_a_commit(hub: TestClient, revision: str) -> None:
    assert hub.get(f"/api/models/{OPEN}/revision/{revision}").status_code == 200
    assert hub.head(f"/{OPEN}/resolve/{revision}/params.json").status_code == 200


def test_the_tree_lists_what_the_document_lists(hub: TestClient) -> None:
    tree = hub.get(f"/api/models/{OPEN}/tree/main?recursive=true").json()
    siblings = hub.get(f"/api/models/{OPEN}").json()["siblings"]
    assert [row["path"] for row in tree] == [row["rfilename"] for row in siblings]
    found = hub.post(f"/api/models/{OPEN}/paths-info/main", json={"paths": [SHARD, "no"]}).json()
    assert [row["path"] for row in found] == [SHARD]


def test_a_head_tells_size_hash_and_commit(hub: TestClient) -> None:
    answer = hub.head(f"/{OPEN}/resolve/main/{SHARD}")
    assert answer.headers["x-repo-commit"] == hub.get(f"/api/models/{OPEN}").json()["sha"]
    assert answer.headers["x-linked-size"] == answer.headers["content-length"]
    assert answer.headers["x-linked-etag"] == answer.headers["etag"]
    small = hub.head(f"/{OPEN}/resolve/main/params.json")
    assert "x-linked-etag" not in small.headers, "small files are Git blobs"


def test_a_range_is_served_and_counted(hub: TestClient) -> None:
    whole = hub.get(f"/{OPEN}/resolve/main/{SHARD}").content
    part = hub.get(f"/{OPEN}/resolve/main/{SHARD}", headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole)}"
    beyond = hub.get(f"/{OPEN}/resolve/main/{SHARD}", headers={"Range": f"bytes={len(whole)}-"})
    assert beyond.status_code == 416
    traffic = hub.get("/_admin/hub").json()["files"][f"{OPEN}/{SHARD}"]
    assert traffic["bytes"] == len(whole) + 100
    assert traffic["ranges"] == [[100, 199]]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "GatedRepo"),
        (NOT_LET_IN, 403, "GatedRepo"),
        (LET_IN, 200, None),
        ({"Authorization": "Bearer hf_wrong"}, 401, None),
    ],
    ids=["stranger", "not let in", "let in", "wrong token"],
)
def test_a_gated_file_opens_for_those_let_in(
    hub: TestClient, headers: dict[str, str], status: int, code: str | None
) -> None:
    answer = hub.get(f"/{GATED}/resolve/main/params.json", headers=headers)
    assert (answer.status_code, answer.headers.get("x-error-code")) == (status, code)


def test_a_gated_repository_shows_its_document_but_not_its_files(hub: TestClient) -> None:
    assert hub.get(f"/api/models/{GATED}").json()["gated"] == "manual"
    assert hub.get(f"/api/models/{GATED}/auth-check").status_code == 401
    assert hub.get(f"/api/models/{GATED}/auth-check", headers=LET_IN).status_code == 200


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/models/mistralai/Nothing", "RepoNotFound"),
        ("/mistralai/Nothing/resolve/main/a", "RepoNotFound"),
        (f"/api/models/{OPEN}/revision/v9", "RevisionNotFound"),
        (f"/{OPEN}/resolve/v9/params.json", "RevisionNotFound"),
        (f"/{OPEN}/resolve/main/absent.bin", "EntryNotFound"),
        ("/spaces", None),
    ],
)
def test_what_is_absent_is_404_with_its_code(hub: TestClient, path: str, code: str | None) -> None:
    answer = hub.get(path)
    assert (answer.status_code, answer.headers.get("x-error-code")) == (404, code)


def test_who_a_token_is(hub: TestClient) -> None:
    assert hub.get("/api/whoami-v2").status_code == 401
    assert hub.get("/api/whoami-v2", headers=LET_IN).json()["type"] == "user"
    hub.put("/_admin/hub/tokens", json={"hf_canary": [GATED]})
    mine = {"Authorization": "Bearer hf_canary"}
    assert hub.get(f"/{GATED}/resolve/main/params.json", headers=mine).status_code == 200
    other = hub.get("/mistralai/Mistral-Medium-3.5/resolve/main/params.json", headers=mine)
    assert other.status_code == 403, "a token opens what it was given"
    assert "hf_canary" not in hub.get("/_admin/hub").text, "tokens are counted, not shown"


def arm(hub: TestClient, *rows: dict[str, Any]) -> None:
    assert hub.put("/_admin/hub/faults", json=rows).status_code == 200


def test_faults_hit_once_and_only_what_they_match(hub: TestClient) -> None:
    arm(hub, {"name": "http_5xx", "match": f"*/{SHARD}", "status": 502})
    assert hub.get(f"/{OPEN}/resolve/main/params.json").status_code == 200
    assert hub.get(f"/{OPEN}/resolve/main/{SHARD}").status_code == 502
    assert hub.get(f"/{OPEN}/resolve/main/{SHARD}").status_code == 200
    arm(hub, {"name": "http_429", "times": 0, "retry_after_s": 7})
    for _ in range(3):
        answer = hub.get(f"/{OPEN}/resolve/main/params.json")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")


def test_a_wrong_hash_is_one_byte(hub: TestClient) -> None:
    arm(hub, {"name": "wrong_hash"})
    bad = hub.get(f"/{OPEN}/resolve/main/{SHARD}").content
    good = hub.get(f"/{OPEN}/resolve/main/{SHARD}").content
    assert (len(bad), bad[1:]) == (len(good), good[1:])
    assert bad[0] != good[0]


def test_a_cut_body_ends_the_connection_and_counts_what_was_sent(hub: TestClient) -> None:
    arm(hub, {"name": "cut_after", "bytes": 1000})
    with pytest.raises(Cut):
        hub.get(f"/{OPEN}/resolve/main/{SHARD}")
    assert desk(hub).of(OPEN, SHARD).bytes == 1000


@pytest.mark.parametrize("row", [{"name": "explode"}, {"name": "slow", "bytes": 1}])
def test_a_fault_that_does_not_exist_is_refused(hub: TestClient, row: dict[str, Any]) -> None:
    assert hub.put("/_admin/hub/faults", json=[row]).status_code == 400


def test_every_repository_has_the_numbers_of_the_real_one() -> None:
    by_name = {one.name: one for one in repositories()}
    totals = {
        GATED: 133_605_834_656,
        OPEN: 133_605_834_656,
        "mistralai/Mistral-Medium-3.5": 255_400_000_000,
    }
    for name, total in totals.items():
        for layout in ("consolidated", "model"):
            index = by_name[name].by_path[f"{layout}.safetensors.index.json"]
            document = json.loads(index.content)
            assert document["metadata"]["total_size"] == total
            assert set(document["weight_map"].values()) <= set(by_name[name].by_path)
    assert by_name[GATED].gated
    assert not by_name[OPEN].gated


def test_the_repositories_are_the_same_bytes_every_time_and_small() -> None:
    first, second = repositories(), repositories()
    assert [f.etag for r in first for f in r.files] == [f.etag for r in second for f in r.files]
    assert all(sum(file.size for file in one.files) < 5_000_000 for one in first)
    assert len({one.commit for one in first}) == len(first)
