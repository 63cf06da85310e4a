"""`make bench`: every measurement of the project, as one JSON document on standard output."""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / part) for part in ("tests", "tools/bench", "components", "emulator")]

# Their path is only known here.
import download  # noqa: E402
import guard  # noqa: E402
import offers  # noqa: E402
import operations  # noqa: E402
import pack  # noqa: E402


def main() -> int:
    """Measure and print; progress goes to standard error."""
    found = {}
    for name, measure, what in (
        ("serving", guard.measured, "the guard and llama.cpp's proxy against the bare engine"),
        ("offers", offers.measure, "ranking 3,500 offers"),
        ("download", download.measure, "the share of a link that a fetch uses, about two minutes"),
        ("pack", pack.measure, "previews with the policy pack, about a minute"),
        ("operations", operations.measure, "a first up, then pairs; about two minutes"),
    ):
        print(what, file=sys.stderr)
        found[name] = measure()
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
