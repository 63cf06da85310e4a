"""From nothing to a proven Mistral Medium 3.5 endpoint on rented Clore.ai GPUs.

The public names are resolved when first used: importing a room that knows nothing of Pulumi must
not import Pulumi. Taking `MistralDeployment` in a Pulumi program starts the plugins, see `early`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from clore_inference import settings
    from clore_inference.deployment import MistralDeployment
    from clore_inference.gpu_order import GpuOrder
    from clore_inference.health_check import HealthCheck
    from clore_inference.hf_cache import HfCache
    from clore_inference.inference_server import InferenceServer
    from clore_inference.keys import Keys

__all__ = [
    "MistralDeployment",
    "GpuOrder",
    "HfCache",
    "InferenceServer",
    "HealthCheck",
    "Keys",
    "settings",
]

_HOMES: Final = {
    "MistralDeployment": "deployment",
    "GpuOrder": "gpu_order",
    "HfCache": "hf_cache",
    "InferenceServer": "inference_server",
    "HealthCheck": "health_check",
    "Keys": "keys",
}


def __getattr__(name: str) -> Any:
    if name == "MistralDeployment":
        import_module("clore_inference.early").start_plugins()
    if name in _HOMES:
        return getattr(import_module(f"clore_inference.{_HOMES[name]}"), name)
    if name == "settings":
        return import_module("clore_inference.settings")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
