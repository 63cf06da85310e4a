"""What a hub, a link and a disk can do to a fetch: it goes on, or ends with its name; each byte once.

In this process, against a hub in small; blocks and requests are small too.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from clore_inference.host.travelling import download, room
from clore_inference.host.travelling.partial import Partial
from clore_inference.host.travelling.ranged import Place, Stream
from clore_inference.host.travelling.refusal import Refusal
from clore_inference.host.travelling.schedule import Run
from support.in_process import Home, a_home
from support.small_hub import COMMIT, SmallHub, a_hub

pytestmark = pytest.mark.slow  # importing the hub client takes seconds

KB, MB = 1024, 1024 * 1024
ONE, TWO, GGUF = "model-1.safetensors", "model-2.safetensors", "big-Q4_K_M.gguf"
SIZES = {ONE: MB + 17, TWO: MB, GGUF: 3 * MB + 1}
BLOCK = 32 * KB
RUN = 256 * KB
TOKEN = "hf_" + "canary" * 5


def files() -> dict[str, bytes]:
    dice = random.Random(7)
    return {
        "config.json": b'{"a": 1}',
        **{name: dice.randbytes(size) for name, size in SIZES.items()},
    }


@pytest.fixture
def hub() -> Iterator[SmallHub]:
    with a_hub(files()) as one:
        yield one


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with a_home(tmp_path, block_bytes=BLOCK, most_run_bytes=RUN) as one:
        yield one


def every_byte_once(hub: SmallHub) -> None:
    assert {name: hub.sent[name] for name in SIZES} == SIZES


def whole(hub: SmallHub, result: dict[str, Any]) -> None:
    snapshot = Path(result["snapshot"])
    for name, content in hub.files.items():
        assert (snapshot / name).read_bytes() == content, name


def test_large_files_arrive_over_several_streams_each_byte_once(home: Home, hub: SmallHub) -> None:
    whole(hub, home.fetch(hub))
    every_byte_once(hub)
    of_one = [row for row in hub.ranges if row[0] == GGUF]
    assert len(of_one) > 8, "one large file is shared by the streams"
    assert not {name for name in home.blobs() if name.endswith((".part", ".blocks"))}


def test_no_request_is_longer_than_a_cdn_answers(home: Home, hub: SmallHub) -> None:
    hub.most_bytes = RUN
    whole(hub, home.fetch(hub))
    assert max(last - first + 1 for _, first, last in hub.ranges) <= RUN


def test_a_file_beyond_the_client_s_own_limit_arrives(
    home: Home, hub: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "MAX_HTTP_DOWNLOAD_SIZE", MB)
    whole(hub, home.fetch(hub))
    every_byte_once(hub)


def test_a_connection_that_is_cut_again_and_again_costs_no_byte(home: Home, hub: SmallHub) -> None:
    hub.cut_every = 70_000
    whole(hub, home.fetch(hub))
    every_byte_once(hub)


def test_a_fetch_that_ended_in_the_middle_goes_on_where_it_was(
    home: Home, hub: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.cut_every = 50_000
    third = 0.3 * sum(SIZES.values())
    with monkeypatch.context() as patch:
        patch.setattr(
            download._Patience, "goes_on", lambda *_, **__: sum(hub.sent.values()) < third
        )
        with pytest.raises(Refusal) as caught:
            home.fetch(hub)
    assert caught.value.kind == "network"
    assert third <= sum(hub.sent.values()) < sum(SIZES.values())
    whole(hub, home.fetch(hub))
    every_byte_once(hub)


@pytest.mark.parametrize(
    ("status", "kind"), [(403, "gated"), (404, "not_found"), (410, "not_found")]
)
def test_a_file_that_is_refused_is_named(home: Home, hub: SmallHub, status: int, kind: str) -> None:
    hub.refusing["/mistralai/Tiny/resolve/"] = status
    with pytest.raises(Refusal) as caught:
        home.fetch(hub)
    assert caught.value.kind == kind


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_hub_that_stumbles_gets_time(home: Home, hub: SmallHub, status: int) -> None:
    hub.failing[status] = 5
    whole(hub, home.fetch(hub))
    every_byte_once(hub)


def test_a_hub_that_never_recovers_is_named_and_nothing_is_lost(home: Home, hub: SmallHub) -> None:
    hub.refusing[f"/mistralai/Tiny/resolve/{COMMIT}/{ONE}"] = 503
    with pytest.raises(Refusal) as caught:
        home.fetch(hub)
    assert caught.value.kind == "network"
    hub.refusing.clear()
    whole(hub, home.fetch(hub))
    every_byte_once(hub)


def test_we_stay_away_as_long_as_the_hub_asks(home: Home, hub: SmallHub) -> None:
    hub.failing[429], hub.retry_after_s = 1, 30
    whole(hub, home.fetch(hub, scale=20.0))
    waits = [later - hub.asked_at[0] for later in hub.asked_at[download.STREAMS :]]
    assert min(waits) >= 30 / 20, "30 marketplace seconds at 20 times their speed"
    every_byte_once(hub)


def test_a_server_without_ranges_still_serves(home: Home, hub: SmallHub) -> None:
    hub.ranged = False
    whole(hub, home.fetch(hub))


def test_a_damaged_file_is_fetched_once_more_and_the_others_are_not(
    home: Home, hub: SmallHub
) -> None:
    hub.damaged[TWO] = 1
    whole(hub, home.fetch(hub))
    assert {name: hub.sent[name] for name in SIZES} == {**SIZES, TWO: 2 * SIZES[TWO]}


def test_a_file_that_stays_damaged_is_named_and_does_not_stay(home: Home, hub: SmallHub) -> None:
    hub.damaged[TWO] = 1000
    with pytest.raises(Refusal, match="arrived twice with SHA-256") as caught:
        home.fetch(hub)
    assert caught.value.kind == "hash_mismatch"
    assert not {name for name in home.blobs() if name.startswith(hub.etag(TWO))}


def test_the_token_stays_with_the_hub_and_a_stale_address_is_renewed(
    home: Home, hub: SmallHub
) -> None:
    hub.token, hub.signed = TOKEN, 3
    hub.cdn = hub.url.replace("127.0.0.1", "localhost")
    whole(hub, home.fetch(hub, token=TOKEN))
    every_byte_once(hub)
    assert set(hub.tokens_at_cdn) == {""}


def test_a_disk_that_fills_up_is_named_with_both_amounts_and_nothing_is_lost(
    home: Home, hub: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = [0]
    real = os.pwrite

    def full(descriptor: int, piece: Any, at: int) -> int:
        if len(piece) > 8:
            written[0] += len(piece)
            if written[0] > 2 * MB:
                raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, piece, at)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(Refusal, match=r"GB are missing and .* GB are free") as caught:
        home.fetch(hub)
    assert caught.value.kind == "disk_full"
    monkeypatch.setattr(os, "pwrite", real)
    lost = sum(hub.sent.values())
    whole(hub, home.fetch(hub))
    again = sum(hub.sent.values()) - sum(SIZES.values()) - 8
    assert again <= download.STREAMS * RUN, "what was on its way when the disk was full"
    assert again < lost


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, "disk_full"), (errno.EDQUOT, "quota")])
def test_room_is_asked_of_the_file_system_before_a_byte_is_fetched(
    home: Home, hub: SmallHub, monkeypatch: pytest.MonkeyPatch, number: int, kind: str
) -> None:
    def refuse(descriptor: int, size: int) -> None:
        del descriptor, size
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(room, "reserve", refuse)
    with pytest.raises(Refusal) as caught:
        home.fetch(hub)
    assert caught.value.kind == kind
    assert not hub.ranges
    assert not home.blobs(), "nothing is held that cannot be used"


def test_a_file_system_that_cannot_hold_room_is_no_obstacle(
    home: Home, hub: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, size: int) -> None:
        del descriptor, size
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(room, "reserve", refuse)
    whole(hub, home.fetch(hub))


def test_what_was_begun_for_other_files_makes_room(
    home: Home, hub: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.refusing[f"/mistralai/Tiny/resolve/{COMMIT}/{GGUF}"] = 403
    with pytest.raises(Refusal):
        home.fetch(hub, allow_patterns=("*.gguf",))
    assert f"{hub.etag(GGUF)}.part" in home.blobs()
    asked: list[float] = []

    def once_full(missing: float, folder: Path) -> None:
        del folder
        asked.append(missing)
        if len(asked) == 1:
            raise Refusal("disk_full", "full")

    monkeypatch.setattr(room, "check", once_full)
    home.fetch(hub, allow_patterns=("*.safetensors",))
    assert f"{hub.etag(GGUF)}.part" not in home.blobs()


def test_a_start_that_another_client_left_is_gone_on_from(home: Home, hub: SmallHub) -> None:
    blobs = home.cache / "models--mistralai--Tiny" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{hub.etag(GGUF)}.incomplete").write_bytes(hub.files[GGUF][: MB + 5])
    whole(hub, home.fetch(hub))
    assert hub.sent[GGUF] == SIZES[GGUF] - MB - 5


def test_a_proxy_that_the_environment_names_is_used(
    home: Home, hub: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub's name leads nowhere here: every byte came by the proxy, which is our hub itself."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, hub.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    file = Partial(home.folder / "blob", GGUF, SIZES[GGUF], hub.etag(GGUF))
    file.open()
    url = f"http://hub.example/mistralai/Tiny/resolve/{COMMIT}/{GGUF}"
    run = Run(file, 0, file.blocks)
    stream = Stream()
    stream.bring(run, Place(url, {}, is_hub=True))
    stream.close()
    assert file.received == SIZES[GGUF] == hub.sent[GGUF]
    file.forget()
