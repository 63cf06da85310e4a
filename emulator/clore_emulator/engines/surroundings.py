"""What an engine finds on its host: virtual time, the address to bind, faults, GPUs."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clore_emulator.engines.faults import FaultPlan

NVIDIA_SMI_DEADLINE_S: Final = 20
"""Real seconds; two busy cores start a Python wrapper in well under one."""

LOCAL_ADDRESSES: Final = ("127.0.0.1", "0.0.0.0", "localhost", "::", "")


@dataclass(frozen=True)
class Gpu:
    """One GPU as the driver reports it."""

    name: str
    memory_mib: int

    @property
    def memory_bytes(self) -> int:
        return self.memory_mib * 2**20


@dataclass(frozen=True)
class Surroundings:
    """The environment of one engine process."""

    environment: Mapping[str, str]
    faults: FaultPlan
    time_scale: float = 1.0

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Surroundings:
        """Read the emulator's variables; ValueError for a time scale that is no number above 0."""
        scale = float(environment.get("CLORE_EMULATOR_TIME_SCALE") or 1)
        if not scale > 0:
            message = f"CLORE_EMULATOR_TIME_SCALE is {scale}, and must be above 0"
            raise ValueError(message)
        faults = environment.get("CLORE_EMULATOR_FAULTS")
        return cls(environment, FaultPlan(Path(faults) if faults else None), scale)

    def real(self, virtual_s: float) -> float:
        """Wall-clock seconds for so many virtual ones."""
        return virtual_s / self.time_scale

    def sleep(self, virtual_s: float) -> None:
        """Wait virtual seconds."""
        time.sleep(self.real(virtual_s))

    def bind_address(self, host: str | None) -> str:
        """Where to listen when the command line says `host`.

        Without a network namespace all hosts share one loopback: CLORE_EMULATOR_BIND is then the
        address that stands for this host's 127.0.0.1 and 0.0.0.0.
        """
        bind = self.environment.get("CLORE_EMULATOR_BIND")
        wanted = host or ""
        return bind if bind and wanted in LOCAL_ADDRESSES else wanted or "0.0.0.0"

    def gpus(self) -> tuple[Gpu, ...]:
        """The GPUs that the host's nvidia-smi lists; none when it is absent or fails."""
        query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
        try:
            answer = subprocess.run(
                query,
                capture_output=True,
                text=True,
                check=True,
                timeout=NVIDIA_SMI_DEADLINE_S,
                env=dict(self.environment),
            )
        except (OSError, subprocess.SubprocessError):
            return ()
        rows = (line.rpartition(",") for line in answer.stdout.splitlines() if "," in line)
        return tuple(Gpu(name.strip(), int(float(memory))) for name, _, memory in rows)
