"""Puts another engine, or another version of it, beside what the order's image brought.

    $HOME/.clore-inference/engines/
        files/                       what was fetched; gone once it is installed
        <engine>-<version>-<lock>/   a virtual environment of its own; `complete.json` is written last

Nothing here touches the engine that serves meanwhile. A folder without `complete.json` is what an
interrupted install left: it is made anew, from files that are here already.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

from . import building, record
from .death import presentable
from .environment import base_environment
from .packages import Fetch, File, InstallFailed, locked, own_index

SPACE = 3.5
"""Times the bytes that are fetched: the files themselves, and 2.22 times as much unpacked with its
bytecode (measured: the lock of vLLM 0.32.0, 3.94 GB, is 8.73 GB installed)."""
STEP_TIMEOUT_S = 3600.0
SAY_EVERY_S = 1.0
IMPORTED = {"vllm": "vllm", "sglang": "sglang"}

Say = Callable[..., None]


def folder_of(install: dict[str, Any]) -> Path:
    """Where a release is installed on this host."""
    name = f"{install['engine']}-{install['version']}-{install['lock_id']}"
    return record.home() / "engines" / name


def place(install: Optional[dict[str, Any]]) -> Optional[Path]:  # noqa: UP045 - Python 3.9
    """The installed release that a job runs on; None: what the image brought does it.

    Raises LookupError where it is neither in the image nor installed yet.
    """
    if not install or install.get("own") == f"{install['engine']}-{install['version']}":
        return None
    folder = folder_of(install)
    if record.read_json(folder / "complete.json"):
        return folder
    if not install.get("own") and _image_has(install):
        return None
    raise LookupError(folder.name)


def _image_has(install: dict[str, Any]) -> bool:
    """Whether an image of unknown content has the engine, in the version where one is asked for."""
    environment = base_environment()
    if install["engine"] == "llamacpp":
        return bool(shutil.which("llama-server", path=environment["PATH"]))
    python = shutil.which("python3", path=environment["PATH"])
    if not python:
        return False
    asked = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"
    found = _ran([python, "-c", asked, str(install["engine"])], environment, timeout_s=60)
    version = found.stdout.strip().partition("+")[0]
    return found.returncode == 0 and (not install.get("exact") or version == install["version"])


class Installing:
    """One install, from the check of the disk to the proof that it can be imported."""

    def __init__(
        self, install: dict[str, Any], *, log: Path, say: Say, stopped: Callable[[], bool]
    ) -> None:
        self._install = install
        self._log = log
        self._say = say
        self._stopped = stopped
        self._folder = folder_of(install)
        self._files = self._folder.parent / "files"

    def run(self) -> Path:
        """Install; raises InstallFailed, with what runs left as it was."""
        name = f"{self._install['engine']} {self._install['version']}"
        if not self._install.get("lock"):
            raise InstallFailed("not_locked", f"there is no list of locked files for {name}")
        self._folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(str(self._folder.parent / "install.lock"), os.O_RDWR | os.O_CREAT)
        try:
            self._alone(descriptor)
            if not record.read_json(self._folder / "complete.json"):
                self._install_all(name)
        finally:
            os.close(descriptor)
        return self._folder

    def _alone(self, descriptor: int) -> None:
        """Wait until an install that nobody wants any more has ended; raises InstallFailed."""
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self._stopped():
                    raise InstallFailed("stopped", "it was asked to end") from None
                time.sleep(0.1)
            else:
                return

    def _install_all(self, name: str) -> None:
        files = locked(str(self._install["lock"]))
        environment = {**base_environment(), "TMPDIR": str(self._scratch())}
        began = time.monotonic()
        self._say(state="installing", stage=f"preparing {name}", progress={})
        python = self._interpreter(environment)
        fetched = self._fetched(files, python, environment)
        self._say(state="installing", stage=f"unpacking {name}")
        self._make_environment(python, environment)
        self._unpack(python, fetched, environment)
        if self._install["engine"] == "llamacpp":
            version = str(self._install["version"])
            building.build(
                self._folder, fetched, environment, version=version, run=self._step, say=self._say
            )
        self._prove(environment)
        took = round(time.monotonic() - began, 1)
        record.write_json(self._folder / "complete.json", {"name": name, "seconds": took})
        shutil.rmtree(self._files, ignore_errors=True)

    def _scratch(self) -> Path:
        """A place on the same disk: /tmp of a container may be small."""
        self._files.mkdir(mode=0o700, exist_ok=True)
        return self._files

    def _interpreter(self, environment: dict[str, str]) -> str:
        """The Python that the locked files are made for; raises InstallFailed."""
        wanted = str(self._install.get("python") or "")
        for name in (f"python{wanted}", "python3", "/opt/venv/bin/python3"):
            found = shutil.which(name, path=environment["PATH"])
            if found and (not wanted or self._is(found, wanted, environment)):
                return found
        if shutil.which("uv", path=environment["PATH"]):
            return wanted  # uv brings it
        text = f"the locked files need Python {wanted}, which this host has not, and it has no uv"
        raise InstallFailed("no_python", text)

    @staticmethod
    def _is(python: str, wanted: str, environment: dict[str, str]) -> bool:
        asked = "import sys; print('%d.%d' % sys.version_info[:2])"
        return _ran([python, "-c", asked], environment, timeout_s=60).stdout.strip() == wanted

    def _fetched(self, files: list[File], python: str, environment: dict[str, str]) -> list[Path]:
        index = str(self._install.get("index") or "")
        fetch = Fetch(
            index or own_index(_any_python(python), environment), self._files, stopped=self._stopped
        )
        total = sum(file.size for file in files)
        here = fetch.arrived(files)
        _check_disk(self._folder.parent, total, here)
        done = threading.Event()

        def tell() -> None:
            while not done.wait(SAY_EVERY_S):
                self._progress(fetch.arrived(files), total)

        self._progress(here, total)
        teller = threading.Thread(target=tell, daemon=True)
        teller.start()
        try:
            found = fetch.all(files)
        finally:
            done.set()
            teller.join()
        self._progress(total, total)
        return found

    def _progress(self, done: int, total: int) -> None:
        name = f"{self._install['engine']} {self._install['version']}"
        progress = {"bytes_done": done, "bytes_total": total}
        self._say(state="installing", stage=f"fetching {name}", progress=progress)

    def _make_environment(self, python: str, environment: dict[str, str]) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        uv = shutil.which("uv", path=environment["PATH"])
        if uv:
            self._step([uv, "venv", "--python", python, str(self._folder)], environment)
            return
        pip = _ran([python, "-m", "pip", "--version"], environment, timeout_s=60).returncode == 0
        without = ["--without-pip"] if pip else []
        self._step([python, "-m", "venv", *without, str(self._folder)], environment)

    def _unpack(self, python: str, fetched: list[Path], environment: dict[str, str]) -> None:
        """Install the wheels as they are: nothing is resolved, nothing is asked for."""
        wheels = [str(path) for path in fetched if path.suffix == ".whl"]
        inside = str(self._folder / "bin" / "python3")
        uv = shutil.which("uv", path=environment["PATH"])
        common = ["--no-deps", "--no-index", *wheels]
        if uv:
            cache = ["--no-cache", "--offline"]
            self._step([uv, "pip", "install", *cache, "--python", inside, *common], environment)
            return
        pip = [inside, "-m", "pip"]
        if not (self._folder / "bin" / "pip").exists():
            pip = [python, "-m", "pip", "--python", inside]
        quiet = ["--no-cache-dir", "--disable-pip-version-check", "--no-input"]
        self._step([*pip, "install", *quiet, *common], environment)

    def _prove(self, environment: dict[str, str]) -> None:
        """An engine that cannot be imported must not take the place of one that serves."""
        engine = str(self._install["engine"])
        self._say(state="installing", stage=f"checking {engine} {self._install['version']}")
        if engine in IMPORTED:
            program = str(self._folder / "bin" / "python3")
            self._step([program, "-c", f"import {IMPORTED[engine]}"], environment)
            return
        self._step([str(self._folder / "bin" / "llama-server"), "--version"], environment)

    def _step(self, argv: list[str], environment: dict[str, str]) -> None:
        """Run one program to its end; its output goes to the log. Raises InstallFailed."""
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        until = time.monotonic() + STEP_TIMEOUT_S
        while process.poll() is None:
            if self._stopped() or time.monotonic() > until:
                record.kill_session(process.pid)
                process.wait()
                raise InstallFailed("stopped", f"{Path(argv[0]).name} was ended")
            time.sleep(0.05)
        if process.returncode != 0:
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
            last = next((line for line in reversed(lines) if line.strip()), "it printed nothing")
            full = any("No space left on device" in line for line in lines[-20:])
            kind = "install_disk_full" if full else "install_failed"
            step = f"{Path(argv[0]).name} {' '.join(argv[1:3])}"
            raise InstallFailed(
                kind, presentable(f"{step} ended with {process.returncode}: {last}")
            )


def _any_python(python: str) -> str:
    """A program; uv is given a version to bring instead."""
    return python if os.sep in python else sys.executable


def _check_disk(folder: Path, total: int, here: int) -> None:
    needed = total * SPACE - here
    free = shutil.disk_usage(str(folder)).free
    if needed > free:
        raise InstallFailed(
            "install_disk_full",
            f"{needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free under {folder}",
        )


def _ran(
    argv: list[str], environment: dict[str, str], *, timeout_s: float
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        env=environment,
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=timeout_s,
    )
