"""`clore-inference connect` to an address, as a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from support.endpoint import KEY
from support.engine import REPOSITORY


@contextmanager
def connected(url: str, *options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "clore_inference.cli.main", "connect", url, "-p", "0", *options],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(REPOSITORY / "components"),
            "CLORE_ENDPOINT_KEY": KEY,
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    try:
        said = process.stderr.readline()
        found = re.match(r"http://localhost:(\d+) is mistral-medium-3\.5", said)
        assert found, said
        yield process, int(found[1])
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
