"""`make parsers`: holds our lines to the engines' real argument parsers.

Makes the environment of `python -m tools.flags` first, and fetches the releases: 6 GB and ten
minutes once, then about two minutes. Without it those tests are skipped and say so.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# In the place of this file's own folder: `tools.flags` is found from the top of the checkout.
sys.path[0] = str(ROOT)

from tools.flags.environment import Environment  # noqa: E402 - needs the path above

TESTS = "tests/contract/test_real_parsers.py"


def say(line: str) -> None:
    """Tell a person what goes on."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    environment = Environment(say)
    environment.make()
    variables = {**os.environ, "CLORE_INFERENCE_PARSERS": str(environment.folder)}
    words = [sys.executable, "-m", "pytest", "-q", TESTS, *sys.argv[1:]]
    sys.exit(subprocess.run(words, cwd=ROOT, env=variables, check=False).returncode)
