"""Where a rule begins to speak: the value on each side of its edge."""

from __future__ import annotations

import pytest

from clore_inference.rules import Facts, judge, rule
from clore_inference.rules.sheet import bar, legend
from clore_inference.sizing import Bill, fit
from clore_inference.units import GIB
from support.rule_examples import LINE
from support.wishes import a_spec, values


def fires(name: str, **wishes: object) -> bool:
    return bool(list(rule(name).run(Facts.of_values(values(**wishes)))))


def of_line(*words: str) -> set[str]:
    facts = Facts.of_engine_line((*LINE.argv, *words))
    assert facts
    return {one.rule for one in judge(facts)}


@pytest.mark.parametrize(("mbps", "told"), [(1000, False), (500, True), (250, True)])
def test_a_cold_start_may_take_half_of_the_term(*, mbps: int, told: bool) -> None:
    """133.6 GB and an image of 12 GB: 24, 43 and 82 minutes of an hour."""
    assert fires("clore-term-outlast-start", minTermHours=1, minDownMbps=mbps) is told


def test_a_flag_that_is_unknown_is_found_behind_a_value_that_is_wrong() -> None:
    found = of_line("--max-num-seqs", "many", "--bogus", "1", "--also-bogus")
    assert {"clore-engine-match-flag-value", "clore-engine-forbid-refused-flag"} <= found


@pytest.mark.parametrize(
    ("seqs", "tokens", "told"),
    [("8192", None, False), ("8193", None, True), ("64", "64", False), ("65", "64", True),
     ("many", "64", False), ("8193", "8193", False)],
)  # fmt: skip
def test_a_batch_has_as_many_tokens_as_requests(
    *, seqs: str, tokens: str | None, told: bool
) -> None:
    words = ("--max-num-seqs", seqs, *(("--max-num-batched-tokens", tokens) if tokens else ()))
    assert ("clore-vllm-match-batch" in of_line(*words)) is told


@pytest.mark.parametrize(("workers", "told"), [("1", False), ("2", True), ("many", False)])
def test_sglang_with_several_workers_asks_nobody_for_a_key(*, workers: str, told: bool) -> None:
    argv = ("python3", "-m", "clore_sglang", "--model-path", "m", "--tokenizer-worker-num", workers)
    facts = Facts.of_engine_line(argv)
    assert facts
    assert bool(list(rule("clore-exposure-forbid-side-door").run(facts))) is told


@pytest.mark.parametrize(("size", "told"), [("1", False), ("2", True), ("auto", False)])
def test_a_pipeline_begins_with_two(*, size: str, told: bool) -> None:
    assert ("clore-topology-prefer-tensor" in of_line("--pipeline-parallel-size", size)) is told


@pytest.mark.parametrize(
    ("share", "told"), [(0.1, False), (0.0999, True), (0.97, False), (0.971, True)]
)
def test_a_share_of_memory_has_a_least_and_a_most(*, share: float, told: bool) -> None:
    assert fires("clore-engine-limit-memory-share", gpuMemoryUtilization=share) is told


@pytest.mark.parametrize(("context", "told"), [(217_908, False), (217_909, True)])
def test_two_requests_of_full_length_are_enough_room(*, context: int, told: bool) -> None:
    """4x H100 hold 435,816 tokens."""
    assert fires("clore-context-leave-room", maxModelLen=context) is told


def test_a_slow_link_is_told_with_its_own_rate() -> None:
    (found,) = rule("clore-offer-require-bandwidth").run(Facts.of_values(values(minDownMbps=1)))
    assert "12 d 8 h" in found.message, "133.6 GB at 1 Mbps"
    assert not fires("clore-offer-require-bandwidth", minDownMbps=1000)
    assert fires("clore-offer-require-bandwidth", minDownMbps=999)


@pytest.mark.parametrize(("total", "told"), [("45.67", False), ("45.66", True)])
def test_a_cap_in_all_pays_for_the_shortest_term(*, total: str, told: bool) -> None:
    """45 USD for a day, a quarter of an hour of a server that proves unfit, two creation fees."""
    assert fires("clore-budget-match-total", maxUsdPerDay=45, maxUsdTotal=total) is told


def test_only_real_money_wants_a_cap_in_all() -> None:
    assert fires("clore-budget-limit-total")
    for other in ({"apiUrl": "http://127.0.0.1:8650"}, {"host": "docker"}, {"maxUsdTotal": 90}):
        assert not fires("clore-budget-limit-total", **other), other


@pytest.mark.parametrize(("hours", "told"), [(24.0, False), (23.9, True)])
def test_a_lease_lasts_as_long_as_its_shortest_term(*, hours: float, told: bool) -> None:
    facts = Facts.of_values(values(minTermHours=24)).told() | {"termHours": hours}
    assert bool(list(rule("clore-term-outlast-wish").run(Facts.of_told(facts)))) is told


def test_memory_that_is_used_to_the_last_byte_fits_and_leaves_nothing_over() -> None:
    full = Bill(memory=40 * GIB, limit=40 * GIB, weights=30 * GIB, reserve=4 * GIB, context=6 * GIB)
    found = fit(a_spec()).model_copy(update={"bill": full})
    assert "= 40.0 GiB <= " in found.lines()[0]
    assert "not for the engine" not in legend(found)
    assert "beyond" not in legend(found)
    assert bar(found, 40) == "W" * 30 + "R" * 4 + "C" * 6
    over = full.model_copy(update={"context": 7 * GIB})
    found = found.model_copy(update={"bill": over})
    assert "= 41.0 GiB > " in found.lines()[0]
    assert "! 1.0 GiB beyond the limit of 40.0 GiB" in legend(found)
    assert bar(found, 41) == "W" * 30 + "R" * 4 + "C" * 6 + "!"


def test_what_was_told_is_what_is_judged() -> None:
    facts = Facts.of_told(
        Facts.of_spec(a_spec(exposure="public")).told()
        | {"line": ["vllm", "serve", "m"], "environment": {"HF_HOME": "/data"}, "walletUsd": "3.50",
           "hasToken": False}
    )  # fmt: skip
    found = {one.rule for one in judge(facts)}
    assert {
        "clore-exposure-require-guard", "clore-cache-keep-path", "clore-wallet-outlast-term",
        "clore-model-require-token", "clore-vllm-require-mistral-format",
    } <= found  # fmt: skip


def test_a_line_without_a_spec_tells_nothing() -> None:
    assert Facts(line=LINE).told() == {}
    assert "walletUsd" not in Facts.of_spec(a_spec()).told(), "what nobody looked at is left out"
