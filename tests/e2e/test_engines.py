"""Keep the box, change the engine: three engines and back on one order, while somebody is asking."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
import requests

from support.market import Market
from support.rental import MakeRental, Rental

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

RELEASES = ("sglang-0.5.23", "llamacpp-b11434")
QUESTION = {
    "model": "mistral-medium-3.5",
    "messages": [{"role": "user", "content": "Tell me a long story about orders and engines."}],
}


@dataclass
class Caller:
    """Streams one answer after the other until it is told to stop."""

    rental: Rental
    whole: int = 0
    cut: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def call(self) -> None:
        known = self.rental.outputs()
        url = f"{known['endpoint']}/v1/chat/completions"
        body = {**QUESTION, "stream": True}
        headers = {"Authorization": f"Bearer {known['endpointKey']}"}
        while not self.stop.wait(0.1):
            try:
                answer = requests.post(url, json=body, headers=headers, stream=True, timeout=60)
                if answer.status_code == 200:
                    self.judge(answer)
            except requests.ConnectionError:
                continue  # nothing listens between two engines

    def judge(self, answer: requests.Response) -> None:
        text = ""
        try:
            for piece in answer.iter_content(None):
                text += piece.decode("utf-8", "replace")
        except requests.RequestException as error:
            self.cut.append(f"{type(error).__name__} after {text[-200:]!r}")
            return
        if text.rstrip().endswith("data: [DONE]"):
            self.whole += 1
        else:
            self.cut.append(text[-200:])


@contextmanager
def somebody_asking(rental: Rental) -> Iterator[Caller]:
    caller = Caller(rental)
    thread = threading.Thread(target=caller.call, daemon=True)
    thread.start()
    try:
        yield caller
    finally:
        caller.stop.set()
        thread.join(60)


@pytest.fixture
def rental(make_rental: MakeRental, market: Market, tmp_path: Path) -> Rental:
    """A stack whose engines come from the emulator's index."""
    locks = tmp_path / "locks"
    locks.mkdir()
    for release in RELEASES:
        text = requests.get(f"{market.hub}/packages/locks/{release}.lock", timeout=30).text
        (locks / f"{release}.lock").write_text(text, encoding="utf-8")
    index = f"{market.hub}/packages/simple"
    return make_rental(engineLock=str(locks), packageIndex=index)


def fetched(market: Market) -> dict[str, int]:
    return {name: int(row["bytes"]) for name, row in market.fetched()["files"].items()}


def trouble(market: Market, *faults: dict[str, object]) -> None:
    url = f"{market.hub}/packages/_admin/faults"
    assert requests.put(url, json=list(faults), timeout=30).ok


def overlap(ranges: list[list[int]]) -> bool:
    """Whether a byte was sent twice."""
    ordered = sorted(ranges)
    return any(one[1] >= after[0] for one, after in pairwise(ordered))


def test_vllm_to_sglang_to_llamacpp_and_back_is_one_order_and_each_file_once(
    rental: Rental, market: Market
) -> None:
    assert rental.up().code == 0
    order = rental.order_id()

    rental.configure(engine="sglang")
    looked = rental.preview()
    assert "sglang 0.5.23 is installed beside the image's vllm 0.32.0" in looked.text
    trouble(market, {"name": "answers_503", "file": "sglang-*", "times": 99})
    failed = rental.up()
    assert failed.code != 0
    assert "sglang 0.5.23 was not started" in failed.text
    assert "an engine that ran before goes on" in failed.text
    assert rental.ask(QUESTION).status_code == 200, "what served goes on"
    trouble(market)

    with somebody_asking(rental) as caller:
        second = rental.up()
        assert second.code == 0, second.text
    assert "installing" in second.text, "the person who waits is told"
    assert caller.whole > 0
    assert not caller.cut, "a stream that has begun ends whole, also when its engine is replaced"

    rental.configure(engine="llamacpp", precision="q4_k_m")
    third = rental.up()
    assert third.code == 0, third.text

    rental.configure(engine="vllm", precision="fp8")
    before = fetched(market)
    fourth = rental.up()
    assert fourth.code == 0, fourth.text
    assert "installing" not in fourth.text, "the image has its own engine"
    assert fetched(market) == before, "what was fetched for the first engine is still there"

    assert [one["id"] for one in market.orders()] == [order]
    files = market.fetched()["files"]
    assert not [name for name, row in files.items() if overlap(row["ranges"])], "each byte once"
    assert rental.destroy().code == 0
    assert market.active_orders() == []
