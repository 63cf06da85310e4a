from __future__ import annotations

from itertools import pairwise
from typing import Any

from clore_inference.host.progress import Progress, amounts


def fetching(done: int, total: int = 133_605_834_656, stage: str = "fetching") -> dict[str, Any]:
    progress = {"bytes_done": done, "bytes_total": total}
    return {"state": "fetching", "stage": stage, "progress": progress}


def test_bytes_rate_and_time_left_are_told() -> None:
    progress = Progress("weights")
    first = progress.line(fetching(40_180_000_000), now_s=0, real_s=0)
    later = progress.line(fetching(41_300_000_000), now_s=10, real_s=10)
    assert first == "weights: 40.2 of 133.6 GB (30 %)", "no rate from one measurement"
    assert later == "weights: 41.3 of 133.6 GB (30 %), 112.0 MB/s, 13 min 44 s left"


def test_lines_without_news_are_ten_real_seconds_apart() -> None:
    progress = Progress("weights")
    lines = [
        progress.line(fetching(second * 10**9), now_s=second * 60.0, real_s=float(second))
        for second in range(31)
    ]
    assert sum(line is not None for line in lines) == 4


def test_a_long_fetch_is_told_ever_more_rarely_and_once_a_minute_at_least() -> None:
    progress = Progress("weights")
    told = [
        second
        for second in range(7200)
        if progress.line(fetching(second * 10**7), now_s=float(second), real_s=float(second))
    ]
    assert 100 < len(told) < 160, "what is told is kept in the state"
    assert max(later - earlier for earlier, later in pairwise(told)) <= 60


def test_every_line_of_a_fetch_fits_a_terminal() -> None:
    progress = Progress("weights", total_bytes_hint=255_400_000_000)
    lines = [
        progress.line(fetching(200_100_000_000, 255_400_000_000), now_s=at, real_s=at)
        for at in (0.0, 3600.0)
    ]
    lines.append(progress.line(fetching(200_100_999_999, 255_400_000_000), now_s=9e4, real_s=9e4))
    assert max(len(line or "") for line in lines) <= 80


def test_a_new_stage_is_told_at_once() -> None:
    progress = Progress("engine", estimate_s=300)
    say = progress.line
    assert say({"state": "loading", "stage": "starting"}, now_s=0, real_s=0)
    assert say({"state": "loading", "stage": "starting"}, now_s=1, real_s=1) is None
    shards = say({"state": "loading", "stage": "shards 3/8"}, now_s=90, real_s=2)
    assert shards == "engine: loading, shards 3/8, 1 min 30 s of about 5 min"


def test_a_restart_is_told() -> None:
    line = Progress("engine").line(
        {"state": "restarting", "stage": "after crashed", "restarts": 2}, now_s=0, real_s=0
    )
    assert line == "engine: restarting, after crashed, restart 2, 0 s"


def test_before_the_listing_the_expected_size_is_told() -> None:
    progress = Progress("weights", total_bytes_hint=133_605_834_656)
    line = progress.line({"state": "fetching", "stage": "listing"}, now_s=0, real_s=0)
    assert line == "weights: listing the files, about 133.6 GB"


def test_a_rate_over_nothing_left_or_nothing_moved_is_not_told() -> None:
    progress = Progress("weights")
    progress.line(fetching(10**9), now_s=0, real_s=0)
    assert progress.line(fetching(10**9), now_s=10, real_s=10) == "weights: 1.0 of 133.6 GB (0 %)"


def test_both_amounts_have_the_unit_of_the_larger() -> None:
    assert amounts(1_500, 2_000_000) == "0.0 of 2.0 MB"
    assert amounts(5, 900) == "5 of 900 B"
