"""The guide's five usage examples run as they stand, on each engine, through `connect` and directly.

Here the engines are simulated; `make real-engines` runs the same on real ones. Eight programs for
each engine, a few seconds: the examples are what users copy first.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from support import guide_examples, simulated
from support.connect import connected
from support.endpoint import KEY
from support.llama import guarded_llama

pytestmark = [pytest.mark.slow, guide_examples.needs_curl]
Served = Callable[[Path], AbstractContextManager[str]]


def vllm(directory: Path) -> AbstractContextManager[str]:
    return simulated.engine(directory, "clore_emulator.engines.vllm", *simulated.vllm(directory))


def sglang(directory: Path) -> AbstractContextManager[str]:
    return simulated.engine(directory, "clore_sglang", *simulated.sglang(directory))


@pytest.mark.parametrize("served", [vllm, sglang, guarded_llama])
def test_the_guides_examples_run_through_connect_and_directly(
    tmp_path: Path, served: Served
) -> None:
    with served(tmp_path) as address:
        with connected(address) as (_, port):
            guide_examples.run_all(f"http://localhost:{port}")
        guide_examples.run_all(address, KEY)
