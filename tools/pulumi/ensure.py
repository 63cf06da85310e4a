"""Find Pulumi, or bring it onto this machine, and say which parts are in use.

    python tools/pulumi/ensure.py            the description (see toolchain.py) as JSON
    python tools/pulumi/ensure.py --shell    a line for `eval` that puts all parts on PATH
    python tools/pulumi/ensure.py --path     the value of PATH alone
    python tools/pulumi/ensure.py --say      the parts for people, and how to use them in a shell

The CLI is looked for on PATH (3.259 or newer), among what an earlier run installed, with the official
installer, and as a Go module; the language host and the plugin `command` beside it, on PATH, in
Pulumi's plugin cache and with `pulumi plugin install`. Only what none of these has is stood in for.
What is installed or compiled lies in ${XDG_CACHE_HOME:-~/.cache}/clore-inference and is used again.
Runs on Python 3.11 and newer without any package. Exit code 1: there is no way to a CLI; the reason
is on standard error.
"""

from __future__ import annotations

import argparse
import fcntl
import importlib.metadata
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from go_module import HERE, BuildError, Workshop, build, module_version
from official import Reachability, cached_plugin, install_cli, install_plugin
from progress import say
from toolchain import (
    CLI,
    COMMAND_PLUGIN,
    LANGUAGE_HOST,
    Origin,
    Part,
    Toolchain,
    cache_dir,
    description_file,
    new_enough,
    newest,
)

STAND_INS: Final = HERE / "stand_ins"
COMMAND_VERSION: Final = "1.2.1"
"""The plugin's version when the SDK is not installed in this interpreter."""

SCRATCH: Final = "making-"
VERSION_WITHIN_S: Final = 20.0


