"""Make the project's virtual environment `.venv` from the lock file; run by `make`.

    python3 tools/set_up.py

Needs Python 3.11 or newer and nothing else. Every package is taken as requirements.txt has it, by
hash. Done work is not repeated: `.venv/set-up.json` has the hashes of what it was made from. A run
that was interrupted is simply run again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
VENV: Final = ROOT / ".venv"
STAMP: Final = VENV / "set-up.json"
LOCKED: Final = ROOT / "requirements.txt"
PROJECT: Final = ROOT / "pyproject.toml"

OLDEST_PYTHON: Final = (3, 11)
SAY_EVERY_S: Final = 5.0
LAST_LINES: Final = 15


class SetUpError(Exception):
    """The environment could not be made; the text says why, and what to do."""


def say(text: str) -> None:
    """Print one line for people."""
    print(text, file=sys.stderr, flush=True)


def wanted() -> dict[str, str]:
    """Return what the environment has to be made from: contents by hash, and the interpreter."""
    return {
        "requirements": hashlib.sha256(LOCKED.read_bytes()).hexdigest(),
        "project": hashlib.sha256(PROJECT.read_bytes()).hexdigest(),
        "root": str(ROOT),
    }


def present() -> dict[str, str]:
    """Return what the environment was made from; empty if it was never finished."""
    if not (VENV / "bin" / "python").is_file():
        return {}
    try:
        return dict(json.loads(STAMP.read_text(encoding="utf-8")))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def locked_packages() -> int:
    """Count the packages of the lock file."""
    return len(
        re.findall(r"^[A-Za-z0-9][^=\s]*==", LOCKED.read_text(encoding="utf-8"), re.MULTILINE)
    )


def run(words: list[str], purpose: str, *, of: int = 0) -> None:
    """Run a step; with `of`, count the packages that pip names. SetUpError if it fails."""
    process = subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if process.stdout is None:
        raise ValueError("the process was started without a pipe")
    last: deque[str] = deque(maxlen=LAST_LINES)
    begun = said = time.monotonic()
    count, doing = 0, "fetching"
    with process.stdout as lines:
        for line in lines:
            last.append(line.rstrip())
            count += line.startswith(("Collecting ", "Requirement already satisfied"))
            doing = "installing" if line.startswith("Installing") else doing
            now = time.monotonic()
            if of and now - said >= SAY_EVERY_S:
                said = now
                say(f"  {now - begun:.0f} s: {doing}, {min(count, of)} of {of} packages")
    if process.wait() != 0:
        text = "\n".join(last)
        raise SetUpError(
            f"{purpose} failed with exit code {process.returncode}:\n{text}\nThe environment {VENV}"
            " is not complete. See the lines above for the cause (often the network or the disk) and"
            " run the same command again; `rm -rf .venv` starts from nothing."
        )


def make_environment() -> None:
    """Make the virtual environment anew if its interpreter is missing or broken."""
    python = VENV / "bin" / "python"
    if python.is_file():
        works = subprocess.run(
            [str(python), "-m", "pip", "--version"], capture_output=True, check=False
        )
        if works.returncode == 0:
            return
    version = ".".join(map(str, sys.version_info[:3]))
    say(f"Making the environment .venv with Python {version} …")
    run([sys.executable, "-m", "venv", "--clear", str(VENV)], "making the virtual environment")


def install(done: dict[str, str], target: dict[str, str]) -> None:
    """Install the locked packages, then this project itself, as far as either changed."""
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install"]
    if done.get("requirements") != target["requirements"]:
        count = locked_packages()
        say(f"Installing {count} locked packages into .venv (once; about a minute) …")
        words = ["--require-hashes", "--progress-bar", "off"]
        run([*pip, *words, "-r", str(LOCKED)], "installing the locked packages", of=count)
    say("Installing clore-inference itself …")
    words = ["--no-deps", "--no-build-isolation", "--quiet", "--editable", str(ROOT)]
    run([*pip, *words], "installing clore-inference")


def main() -> int:
    """Run the set-up; exit code 1 with the reason if it cannot be done."""
    if sys.version_info[:2] < OLDEST_PYTHON:
        say(f"Python {sys.version.split()[0]} is too old: 3.11 or newer is needed.")
        return 1
    target = wanted()
    if present() == target:
        return 0
    with LOCKED.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = present()
        if done == target:
            return 0
        try:
            make_environment()
            install(done, target)
        except SetUpError as problem:
            say(str(problem))
            return 1
        STAMP.write_text(json.dumps(target), encoding="utf-8")
    say("The environment is ready.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
