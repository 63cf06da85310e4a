"""Draws the flags of engine releases into `catalog/flags/`: facts only, no code of theirs.

    python -m tools.flags                       every engine, the releases that the files name
    python -m tools.flags vllm --add 0.34.0     one engine, one release more
    python -m tools.flags --environment         only make the environment of the parsers

vLLM and SGLang are asked themselves: their own argument parsers run in an environment of their own,
without a GPU. llama.cpp is read in its source. Run it from the top of the checkout; review the
difference before committing it. What was fetched is kept in ~/.cache/clore-inference/flags.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tools.flags import llama_source
from tools.flags.environment import Environment
from tools.flags.release import PACKAGES, sources
from tools.flags.table import Drawn, text

FOLDER: Final = (
    Path(__file__).resolve().parents[2] / "components" / "clore_inference" / "catalog" / "flags"
)
FIRST: Final = {
    "vllm": ("0.20.0", "0.20.2", "0.21.0", "0.26.0", "0.30.0", "0.32.0", "0.33.0"),
    "sglang": ("0.5.23",),
    "llamacpp": ("b11434=0.3.36",),
}
"""Releases of the first drawing. llama.cpp: its build, and the package that carries its source."""
PARSER: Final = "the release's own argument parser, on its CPU platform"
SOURCE: Final = "common/arg.cpp, as the package {} {} carries it (commit {})"


def say(line: str) -> None:
    """Tell a person what goes on."""
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Do what the command line asks."""
    summary = (__doc__ or "").split("\n\n")[0]
    parser = argparse.ArgumentParser(prog="python -m tools.flags", description=summary)
    parser.add_argument("engine", nargs="*", help=f"of {', '.join(PACKAGES)}; none: all")
    parser.add_argument("--add", default=[], nargs="+", help="releases to draw besides")
    parser.add_argument("--environment", action="store_true", help="make the environment only")
    asked = parser.parse_args()
    if asked.environment:
        Environment(say).make()
        return 0
    for engine in asked.engine or PACKAGES:
        draw(engine, asked.add)
    return 0


def draw(engine: str, more: list[str]) -> None:
    """Write the file of one engine."""
    path = FOLDER / f"{engine}.toml"
    how, drawn = _source(more) if engine == "llamacpp" else (PARSER, _parsers(engine, more))
    FOLDER.mkdir(exist_ok=True)
    day = datetime.now(UTC).date().isoformat()
    path.write_text(text(engine, how, day, drawn), encoding="utf-8")
    say(f"{path.name}: {', '.join(f'{one.release} {len(one.flags)} flags' for one in drawn)}")


def _wanted(engine: str, more: list[str]) -> list[str]:
    path = FOLDER / f"{engine}.toml"
    known: list[str] = list(FIRST[engine])
    if path.exists():
        known = [row["id"] for row in tomllib.loads(path.read_text(encoding="utf-8"))["release"]]
    return sorted({*known, *more}, key=_numbers)


def _numbers(release: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", release)]


def _parsers(engine: str, more: list[str]) -> list[Drawn]:
    environment = Environment(say)
    environment.make()
    drawn = []
    for release in _wanted(engine, more):
        folder = sources(engine, release, say)
        say(f"asking the parser of {engine} {release}")
        flags: list[dict[str, Any]] = environment.ask(engine, folder, "describe")
        drawn.append(Drawn(release, PACKAGES[engine].release_page.format(release), flags))
    return drawn


def _source(more: list[str]) -> tuple[str, list[Drawn]]:
    """llama.cpp: one release, the newest that is asked for."""
    release, _, package = (more or FIRST["llamacpp"])[-1].partition("=")
    folder = sources("llamacpp", package, say)
    changes = (folder / "CHANGELOG.md").read_text(encoding="utf-8")
    commit = changes.split("llama.cpp@", 1)[1].split()[0]
    flags = llama_source.described((folder / "arg.cpp").read_text(encoding="utf-8"))
    page = PACKAGES["llamacpp"].release_page.format(commit)
    how = SOURCE.format(PACKAGES["llamacpp"].name, package, commit)
    return how, [Drawn(release, page, flags)]


if __name__ == "__main__":
    sys.exit(main())
