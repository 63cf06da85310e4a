"""Sources of one release of an engine, fetched with pip and kept outside the checkout.

Of a wheel only Python files are kept: its compiled parts are for GPUs, and a parser needs none.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CACHE: Final = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clore-inference" / "flags"
)
LINUX: Final = ("manylinux1", "manylinux2014", *(f"manylinux_2_{minor}" for minor in range(17, 41)))
"""Platform tags of wheels for x86-64, whatever machine this runs on."""
LLAMA_SOURCE: Final = "/vendor/llama.cpp/common/arg.cpp"
CHANGES: Final = "/CHANGELOG.md"


@dataclass(frozen=True)
class Package:
    """How an engine's sources are published."""

    name: str
    release_page: str
    is_source: bool = False


PACKAGES: Final = {
    "vllm": Package("vllm", "https://github.com/vllm-project/vllm/releases/tag/v{}"),
    "sglang": Package("sglang", "https://github.com/sgl-project/sglang/releases/tag/v{}"),
    "llamacpp": Package(
        "llama-cpp-python", "https://github.com/ggml-org/llama.cpp/blob/{}/common/arg.cpp", True
    ),
}


def sources(engine: str, version: str, say: Callable[[str], None]) -> Path:
    """Return a folder with the release's sources; fetched once, about 300 MB on the way."""
    folder = CACHE / f"{engine}-{version}"
    if (folder / ".complete").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    say(f"fetching {PACKAGES[engine].name} {version}")
    archive = _download(PACKAGES[engine], version, folder)
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for name in wheel.namelist():
                if name.endswith(".py"):
                    wheel.extract(name, folder)
    else:
        _unpack(archive, folder)
    archive.unlink()
    (folder / ".complete").touch()
    return folder


def _unpack(archive: Path, folder: Path) -> None:
    """Keep the two files of a source distribution that are read, by plain names."""
    with tarfile.open(archive) as bundle:
        for member in bundle:
            content = bundle.extractfile(member) if member.isfile() else None
            if content and member.name.endswith((LLAMA_SOURCE, CHANGES)):
                (folder / Path(member.name).name).write_bytes(content.read())


def _download(package: Package, version: str, folder: Path) -> Path:
    choice = ["--only-binary", ":all:", "--python-version", "3.11"]
    choice += [word for tag in LINUX for word in ("--platform", f"{tag}_x86_64")]
    if package.is_source:
        choice = ["--no-binary", package.name]
    words = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder)]
    subprocess.run([*words, *choice, f"{package.name}=={version}"], check=True)
    return next(path for path in folder.iterdir() if path.name.endswith((".whl", ".tar.gz")))
