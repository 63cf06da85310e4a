"""An emulated Clore.ai marketplace with hosts, engines and a model hub, for tests and trials.

It imports nothing of `clore_inference`: client and emulator must not share one misunderstanding.
"""

from __future__ import annotations
