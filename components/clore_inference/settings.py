"""From Pulumi's configuration, or a component's arguments, to a checked spec.

With `spec`, the only place that knows configuration keys. `CLORE_API_KEY` and `HF_TOKEN` in the
environment win over secrets in the stack file, so that a CI needs no passphrase for them. Whatever
is wrong is raised as one `pulumi.RunError`, which the CLI shows without a traceback.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import pulumi
from pulumi.runtime.config import CONFIG, is_config_secret

from clore_inference import rules
from clore_inference.errors import ConfigError
from clore_inference.spec import DeploymentSpec, Finding, camel, keys, spec_keys

if TYPE_CHECKING:
    from clore_inference.args import MistralDeploymentArgs

SECRETS: Final = frozenset(key.name for key in keys() if key.secret)


def load() -> MistralDeploymentArgs:
    """Read this project's configuration; raises pulumi.RunError with all findings at once."""
    prefix = f"{pulumi.get_project()}:"
    configured = {
        name.removeprefix(prefix): value
        for name, value in CONFIG.get().items()
        if name.startswith(prefix) and value != ""
    }
    plain = sorted(
        name for name in SECRETS & set(configured) if not is_config_secret(prefix + name)
    )
    token = os.environ.get("HF_TOKEN") or configured.get("hfToken")
    with _as_run_error():
        spec, _ = rules.construct(configured, plain_secrets=plain, has_token=bool(token))
    args = spec.as_args()
    if token:
        args["hf_token"] = pulumi.Output.secret(str(token))
    return cast("MistralDeploymentArgs", args)


def constructed(args: Mapping[str, Any]) -> tuple[DeploymentSpec, tuple[Finding, ...]]:
    """Return the spec of a deployment's arguments and its warnings.

    Raises pulumi.RunError with every mandatory finding, unknown arguments among them.
    """
    given = {camel(name): value for name, value in args.items()}
    wanted = {name: value for name, value in given.items() if name not in SECRETS}
    with _as_run_error():
        spec, findings = rules.construct(wanted, has_token=bool(args.get("hf_token")))
        _read_lock(spec)
        return spec, findings


def _read_lock(spec: DeploymentSpec) -> None:
    """Read a lock of one's own, so that a wrong one is said before anything is bought."""
    if spec.engine_lock:
        from clore_inference.lifecycle.installation import wanted_lock  # noqa: PLC0415 - seldom

        wanted_lock(spec)


def parsed(args: Mapping[str, Any]) -> DeploymentSpec:
    """Return the spec of a part's arguments: those that are wishes, the rest passed over."""
    wishes = {key.field for key in spec_keys()}
    spec, _ = constructed({name: value for name, value in args.items() if name in wishes})
    return spec


@contextmanager
def _as_run_error() -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise pulumi.RunError(str(error)) from None
