"""A host's engines are simulators unless a directory has real ones."""

from __future__ import annotations

import subprocess
from pathlib import Path

from clore_emulator.hosts.scratch import Scratch

HARDWARE = {"memory": 1, "gpus": []}


def program(scratch: Scratch, name: str) -> str:
    return (scratch.programs / name).read_text(encoding="utf-8")


def test_a_program_of_the_directory_stands_in_the_simulator_s_place(tmp_path: Path) -> None:
    engines = tmp_path / "engines"
    (engines / "bin").mkdir(parents=True)
    real = engines / "bin" / "vllm"
    real.write_text('#!/bin/sh\necho "real: $*"\n')
    real.chmod(0o755)
    scratch = Scratch(tmp_path / "host")
    scratch.prepare({}, HARDWARE, engines)
    said = subprocess.run(
        [scratch.programs / "vllm", "serve", "a model"], capture_output=True, text=True, check=True
    )
    assert said.stdout == "real: serve a model\n"
    assert "clore_emulator.engines.llama_server" in program(scratch, "llama-server")


def test_without_a_directory_every_engine_is_simulated(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "host")
    scratch.prepare({}, HARDWARE)
    assert "clore_emulator.engines.vllm" in program(scratch, "vllm")
