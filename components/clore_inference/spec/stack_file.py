"""A stack file read without Pulumi: its values, and which secrets lie in it in clear."""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from clore_inference.errors import ConfigError
from clore_inference.spec.keys import keys

PROJECT = "clore-inference"


@dataclass(frozen=True, slots=True)
class StackFile:
    """The project's own keys of one `Pulumi.<stack>.yaml`."""

    values: dict[str, object]
    """Flat camelCase values; encrypted ones are left out, their text is not readable here."""
    plain_secrets: tuple[str, ...]
    """Keys that must be encrypted and are not."""


def read_stack_file(text: str, *, project: str = PROJECT) -> StackFile:
    """Read the text of a stack file; raises ConfigError if it is not one."""
    try:
        document = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise ConfigError([f"The stack file is not YAML{where}."]) from None
    config = document.get("config") or {} if isinstance(document, dict) else None
    if not isinstance(config, dict):
        raise ConfigError(["The stack file has no mapping named `config`."])
    secret = {key.name for key in keys() if key.secret}
    values: dict[str, object] = {}
    plain: list[str] = []
    for name, value in config.items():
        namespace, _, key = str(name).rpartition(":")
        if namespace not in ("", project):
            continue
        encrypted = isinstance(value, dict) and set(value) == {"secure"}
        if key in secret and value not in (None, "") and not encrypted:
            plain.append(key)
        if not encrypted and key not in secret:
            values[key] = value
    return StackFile(values, tuple(plain))
