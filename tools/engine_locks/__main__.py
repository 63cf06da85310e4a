"""Locks the packages of engine releases into `catalog/locks/`: one line per file, by its hash.

    python -m tools.engine_locks                    every release that the catalog does not refuse
    python -m tools.engine_locks vllm 0.34.0        one release

An engine that is installed beside another one on a rented host comes from such a lock and from
nothing else. The resolver is `uv` (on PATH, or named by the variable UV); what a release depends on
is taken as it was two weeks after the release, so that a lock made later is the same lock. Only the
files that CPython 3.12 on x86-64 Linux takes are kept: some 200 lines, not 200 times every platform.
llama.cpp has no published CUDA program for Linux (its releases page; ggml-org/llama.cpp issue
18748): its lock holds the source, as a package carries it, and the tools that build it.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from clore_inference import catalog

FOLDER: Final = (
    Path(__file__).resolve().parents[2] / "components" / "clore_inference" / "catalog" / "locks"
)
PYTHON: Final = "3.12"
"""What the three engines' own images carry."""
PLATFORM: Final = "x86_64-manylinux_2_35"
"""glibc 2.35: Ubuntu 22.04, which the oldest of those images are made of."""
DAYS: Final = 14
CONSTRAINTS: Final = {"vllm": ("mistral_common<1.13",)}
"""mistral_common 1.13.0 and 1.13.1 make every chat answer 400 while `/health` is 200."""
SOURCES: Final = {"b11434": "0.3.36"}
"""Build of llama.cpp to the release of llama-cpp-python that carries its source."""
BUILD_TOOLS: Final = ("cmake", "ninja")
_RANK: Final = (
    re.compile(r"-cp312-cp312-(?:many)?linux"),
    re.compile(r"-cp3\d+-abi3-(?:many)?linux"),
    re.compile(r"-py[23.py]*-none-(?:many)?linux"),
    re.compile(r"-(?:cp312|py3)-none-"),
    re.compile(r"-none-any\.whl$"),
)


def main() -> int:
    """Write what the command line asks for."""
    summary = (__doc__ or "").split("\n\n")[0]
    parser = argparse.ArgumentParser(prog="python -m tools.engine_locks", description=summary)
    parser.add_argument("engine", nargs="?")
    parser.add_argument("version", nargs="?")
    asked = parser.parse_args()
    wanted = [(row.engine, row.id) for row in catalog.catalog().version if row.status != "refused"]
    if asked.engine:
        wanted = [(asked.engine, asked.version)] if asked.version else [
            one for one in wanted if one[0] == asked.engine
        ]  # fmt: skip
    for engine, version in wanted:
        files = _source(version) if engine == "llamacpp" else _packages(engine, version)
        text = _text(engine, version, files)
        (FOLDER / f"{engine}-{version}.lock").write_text(text, encoding="utf-8")
        total = sum(int(one["size"]) for one in files)
        print(f"{engine} {version}: {len(files)} files, {total / 1e9:.2f} GB", file=sys.stderr)
    return 0


def _packages(engine: str, version: str) -> list[dict[str, Any]]:
    released = _upload(_resolved((f"{engine}=={version}",), "--no-deps")[0])
    wanted = (f"{engine}=={version}", *CONSTRAINTS.get(engine, ()))
    before = (released + timedelta(days=DAYS)).isoformat()
    try:
        found = _resolved(wanted, "--exclude-newer", before)
    except subprocess.CalledProcessError:  # it needs something that came out later
        found = _resolved(wanted)
    return [_wheel(one) for one in found]


def _source(version: str) -> list[dict[str, Any]]:
    package = f"llama-cpp-python=={SOURCES[version]}"
    carried = _resolved((package,), "--no-deps")[0]
    return [_named(carried["sdist"]), *(_wheel(one) for one in _resolved(BUILD_TOOLS))]


def _resolved(requirements: tuple[str, ...], *options: str) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        asked, found = Path(folder, "asked.in"), Path(folder, "pylock.found.toml")
        asked.write_text("\n".join(requirements), encoding="utf-8")
        subprocess.run(
            [
                os.environ.get("UV", "uv"), "pip", "compile", str(asked), "--quiet",
                "--python-version", PYTHON, "--python-platform", PLATFORM,
                "--format", "pylock.toml", "--output-file", str(found), *options,
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        return list(tomllib.loads(found.read_text(encoding="utf-8"))["packages"])


def _upload(package: dict[str, Any]) -> datetime:
    moment = package["wheels"][0]["upload-time"] if "wheels" in package else None
    if not isinstance(moment, datetime):
        message = f"the index does not say when {package['name']} was released"
        raise TypeError(message)
    return moment


def _wheel(package: dict[str, Any]) -> dict[str, Any]:
    """The wheel that an installer on that platform takes: the most specific one."""
    wheels = [_named(one) for one in package.get("wheels", ())]
    for rank in _RANK:
        for one in wheels:
            if rank.search(one["name"]):
                return one
    message = f"{package['name']} {package['version']} has no wheel for this platform"
    raise ValueError(message)


def _named(file: dict[str, Any]) -> dict[str, Any]:
    return {**file, "name": str(file["url"]).rpartition("/")[2]}


def _text(engine: str, version: str, files: list[dict[str, Any]]) -> str:
    lines = [
        f"# {engine} {version} on x86-64 Linux, glibc 2.35 or newer; `make engine-locks` wrote this.",
        f"# python {PYTHON}",
        "# sha256, bytes, file",
    ]
    rows = sorted(files, key=lambda one: str(one["name"]).lower())
    lines += [f"{one['hashes']['sha256']} {one['size']} {one['name']}" for one in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
