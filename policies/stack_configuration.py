"""What the engine tells a policy pack about the stack's configuration.

The engine sends every key, and which of them are encrypted, before it sends the first resource; the
SDK for Python (1.21) keeps neither. It is taken here on its way, and nothing but names is kept. An
SDK without that call stops the pack when it is loaded: better no preview than a silent rule.
"""

from __future__ import annotations

from typing import Any, Final

from pulumi_policy.policy import _PolicyAnalyzerServicer

from clore_inference.spec import keys

SECRETS: Final = frozenset(key.name for key in keys() if key.secret)

_ORIGINAL: Final = _PolicyAnalyzerServicer.ConfigureStack
_plain: list[str] = []


def plain_secrets() -> tuple[str, ...]:
    """Secret keys of the project that lie in its configuration in clear, as construction names them."""
    return tuple(_plain)


def remember(request: Any) -> None:
    """Note what a `AnalyzerStackConfigureRequest` says; values are only looked at for being there."""
    encrypted = set(request.config_secret_keys)
    prefix = f"{request.project}:"
    _plain[:] = sorted(
        name.removeprefix(prefix)
        for name, value in request.config.items()
        if value
        and name not in encrypted
        and name.startswith(prefix)
        and name.removeprefix(prefix) in SECRETS
    )


def _configure_stack(servicer: Any, request: Any, context: Any) -> Any:
    remember(request)
    return _ORIGINAL(servicer, request, context)


_PolicyAnalyzerServicer.ConfigureStack = _configure_stack  # type: ignore[method-assign]
