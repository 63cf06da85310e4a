"""Which files of which repository an engine needs: one layout, never both."""

from pydantic import BaseModel, ConfigDict

from clore_inference import catalog
from clore_inference.errors import ConfigError
from clore_inference.spec import DeploymentSpec

BRANCH = "main"
"""What is fetched when no revision is pinned."""


class WeightsFiles(BaseModel):
    """Files to fetch once per host; patterns are those of `huggingface_hub.snapshot_download`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repository: str
    revision: str
    allow_patterns: tuple[str, ...]
    ignore_patterns: tuple[str, ...]
    total_bytes: int
    """Of the weights, by the catalog; a hint for estimates, the hub has the last word."""
    gated: bool


def weights(spec: DeploymentSpec) -> WeightsFiles:
    """Return the files that `spec` needs; raises ConfigError if there are none for its engine."""
    checkpoint = spec.checkpoint
    if checkpoint is None:
        message = f"Release {spec.release} has no checkpoint in {spec.precision}."
        raise ConfigError([f"{message} Set `precision: fp8`, or the other release."])
    layout = spec.engine_row.layout
    if layout not in checkpoint.layouts:
        message = f"{checkpoint.repository} has no files in the {layout} layout of {spec.engine}."
        raise ConfigError(
            [f"{message} Use vllm or sglang for fp8 and bf16, llamacpp for the rest."]
        )
    files = catalog.layout(layout)
    return WeightsFiles(
        repository=spec.repository_name,
        revision=spec.revision or BRANCH,
        allow_patterns=checkpoint.files or files.allow,
        ignore_patterns=files.ignore,
        total_bytes=checkpoint.weights_bytes,
        gated=checkpoint.gated,
    )
