"""Import paths of SGLang 0.5.23, answered by the simulator."""

from clore_emulator.engines.sglang_arguments import version

__version__ = version()
