"""`make real-engines`: the guarded engines themselves, vLLM and llama-server, on emulated hosts.

    python -m tools.real_engines                 the environment, then the tests
    python -m tools.real_engines --environment   only the environment

The tests are those of tests/real_engines; elsewhere they are skipped and say so. They end by
themselves, within half an hour on two cores. Further words are pytest's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from tools.real_engines.environment import RealEngines

ROOT: Final = Path(__file__).resolve().parents[2]
VARIABLE: Final = "CLORE_INFERENCE_REAL_ENGINES"
LONGEST_S: Final = 3600
"""Real seconds for all tests; two quiet cores need a quarter of it."""


def say(line: str) -> None:
    """Tell a person what goes on."""
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Do what the command line asks."""
    folder = RealEngines(say).make()
    words = sys.argv[1:]
    if "--environment" in words:
        say(f"{folder} is complete; clore-emulator serve --engines takes it")
        return 0
    command = [sys.executable, "-m", "pytest", "-q", "tests/real_engines", *words]
    environment = {**os.environ, VARIABLE: str(folder)}
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, check=False, timeout=LONGEST_S)
    except subprocess.TimeoutExpired:
        say(f"the tests did not end within {LONGEST_S // 60} minutes and were stopped")
        return 1
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
