"""The named ways in which an engine simulator fails on request.

CLORE_EMULATOR_FAULTS names a JSON file: a list of names, or of objects `{"name": …, parameters}`.
It is read at start and again for every request, so a fault can come and go while the engine runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final


@dataclass(frozen=True)
class Fault:
    """What a fault does, in a sentence, and its parameters with their defaults."""

    does: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


OUT_OF_MEMORY: Final = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 672.00 MiB. "
    "GPU 0 has a total capacity of {capacity} GiB of which 214.88 MiB is free. "
    "Including non-PyTorch memory, this process has {used} GiB memory in use."
)
BROKEN_MISTRAL_COMMON: Final = (
    "InstructTokenizerBase.encode_chat_completion() missing 1 required positional argument: "
    "'force_tool_names'"
)

FAULTS: Final[dict[str, Fault]] = {
    "serves_other_model": Fault("lists and accepts only another name", {"model": "other-model"}),
    "crashes_at_load": Fault("ends while loading, with this last line", {"text": OUT_OF_MEMORY}),
    "hangs_while_loading": Fault("never finishes loading and never says why"),
    "dies_after": Fault("ends this many virtual seconds after it is ready", {"seconds": 60}),
    "crashes_on_request": Fault("answers the first generation with 500 and ends"),
    "answers_400_to_every_chat": Fault(
        "healthy, but no chat works: mistral_common 1.13.0 with vLLM 0.32 and 0.33",
        {"text": BROKEN_MISTRAL_COMMON},
    ),
    "drops_reasoning": Fault("never thinks, whatever effort is asked for"),
    "drops_tool_calls": Fault("answers in words where it should call a tool"),
    "ignores_key": Fault("asks nobody for a key"),
}


class UnknownFaultError(ValueError):
    """The file asks for a fault that does not exist."""


def parse(text: str) -> dict[str, dict[str, Any]]:
    """Faults by name with all their parameters; UnknownFaultError names the nearest mistake."""
    asked = json.loads(text or "[]")
    if not isinstance(asked, list):
        message = f"engine faults must be a JSON list, not {type(asked).__name__}"
        raise UnknownFaultError(message)
    active: dict[str, dict[str, Any]] = {}
    for entry in asked:
        row = {"name": entry} if isinstance(entry, str) else dict(entry)
        name = str(row.pop("name", ""))
        if name not in FAULTS or not row.keys() <= FAULTS[name].parameters.keys():
            known = ", ".join(f"{n}({', '.join(f.parameters)})" for n, f in FAULTS.items())
            message = f"no engine fault {name!r} with parameters {sorted(row)}; known: {known}"
            raise UnknownFaultError(message)
        active[name] = {**FAULTS[name].parameters, **row}
    return active


class FaultPlan:
    """The faults in force now, from a file that may change at any time."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._active: dict[str, dict[str, Any]] = {}

    def get(self, name: str) -> dict[str, Any] | None:
        """The parameters of a fault in force, or None."""
        return self._now().get(name)

    def _now(self) -> dict[str, dict[str, Any]]:
        if self._path is None:
            return {}
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp != self._stamp:
                self._active = parse(self._path.read_text("utf-8"))
                self._stamp = stamp
        except FileNotFoundError:
            self._stamp, self._active = None, {}
        return self._active
