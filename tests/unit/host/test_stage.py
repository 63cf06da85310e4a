from __future__ import annotations

import pytest

from clore_inference.host.travelling.stage import stage


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (
            "Loading safetensors checkpoint shards:  38% Completed | 3/8 [00:05<00:08,  1.66s/it]",
            "shards 3/8",
        ),
        ("Multi-thread loading shards: 50% Completed | 4/8 [00:05<00:05, 1.2s/it]", "shards 4/8"),
        (
            "Capturing CUDA graphs (mixed prefill-decode, PIECEWISE):  45%|####5     | 30/67 [00:02]",
            "capturing CUDA graphs 30/67",
        ),
        (
            "INFO 11-20 10:00:00 [kv_cache_utils.py:1234] GPU KV cache size: 436,000 tokens",
            "KV cache of 436,000 tokens",
        ),
        (
            "KV Cache is allocated. dtype: torch.bfloat16, #tokens: 43600, K size: 1 GB",
            "KV cache of 43600 tokens",
        ),
        ("INFO:     Application startup complete.", "answering"),
        ("The server is fired up and ready to roll!", "answering"),
        ("main: server is listening on http://0.0.0.0:8000 - starting the main loop", "answering"),
        ("load_tensors: loading model tensors, this can take a while...", "loading weights"),
    ],
)
def test_an_engine_s_line_names_its_stage(line: str, name: str) -> None:
    assert stage(line) == name


def test_a_line_about_something_else_names_no_stage() -> None:
    assert stage("INFO 11-20 10:00:00 [utils.py:1] hello") is None
