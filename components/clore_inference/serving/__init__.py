"""What stands between the world and an engine: files that travel to the host, and their settings.

`guard.py` is installed there as module `clore_guard`, `sglang_launcher.py` as `clore_sglang`,
the package `llamacpp/` as `clore_llamacpp`; they use the standard library only, because an engine's
image has its own Python and nothing of ours.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from importlib.resources import files
from typing import Literal

from clore_inference.secret import Secret
from clore_inference.serving import guard

__all__ = [
    "GUARD_MODULE",
    "LAUNCHER_MODULE",
    "PROXY_MODULE",
    "SETTINGS_VARIABLE",
    "allow_list",
    "guard_config",
    "guard_source",
    "keys_document",
    "launcher_source",
    "ops_key",
    "proxy_sources",
]

GUARD_MODULE = "clore_guard"
LAUNCHER_MODULE = "clore_sglang"
PROXY_MODULE = "clore_llamacpp"
SETTINGS_VARIABLE = guard.SETTINGS_VARIABLE


def guard_source() -> str:
    """Return the text of module `clore_guard`."""
    return files(__package__).joinpath("guard.py").read_text(encoding="utf-8")


def launcher_source() -> str:
    """Return the text of module `clore_sglang`, which imports `clore_guard`."""
    return files(__package__).joinpath("sglang_launcher.py").read_text(encoding="utf-8")


def proxy_sources() -> dict[str, str]:
    """Return file name to text of package `clore_llamacpp`, which imports `clore_guard`."""
    folder = files(__package__).joinpath("llamacpp")
    modules = [one for one in folder.iterdir() if one.name.endswith(".py")]
    return {one.name: one.read_text(encoding="utf-8") for one in modules}


def allow_list() -> dict[tuple[str, str], str | None]:
    """Return method and path of every open route, with the role it needs; None needs no key."""
    return dict(guard.ROUTES)


def guard_config(
    *,
    keys_file: str,
    engine_key_file: str | None,
    engine: Literal["vllm", "sglang", "llamacpp"],
    served_model: str,
    max_body_bytes: int = guard.MAX_BODY_BYTES,
    timeout_s: float = guard.TIMEOUT_S,
) -> dict[str, str | int | float | None]:
    """Return the guard's settings, JSON-able; paths are the host's, seconds are wall-clock."""
    return {
        "keys_file": keys_file,
        "engine_key_file": engine_key_file,
        "engine": engine,
        "served_model": served_model,
        "max_body_bytes": max_body_bytes,
        "timeout_s": timeout_s,
    }


def keys_document(keys: Iterable[tuple[str, Secret, Literal["user", "ops"]]]) -> str:
    """Return the text of a keys file for (name, key, role); it holds hashes only."""
    rows = [
        {"name": name, "sha256": hashlib.sha256(key.reveal().encode()).hexdigest(), "role": role}
        for name, key, role in keys
    ]
    return json.dumps({"keys": rows}, indent=1) + "\n"


def ops_key(private_key: Secret) -> Secret:
    """Return the operator's key for metrics: whoever can log in on the host can compute it.

    It is derived, so that no state has to keep it, and callers who have the endpoint's key cannot.
    """
    digest = hmac.new(private_key.reveal().strip().encode(), b"clore-ops-1", hashlib.sha256)
    return Secret(digest.hexdigest())
