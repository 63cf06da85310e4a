"""Where words go: results to standard output, progress and errors to standard error."""

from __future__ import annotations

import sys


def note(line: str) -> None:
    """Say what is being done; never part of a result that a machine reads."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
