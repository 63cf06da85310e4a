"""`make bench`: every measurement of the project, as one JSON document on standard output."""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tools" / "bench")]

import operations  # noqa: E402 - its path is only known here


def main() -> int:
    """Measure and print; progress goes to standard error."""
    print("a first up, then previews and no-op ups in pairs; about two minutes", file=sys.stderr)
    print(json.dumps({"operations": operations.measure()}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
