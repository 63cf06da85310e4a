"""The program `clore-inference`, run in this process from its arguments to its exit code."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from unittest.mock import patch

import pytest

from clore_inference.cli.main import main


@dataclass(frozen=True)
class Ran:
    """How a run ended and what it printed."""

    code: int
    out: str
    err: str


def program(*arguments: str, capsys: pytest.CaptureFixture[str]) -> Ran:
    """Run the program."""
    with patch.object(sys, "argv", ["clore-inference", *arguments]):
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
    printed = capsys.readouterr()
    return Ran(code, printed.out, printed.err)
