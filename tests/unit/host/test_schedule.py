"""How streams share files of any size; pure, nothing is fetched."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clore_inference.host.travelling import schedule
from clore_inference.host.travelling.partial import BLOCK_BYTES, Partial
from clore_inference.host.travelling.ranged import announced_wait_s
from clore_inference.host.travelling.schedule import MOST_RUN_BYTES, Work

Q4_K_M = 74_947_178_496
CDN_LIMIT = 50_000_000_000


def a_file(size: int, name: str = "a") -> Partial:
    return Partial(Path("/nowhere") / name, name, size, name)


def taken(work: Work) -> list[tuple[str, int, int]]:
    """Every run that one stream would fetch, as if each came at once."""
    runs = []
    while any(work._waiting.values()):
        run = work.claim()
        assert run is not None
        runs.append((run.file.sha256, run.start_byte, run.end_byte))
        for number in range(run.first, run.end):
            run.file.counts[number] = run.file.length(number)
        work.give_back(run)
    return runs


def test_a_file_of_75_gb_is_asked_for_in_ranges_that_every_cdn_answers() -> None:
    runs = taken(Work([a_file(Q4_K_M)], streams=8))
    assert max(end - start for _, start, end in runs) <= MOST_RUN_BYTES < CDN_LIMIT
    assert sum(end - start for _, start, end in runs) == Q4_K_M
    assert len(runs) < 300, "few requests: each costs a round trip"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 90 * BLOCK_BYTES), min_size=1, max_size=6), st.integers(1, 8))
def test_every_byte_is_asked_for_exactly_once(sizes: list[int], streams: int) -> None:
    files = [a_file(size, str(number)) for number, size in enumerate(sizes)]
    runs = sorted(taken(Work(files, streams)))
    for file in files:
        ends = [0, *(end for name, _, end in runs if name == file.sha256)]
        starts = [start for name, start, _ in runs if name == file.sha256]
        assert starts == ends[:-1]
        assert ends[-1] == file.size


def test_a_run_ends_before_a_block_that_has_bytes_of_its_own() -> None:
    file = a_file(64 * BLOCK_BYTES)
    file.counts[0], file.counts[3] = 5, 7
    runs = taken(Work([file], streams=1))
    assert (runs[0][1], runs[0][2]) == (5, 3 * BLOCK_BYTES)
    assert runs[1][1] == 3 * BLOCK_BYTES + 7


def test_streams_go_to_different_files_first() -> None:
    work = Work([a_file(9 * BLOCK_BYTES, name) for name in "abc"], streams=3)
    first = [work.claim() for _ in range(3)]
    assert {run.file.sha256 for run in first if run} == set("abc")


def test_a_stream_with_nothing_to_do_takes_half_of_what_the_slowest_has_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(schedule, "STEAL_AFTER_S", 0.0)
    file = a_file(100 * BLOCK_BYTES)
    work = Work([file], streams=1)
    slow = work.claim()
    assert slow is not None
    while any(work._waiting.values()):
        other = work.claim()
        assert other is not None
        for number in range(other.first, other.end):
            file.counts[number] = file.length(number)
        work.give_back(other)
    before = slow.end
    stolen = work.claim()
    assert stolen is not None
    assert (stolen.first, stolen.end) == (slow.end, before)
    assert 0 < before - slow.end <= before - slow.first


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "30"}, 30),
        ({"RateLimit": '"resolvers";r=0;t=55'}, 55),
        ({"retry-after": "2", "ratelimit": '"api";r=0;t=55'}, 2),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0),
        ({}, 0),
    ],
)
def test_a_hub_says_how_long_to_stay_away(headers: dict[str, str], seconds: float) -> None:
    assert announced_wait_s(headers) == seconds
