"""`make mutants`: changes the rooms that decide about money, one place at a time; a test must notice.

    MUTANTS=200 SEED=1 make mutants        a sample of that many changes (MUTANTS=0: every one)
    ROOMS="rules sizing" make mutants      of these rooms only

Runs cosmic-ray, in an environment of its own, on a copy of the checkout in a temporary folder: about
two seconds for each change. Prints the share that was noticed and every change that was not, as a
difference; ends with 1 below the limit. What survives is a missing test, or a change that means the
same.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
ENVIRONMENT: Final = CACHE / "clore-inference" / "mutants"
COSMIC_RAY: Final = "cosmic-ray==8.7.0"
ROOMS: Final = ("rules", "sizing", "engines")
FILES: Final = ("Pulumi.yaml", "pyproject.toml", "README.md", "__main__.py")
COPIED: Final = ("components", "emulator", "policies", "tests", "tools", "stacks", "docs", *FILES)
TESTED_BY: Final = ("rules", "sizing", "engines", "spec")
LIMIT: Final = 0.85
"""Share that must be noticed."""
PER_CHANGE_S: Final = 60.0
SAME: Final = (
    "ReplaceBinaryOperator_BitOr",
    "AddNot_ForLoop",
    *(f"_Eq_{other}" for other in ("Is", "GtE", "LtE")),
    *(f"_NotEq_{other}" for other in ("IsNot", "Gt", "Lt")),
)
"""Kinds that mean the same here: annotations, which nothing evaluates, and other ways to tell the
few words apart that are compared for being equal."""

CONFIG: Final = """\
[cosmic-ray]
module-path = [{modules}]
timeout = {timeout}
excluded-modules = ["*__init__.py"]
test-command = "{command}"

[cosmic-ray.distributor]
name = "local"
"""


def say(line: str) -> None:
    """Tell a person what goes on."""
    print(line, file=sys.stderr, flush=True)


def program(name: str) -> str:
    """A program of the environment; made when it is first needed."""
    path = ENVIRONMENT / "bin" / name
    if not path.exists():
        say(f"making an environment for {COSMIC_RAY}")
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        words = [str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "-q", COSMIC_RAY]
        subprocess.run(words, check=True)
    return str(path)


def copied(folder: Path, rooms: list[str]) -> Path:
    """Copy what is changed and what tests it; returns the configuration's path."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, folder / name)
    tests = " ".join(f"tests/unit/{name}" for name in TESTED_BY)
    command = (
        f"{sys.executable} -m pytest -x -q -p no:cacheprovider -m 'not slow' {tests} tests/golden"
    )
    modules = ", ".join(f'"components/clore_inference/{room}"' for room in rooms)
    config = folder / "mutants.toml"
    text = CONFIG.format(modules=modules, timeout=PER_CHANGE_S, command=command)
    config.write_text(text, encoding="utf-8")
    return config


def sample(session: Path, count: int, seed: int) -> tuple[int, int]:
    """Keep a sample of the changes that were found; returns how many of how many."""
    with sqlite3.connect(session) as database:
        rows = database.execute("select job_id, operator_name from mutation_specs").fetchall()
        meant = sorted(job for job, kind in rows if not any(one in kind for one in SAME))
        chosen = set(random.Random(seed).sample(meant, min(count or len(meant), len(meant))))  # noqa: S311
        dropped = [(job,) for job, _ in rows if job not in chosen]
        for table in ("mutation_specs", "work_items"):
            database.executemany(f"delete from {table} where job_id = ?", dropped)  # noqa: S608
    return len(chosen), len(meant)


def main() -> int:
    """Change, test, tell."""
    rooms = os.environ.get("ROOMS", "").split() or list(ROOMS)
    count, seed = int(os.environ.get("MUTANTS") or 200), int(os.environ.get("SEED") or 1)
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        folder = Path(name)
        config, session = copied(folder, rooms), folder / "mutants.sqlite"
        for verb in (["baseline"], ["init"]):
            words = [program("cosmic-ray"), *verb, str(config)]
            words += [str(session)] if verb == ["init"] else []
            subprocess.run(words, cwd=folder, check=True)
        kept, of = sample(session, count, seed)
        say(f"{kept} of {of} changes in {', '.join(rooms)}, SEED={seed}")
        subprocess.run(
            [program("cosmic-ray"), "exec", str(config), str(session)], cwd=folder, check=True
        )
        report = [program("cr-report"), "--surviving-only", "--show-diff", str(session)]
        subprocess.run(report, cwd=folder, check=True)
        rate = subprocess.run(
            [program("cr-rate"), str(session)],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        )
    noticed = 1 - float(rate.stdout.strip()) / 100
    print(f"{noticed:.0%} of {kept} changes were noticed (limit {LIMIT:.0%})")
    return 0 if noticed >= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
