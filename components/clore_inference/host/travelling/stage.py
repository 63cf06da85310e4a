"""How far an engine has come with loading, read from its log lines; pure.

The lines are those of vLLM 0.2x to 0.3x, SGLang 0.5 and llama.cpp; an unknown line changes nothing.
"""

from __future__ import annotations

import re
from typing import Optional

_SHARDS = re.compile(r"checkpoint shards:\s+\d+% Completed \| (\d+)/(\d+)")
_OTHER_SHARDS = re.compile(r"[Ll]oading shards:\s+\d+%.*?\| (\d+)/(\d+)")
_GRAPHS = re.compile(r"[Cc]apturing (?:CUDA graphs?|batches).*?\| ?(\d+)/(\d+)")
_KV_TOKENS = re.compile(r"GPU KV cache size: ([\d,]+) tokens|KV Cache is allocated.*#tokens: (\d+)")

_TEXTS: tuple[tuple[str, str], ...] = (
    ("Application startup complete", "answering"),
    ("The server is fired up and ready to roll", "answering"),
    ("server is listening on", "answering"),
    ("Uvicorn running on", "answering"),
    ("Capture cuda graph begin", "capturing CUDA graphs"),
    ("Capturing CUDA graph", "capturing CUDA graphs"),
    ("torch.compile takes", "compiled"),
    ("Dynamo bytecode transform", "compiling"),
    ("Compiling a graph", "compiling"),
    ("Loading weights took", "weights loaded"),
    ("Model loading took", "weights loaded"),
    ("Load weight end", "weights loaded"),
    ("main: model loaded", "weights loaded"),
    ("Starting to load model", "loading weights"),
    ("Load weight begin", "loading weights"),
    ("load_tensors: loading model tensors", "loading weights"),
    ("llama_kv_cache", "KV cache"),
    ("Initializing a V1 LLM engine", "starting the engine"),
    ("vLLM API server version", "starting the engine"),
    ("server_args=ServerArgs", "starting the engine"),
)


def stage(line: str) -> Optional[str]:  # noqa: UP045 - Python 3.9
    """The stage that a log line announces, in a few words; None when it announces none."""
    shards = _SHARDS.search(line) or _OTHER_SHARDS.search(line)
    if shards:
        return f"shards {shards.group(1)}/{shards.group(2)}"
    graphs = _GRAPHS.search(line)
    if graphs:
        return f"capturing CUDA graphs {graphs.group(1)}/{graphs.group(2)}"
    tokens = _KV_TOKENS.search(line)
    if tokens:
        return f"KV cache of {tokens.group(1) or tokens.group(2)} tokens"
    for text, name in _TEXTS:
        if text in line:
            return name
    return None
