"""The stack files of another commit, read from Git's objects: no checkout, no hook, no network."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clore_inference.errors import ConfigError

GIT_TIMEOUT_S: Final = 30.0
FOLDER: Final = "stacks"


def stack_names(directory: Path) -> tuple[str, ...]:
    """Return the stacks that have a file here, sorted."""
    files = (directory / FOLDER).glob("Pulumi.*.yaml")
    return tuple(sorted(_name(file.name) for file in files))


def _name(file: str) -> str:
    return file.removeprefix("Pulumi.").removesuffix(".yaml")


@dataclass(frozen=True)
class Base:
    """A commit that a change is compared with."""

    directory: Path
    commit: str

    @classmethod
    def at(cls, directory: Path, ref: str) -> Base:
        """Find the commit; raises ConfigError when there is none of that name."""
        words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        commit = _git(directory, words)
        if commit is None:
            text = f"{ref[:100]!r} is no commit of the Git repository at {directory}."
            raise ConfigError([text + " Run `git fetch origin`, or give --base another name."])
        return cls(directory, commit.strip())

    def stack_names(self) -> tuple[str, ...]:
        """Return the stacks that had a file then, sorted."""
        listed = (
            _git(self.directory, ("ls-tree", "-z", "--name-only", self.commit, f"./{FOLDER}/"))
            or ""
        )
        files = [line.rpartition("/")[2] for line in listed.split("\0")]
        return tuple(
            sorted(
                _name(one) for one in files if one.startswith("Pulumi.") and one.endswith(".yaml")
            )
        )

    def stack_file(self, stack: str) -> str | None:
        """Return the text of a stack file as it was; None where it did not exist."""
        path = f"{self.commit}:./{FOLDER}/Pulumi.{stack}.yaml"
        return _git(self.directory, ("show", "--no-textconv", path))


def _git(directory: Path, words: Sequence[str]) -> str | None:
    """Return what Git printed; None where it failed."""
    try:
        done = subprocess.run(
            ["git", "-C", str(directory), *words],
            capture_output=True,
            timeout=GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        text = f"Git did not answer ({type(error).__name__})."
        raise ConfigError(
            [text + " --base needs it; leave --base out to see this side only."]
        ) from None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
