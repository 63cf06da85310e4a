"""Where words go: results to standard output, progress and errors to standard error."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import Final, TextIO

import typer

NARROWEST: Final = 40
"""Columns; in less, a terminal breaks lines as well as anybody."""


def note(line: str) -> None:
    """Say what is being done; never part of a result that a machine reads."""
    sys.stderr.write(folded(line, sys.stderr) + "\n")
    sys.stderr.flush()


def tell(*lines: str, indent: int = 2) -> None:
    """Print lines of a result, for people."""
    for line in lines:
        typer.echo(folded(line, sys.stdout, indent))


def folded(text: str, stream: TextIO, indent: int = 0) -> str:
    """Break lines at words for a terminal, with `indent` columns before what follows.

    Anything else than a terminal gets whole lines: they are searched and cut by programs.
    """
    width = shutil.get_terminal_size().columns if stream.isatty() else 0
    if width < NARROWEST:
        return text
    return "\n".join(_broken(line, width, indent) for line in text.split("\n"))


def _broken(line: str, width: int, indent: int) -> str:
    if len(line) <= width:
        return line
    begins = len(line) - len(line.lstrip())
    return textwrap.fill(
        line,
        width,
        subsequent_indent=" " * max(indent, begins),
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )
