"""The page of guarantees names tests that exist, and every guarantee has one that carries its name."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "guarantees.md"
ROW = re.compile(r"^\| \*\*G(\d+)\*\* \| (.+?) \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"\[[^]]+\]\(([^)]+)\) `(test_\w+)`")


def rows() -> dict[int, list[tuple[str, str]]]:
    text = PAGE.read_text(encoding="utf-8")
    return {int(number): TEST.findall(tests) for number, _, tests in ROW.findall(text)}


def test_every_guarantee_has_a_test_that_carries_its_name() -> None:
    assert sorted(rows()) == list(range(1, 13))
    for number, tests in rows().items():
        assert tests, f"G{number} names no test"
        for _, name in tests:
            first, _, last = name.partition("_to_g")
            within = last and int(first.rpartition("_g")[2]) <= number <= int(last.split("_")[0])
            assert within or f"_g{number}_" in name, f"{name} does not carry G{number}"


def test_every_named_test_exists_where_the_page_says() -> None:
    for path, name in (test for tests in rows().values() for test in tests):
        file = (PAGE.parent / path).resolve()
        assert file.is_file(), path
        assert f"def {name}(" in file.read_text(encoding="utf-8"), f"{path} has no {name}"


def test_every_row_of_the_page_names_as_many_links_as_tests() -> None:
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("| **G"):
            assert line.count("](") == len(TEST.findall(line)), line[:40]


def test_every_proof_by_the_real_engine_or_by_chaos_stands_on_the_page() -> None:
    named = {name for tests in rows().values() for _, name in tests}
    files = [
        file for folder in ("e2e", "chaos") for file in (ROOT / "tests" / folder).rglob("*.py")
    ]
    carried = {
        name
        for file in files
        for name in re.findall(r"def (test_g\d+_\w+)\(", file.read_text(encoding="utf-8"))
    }
    assert carried - named == set(), "tests that carry a guarantee and are not on its row"