def cli_version(program: Path | str) -> str:
    """Return what `pulumi version` says, without the `v`; an empty text if it does not answer."""
    environment = dict(os.environ) | {"PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        done = subprocess.run(
            [program, "version"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=VERSION_WITHIN_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().removeprefix("v")


def cli_on_path(path: str) -> Part | None:
    """Return the CLI that the user has, if it is new enough."""
    found = shutil.which("pulumi", path=path)
    if not found:
        return None
    version = cli_version(found)
    if new_enough(version):
        return Part(CLI, "official", version, found)
    say(f"{found} is Pulumi {version or 'of no known version'}; 3.259 or newer is needed.")
    return None


def kept_cli(cache: Path) -> Part | None:
    """Return the newest CLI that an earlier run installed or compiled."""
    origins: tuple[tuple[str, Origin], ...] = (("installed", "official"), ("compiled", "go-module"))
    for place, origin in origins:
        directory = cache / "pulumi" / place
        names = [entry.name for entry in directory.iterdir()] if directory.is_dir() else []
        version = newest([name for name in names if not name.startswith(SCRATCH)])
        if version:
            program = directory / version / "bin" / "pulumi"
            if os.access(program, os.X_OK):
                return Part(CLI, origin, version, str(program))
    return None


@contextmanager
def only_one(cache: Path) -> Iterator[None]:
    """Hold the cache's lock, so that two runs do not install the same thing."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Waiting for another run that is installing Pulumi into {cache} …")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def scratch(directory: Path) -> Iterator[Path]:
    """Yield a directory for a build and remove it, and what a killed build left, afterwards."""
    directory.mkdir(parents=True, exist_ok=True)
    for left in directory.glob(f"{SCRATCH}*"):
        shutil.rmtree(left, ignore_errors=True)
    place = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=directory))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def installed_cli(cache: Path, servers: Reachability) -> Part | None:
    """Install the CLI with the official installer where its server can be reached."""
    script = servers.script()
    if script is None:
        return None
    directory = cache / "pulumi" / "installed"
    with scratch(directory) as place:
        if not install_cli(script, module_version(), place):
            say("The official installer failed; trying the Go module.")
            return None
        place.rename(directory / module_version())
    return kept_cli(cache)


def compiled_cli(cache: Path) -> Part:
    """Compile the CLI from its Go module; BuildError if that is not possible."""
    directory = cache / "pulumi" / "compiled"
    with scratch(directory) as place:
        workshop = Workshop(place)
        build(workshop)
        version = cli_version(workshop.bin / "pulumi")
        if not new_enough(version):
            raise BuildError(f"the compiled CLI calls itself {version!r}, not {module_version()}")
        target = directory / module_version()
        target.mkdir()
        workshop.bin.rename(target / "bin")
    return Part(CLI, "go-module", version, str(target / "bin" / "pulumi"))


def find_cli(environment: Mapping[str, str], servers: Reachability) -> Part:
    """Return a CLI, by the first way that works."""
    cache = cache_dir(environment)
    found = cli_on_path(environment.get("PATH", "")) or kept_cli(cache)
    if found:
        return found
    with only_one(cache):
        return kept_cli(cache) or installed_cli(cache, servers) or compiled_cli(cache)


def find_language_host(cli: Part, environment: Mapping[str, str]) -> Part:
    """Return Pulumi's Python language host: beside the CLI, on PATH, or ours."""
    name = "pulumi-language-python"
    beside = Path(os.path.realpath(cli.path)).parent
    path = os.pathsep.join([str(beside), environment.get("PATH", "")])
    found = shutil.which(name, path=without_stand_ins(path))
    if found:
        return Part(LANGUAGE_HOST, "official", cli.version, found)
    return Part(LANGUAGE_HOST, "stand-in", cli.version, str(STAND_INS / "language" / name))


def find_command_plugin(cli: Part, environment: Mapping[str, str], servers: Reachability) -> Part:
    """Return the plugin `command`: on PATH, in the plugin cache, downloaded, or ours."""
    version, name = command_version(), "pulumi-resource-command"
    found = shutil.which(name, path=without_stand_ins(environment.get("PATH", "")))
    if found:
        return Part(COMMAND_PLUGIN, "official", "", found)
    asked = ("resource", "command", version)
    cached = cached_plugin(environment, *asked)
    mirrored = "PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES" in environment
    if not cached and (mirrored or servers.script()):
        install_plugin(Path(cli.path), environment, *asked)
        cached = cached_plugin(environment, *asked)
    if cached:
        return Part(COMMAND_PLUGIN, "official", version, str(cached))
    return Part(COMMAND_PLUGIN, "stand-in", version, str(STAND_INS / "command" / name))


def without_stand_ins(path: str) -> str:
    """Return PATH without stand-ins, which may be on it already."""
    own = str(STAND_INS.name)
    entries = [entry for entry in path.split(os.pathsep) if Path(entry).parent.name != own]
    return os.pathsep.join(entries)


def command_version() -> str:
    """Return the plugin version that the installed SDK asks the engine for."""
    try:
        return importlib.metadata.version("pulumi_command")
    except importlib.metadata.PackageNotFoundError:
        return COMMAND_VERSION


def ensure(environment: Mapping[str, str]) -> Toolchain:
    """Return the parts in use; BuildError if no CLI can be had. Writes `toolchain.json`."""
    servers = Reachability(cache_dir(environment))
    cli = find_cli(environment, servers)
    parts = (
        cli,
        find_language_host(cli, environment),
        find_command_plugin(cli, environment, servers),
    )
    user = environment.get("PATH", "")
    before = () if shutil.which("pulumi", path=user) == cli.path else (str(Path(cli.path).parent),)
    after = tuple(str(Path(part.path).parent) for part in parts if part.origin == "stand-in")
    toolchain = Toolchain(parts, before, after)
    write_description(toolchain, description_file(environment))
    return toolchain


def write_description(toolchain: Toolchain, file: Path) -> None:
    """Replace `toolchain.json` in one step."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False, encoding="utf-8") as new:
        new.write(toolchain.to_json())
    Path(new.name).replace(file)


def in_words(toolchain: Toolchain) -> list[str]:
    """Say which parts are in use, and what a shell needs to find them."""
    lines = ["Pulumi is ready:", *[f"  {part}" for part in toolchain.parts]]
    if toolchain.before_path or toolchain.after_path:
        command = f"{Path(sys.executable)} {HERE / 'ensure.py'} --shell"
        lines += ["For your own pulumi commands in this shell:", f'  eval "$({command})"']
    return lines


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--shell", action="store_true", help="print `export PATH=…`")
    shape.add_argument("--path", action="store_true", help="print the value of PATH")
    shape.add_argument("--say", action="store_true", help="list the parts for people")
    wanted = parser.parse_args()
    try:
        toolchain = ensure(os.environ)
    except BuildError as problem:
        say(str(problem))
        return 1
    path = toolchain.search_path(os.environ.get("PATH", ""))
    if wanted.shell:
        print(f"export PATH={shlex.quote(path)}")
    elif wanted.path:
        print(path)
    elif wanted.say:
        print("\n".join(in_words(toolchain)))
    else:
        print(toolchain.to_json(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
