"""Rules about GPUs and memory: what is shared, what fits, what is worth it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from clore_inference.rules.facts import Facts
from clore_inference.rules.rule import GUIDE, MODEL_CARD, VLLM, Rule
from clore_inference.sizing import divides, transfer_s
from clore_inference.units import duration

PARALLEL: Final = ("--tensor-parallel-size", "-tp", "--tp-size", "--tp")
PIPELINE: Final = ("--pipeline-parallel-size", "-pp", "--pp-size")
CONTEXT: Final = ("--max-model-len", "--context-length", "--ctx-size", "-c")
FULL_REQUESTS: Final = 2.0
"""Requests of full length that should fit at once; below, one long request blocks the others."""


def _refused(facts: Facts) -> Iterator[str]:
    if facts.spec and facts.spec.shape.refused:
        yield f"Topology {facts.spec.topology} is refused: {facts.spec.shape.refused}."


def _parallel(facts: Facts) -> int | None:
    text = facts.line.value(*PARALLEL) if facts.line else None
    return int(text) if text and text.isdecimal() and int(text) > 0 else None


def _divisor(facts: Facts) -> Iterator[str]:
    from clore_inference import catalog  # noqa: PLC0415 - the model, where no spec names one

    model = facts.spec.model if facts.spec else catalog.first_model()
    gpus = _parallel(facts) or (facts.spec.shape.count if facts.spec else None)
    if gpus and not divides(model, gpus):
        yield (
            f"Tensor parallelism over {gpus} GPUs cannot share {model.heads} attention heads and "
            f"{model.kv_heads} KV heads: the engine accepts the flag and dies while loading."
        )


def _all_gpus(facts: Facts) -> Iterator[str]:
    parallel = _parallel(facts)
    if facts.spec and parallel and parallel != facts.spec.shape.count:
        yield (
            f"Tensor parallelism is {parallel}, but {facts.spec.topology} has and bills "
            f"{facts.spec.shape.count} GPUs."
        )


def _pipeline(facts: Facts) -> Iterator[str]:
    text = facts.line.value(*PIPELINE) if facts.line else None
    if text and text.isdecimal() and int(text) > 1:
        yield (
            f"Pipeline parallelism is {text}: on one server the GPUs wait for each other's layers, and "
            "every token of this dense model comes later."
        )


def _fits(facts: Facts) -> Iterator[str]:
    plan = facts.fit
    if facts.spec is None or plan is None or plan.fits or not plan.divides:
        return
    if facts.spec.checkpoint is None or plan.kv_dtype not in facts.spec.engine_row.kv_cache_dtypes:
        return
    yield (
        f"{facts.spec.precision} with maxModelLen {plan.max_model_len:,} does not fit "
        f"{facts.spec.topology}, the engine would refuse to start: {'; '.join(plan.lines())}."
    )


def _checkpoint(facts: Facts) -> Iterator[str]:
    spec = facts.spec
    if spec and spec.checkpoint is None:
        yield f"Release {spec.release} has no checkpoint in {spec.precision}: nothing to fetch."


def _precision(facts: Facts) -> Iterator[str]:
    spec = facts.spec
    if spec and spec.precision not in spec.engine_row.precisions:
        can = ", ".join(spec.engine_row.precisions)
        yield f"Engine {spec.engine} does not load {spec.precision}; it loads {can}."


def _context(facts: Facts) -> Iterator[str]:
    from clore_inference import catalog  # noqa: PLC0415

    most = catalog.first_model().max_context
    text = facts.line.value(*CONTEXT) if facts.line else None
    if text and text.isdecimal() and int(text) > most:
        yield f"The context is set to {int(text):,} tokens; the model ends at {most:,}."


def _spare_context(facts: Facts) -> Iterator[str]:
    plan = facts.fit
    if facts.spec and facts.spec.engine == "llamacpp":
        return  # its slots are counted, and one is the default
    if plan and plan.fits and plan.concurrency < FULL_REQUESTS:
        yield (
            f"maxModelLen {plan.max_model_len:,} leaves room for {plan.concurrency:.2f} requests of "
            "full length: others wait or are evicted while one runs."
        )


def _fp8(facts: Facts) -> Iterator[str]:
    spec = facts.spec
    if spec and spec.precision == "bf16" and spec.gpu.id.startswith(("H100", "H200")):
        yield (
            "precision is bf16: twice the bytes of fp8 for memory, download and every token, with "
            "negligible gain on Hopper GPUs."
        )


def _bandwidth(facts: Facts) -> Iterator[str]:
    spec = facts.spec
    if spec is None or spec.checkpoint is None or not spec.min_down_mbps < spec.needs.down_mbps:
        return
    rate = max(spec.min_down_mbps, 1)
    yield (
        f"minDownMbps is {spec.min_down_mbps:g}; the guide asks for {spec.needs.down_mbps}. Fetching "
        f"the weights could take {duration(transfer_s(spec.checkpoint.weights_bytes, rate))}, billed."
    )


RULES: Final = (
    Rule(
        "clore-topology-forbid-refused", "mandatory", "the topology can serve this model", GUIDE,
        "Set topology to 4xH100 (the guide's default) or 2xH200.", _refused, ("topology",),
    ),
    Rule(
        "clore-topology-require-divisor", "mandatory", "heads split evenly over the GPUs", MODEL_CARD,
        "Use 1, 2, 4 or 8 GPUs.", _divisor, ("topology",),
    ),
    Rule(
        "clore-topology-use-all-gpus", "mandatory", "tensor parallelism equals the GPU count", GUIDE,
        "Set the flag to the number of GPUs, or rent fewer.", _all_gpus, ("topology",),
        seen="preview",
    ),
    Rule(
        "clore-topology-prefer-tensor", "warning", "GPUs of one server share every layer", GUIDE,
        "Remove the flag, and set tensor parallelism to the number of GPUs.", _pipeline,
    ),
    Rule(
        "clore-memory-require-fit", "mandatory", "weights and one full request fit", VLLM,
        "Take one of the changes that would fit, or lower maxModelLen.", _fits,
        ("topology", "precision", "release", "engine", "maxModelLen", "gpuMemoryUtilization",
         "kvCacheDtype"),
    ),
    Rule(
        "clore-model-require-checkpoint", "mandatory", "the release has that precision", MODEL_CARD,
        "Set precision: fp8, or the other release.", _checkpoint, ("release", "precision"),
    ),
    Rule(
        "clore-engine-match-precision", "mandatory", "the engine loads that precision", GUIDE,
        "Use vllm or sglang for fp8 and bf16, llamacpp for the quantized files.", _precision,
        ("engine", "precision"),
    ),
    Rule(
        "clore-context-limit-length", "mandatory", "the context is one the model has", MODEL_CARD,
        "Set maxModelLen to 262144 or less; 65536 is the guide's.", _context, ("maxModelLen",),
    ),
    Rule(
        "clore-context-leave-room", "warning", "two full requests fit at once", GUIDE,
        "Lower maxModelLen (65536 is the guide's), or set kvCacheDtype: fp8.", _spare_context,
        ("topology", "precision", "release", "engine", "maxModelLen", "gpuMemoryUtilization",
         "kvCacheDtype"),
    ),
    Rule(
        "clore-memory-prefer-fp8", "warning", "Hopper GPUs serve the FP8 checkpoint", GUIDE,
        "Set precision: fp8.", _fp8, ("precision", "topology"),
    ),
    Rule(
        "clore-offer-require-bandwidth", "warning", "the link brings the weights in time", GUIDE,
        "Set minDownMbps to 1000 or more.", _bandwidth, ("minDownMbps", "topology"),
    ),
)  # fmt: skip
