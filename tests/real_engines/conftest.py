"""One deployment for each engine; every claim of a module is made about the same one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.engine import Engine, ensured_engine
from support.real import Deployed, deployed


@pytest.fixture(scope="session")
def ours() -> Engine:
    return ensured_engine()


@pytest.fixture(scope="module")
def vllm(ours: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with deployed(tmp_path_factory.mktemp("vllm"), ours, "vllm") as found:
        yield found


@pytest.fixture(scope="module")
def llamacpp(ours: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    wish = {
        "topology": "1xH100",
        "precision": "q4_k_m",
        "maxModelLen": "32768",
        "kvCacheDtype": "q8_0",
    }
    with deployed(tmp_path_factory.mktemp("llamacpp"), ours, "llamacpp", **wish) as found:
        yield found
