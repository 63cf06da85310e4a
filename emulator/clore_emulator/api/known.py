"""How a fault of the table is shown, to programs and to people."""

from __future__ import annotations

from typing import Any

from clore_emulator.faults import Fault


def fault_row(fault: Fault) -> dict[str, Any]:
    """A fault with its place and its parameters, as JSON."""
    return {
        "name": fault.name,
        "summary": fault.summary,
        "on": list(fault.on),
        "phase": fault.phase,
        "any_phase": fault.any_phase,
        "times": fault.times,
        "parameters": [
            {
                "name": parameter.name,
                "type": parameter.type.__name__,
                "default": parameter.default,
                "doc": parameter.doc,
            }
            for parameter in fault.parameters
        ],
    }


def signature(fault: Fault) -> str:
    """The fault with its first parameter, as the short form of a rule takes it."""
    first = f"({fault.parameters[0].name})" if fault.parameters else ""
    return f"{fault.name}{first}"
