"""Pulumi's protocol alone, out of its Python SDK: `import protocol` before the messages.

The SDK's packages import everything that programs need, three times as long as the messages take,
and the engine starts the stand-ins in every command. So the two packages around the messages are put
in place empty; nothing else of the SDK can be imported beside them.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Final

AROUND: Final = ("pulumi", "pulumi.runtime")


def bare() -> None:
    """Put the packages in place, unless somebody has imported the SDK already."""
    spec = find_spec(AROUND[0]) if AROUND[0] not in sys.modules else None
    if spec is None:
        return
    for name in AROUND:
        package = ModuleType(name)
        inner = name.split(".")[1:]
        package.__path__ = [
            str(Path(root, *inner)) for root in spec.submodule_search_locations or ()
        ]
        sys.modules[name] = package


bare()
