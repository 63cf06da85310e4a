"""Lines for people are broken at words for their terminal; lines for programs are not."""

from __future__ import annotations

import io

import pytest

from clore_inference.cli.output import folded

LINE = "bad   order 7  server 9, 1.27 USD/h, of this project by its first port, but of no guard"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "48")


def test_a_terminal_gets_lines_of_its_width_under_their_text() -> None:
    lines = folded(f"{LINE}\n  short", Terminal(), indent=15).split("\n")
    assert all(len(line) <= 48 for line in lines)
    assert all(line.startswith(" " * 15) for line in lines[1:-1])
    assert lines[-1] == "  short"
    assert " ".join(" ".join(lines[:-1]).split()) == " ".join(LINE.split())


def test_a_table_keeps_its_columns_and_an_indented_line_its_indent() -> None:
    assert folded("1939943   98078    1.27 USD/h", Terminal()) == "1939943   98078    1.27 USD/h"
    broken = folded("    " + "word " * 12, Terminal(), indent=2)
    assert all(line.startswith("    word") for line in broken.split("\n"))


def test_a_pipe_gets_whole_lines() -> None:
    assert folded(LINE, io.StringIO()) == LINE
