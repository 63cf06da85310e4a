"""Whether weights and KV cache fit, and what would make them fit.

Rule: weights/TP + context x KV per token/TP + reserve <= utilization x GPU memory, per GPU.
Example, 4x H100, FP8, 0.90: 0.90 x 79.65 GiB - 124.43/4 GiB - 4 GiB = 36.6 GiB per GPU for the KV
cache, 146 GiB in all, 436,000 tokens in bf16: 65,536 fits 6.6 times, 262,144 fits 1.66 times.
"""

from pydantic import BaseModel, ConfigDict

from clore_inference import catalog, units
from clore_inference.sizing.memory import divides, kv_bytes_per_token
from clore_inference.spec import DeploymentSpec

CONTEXT_STEP = 1024
"""Tokens; a largest context is rounded down to it, as people write them."""


class Bill(BaseModel):
    """The memory of one GPU, bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory: int
    """What the GPU has."""
    limit: int
    """What the engine may use: utilization x memory."""
    weights: int
    reserve: int
    """Activations, graphs, buffers."""
    context: int
    """KV cache of one request of full length."""

    @property
    def pool(self) -> int:
        """What is left for the KV cache; negative if the weights alone do not fit."""
        return self.limit - self.weights - self.reserve


class Fit(BaseModel):
    """The memory plan of a spec; `lines()` explains it, `remedies` mend it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fits: bool
    divides: bool
    """Whether the model can be shared by that many GPUs."""
    gpu: str
    gpus: int
    utilization: float
    bill: Bill
    weights_bytes: int
    kv_bytes_per_token: int
    kv_dtype: str
    max_model_len: int
    pool_bytes: int
    """KV cache over all GPUs."""
    pool_tokens: int
    largest_context: int
    """Tokens of the longest request that fits; 0 if none does."""
    concurrency: float
    """How many requests of full length fit at the same time."""
    remedies: tuple[str, ...] = ()

    def lines(self) -> tuple[str, ...]:
        """Explain the fit, with every term of the sum."""
        bill = self.bill
        need = bill.weights + bill.reserve + bill.context
        sign = "<=" if need <= bill.limit else ">"
        head = (
            f"per GPU: weights {units.gib(bill.weights)} + reserve {units.gib(bill.reserve)} + "
            f"{self.max_model_len:,} tokens {units.gib(bill.context)} = {units.gib(need)} {sign} "
            f"{self.utilization:.2f} x {units.gib(bill.memory)} = {units.gib(bill.limit)}"
        )
        pool = (
            f"KV cache: {units.gib(max(0, self.pool_bytes))} over {self.gpus} GPU(s), "
            f"{self.pool_tokens:,} tokens of {self.kv_bytes_per_token / units.KIB:g} KiB "
            f"({self.kv_dtype}); {self.concurrency:.2f} requests of full length at the same time; "
            f"largest context {self.largest_context:,}"
        )
        split = () if self.divides else (f"the model cannot be shared by {self.gpus} GPUs",)
        return (head, pool, *split, *self.remedies)


def fit(spec: DeploymentSpec) -> Fit:
    """Return the memory plan; a spec without checkpoint is planned with no weights and never fits."""
    return _fit(spec, with_remedies=True)


def _fit(spec: DeploymentSpec, *, with_remedies: bool) -> Fit:
    gpus = spec.shape.count
    checkpoint = spec.checkpoint
    weights_bytes = checkpoint.weights_bytes if checkpoint else 0
    dtype = spec.kv_cache_dtype
    per_token = kv_bytes_per_token(spec.model, dtype)
    memory = spec.gpu.memory_mib * units.MIB
    bill = Bill(
        memory=memory,
        limit=int(memory * spec.utilization),
        weights=-(-weights_bytes // gpus),
        reserve=int(spec.engine_row.reserve_gib_per_gpu * units.GIB),
        context=-(-spec.max_model_len * per_token // gpus),
    )
    pool = bill.pool * gpus
    tokens = max(0, pool) // per_token
    shared = divides(spec.model, gpus)
    fits = bool(checkpoint) and shared and tokens >= spec.max_model_len
    remedies = () if fits or not with_remedies else _remedies(spec, tokens)
    return Fit(
        fits=fits,
        divides=shared,
        gpu=spec.gpu.id,
        gpus=gpus,
        utilization=spec.utilization,
        bill=bill,
        weights_bytes=weights_bytes,
        kv_bytes_per_token=per_token,
        kv_dtype=dtype,
        max_model_len=spec.max_model_len,
        pool_bytes=pool,
        pool_tokens=tokens,
        largest_context=_largest(tokens, spec.model.max_context) if shared else 0,
        concurrency=tokens / spec.max_model_len,
        remedies=remedies,
    )


def _largest(tokens: int, ceiling: int) -> int:
    return min(tokens // CONTEXT_STEP * CONTEXT_STEP, ceiling)


def _remedies(spec: DeploymentSpec, tokens: int) -> tuple[str, ...]:
    found = []
    if tokens >= CONTEXT_STEP and not spec.shape.refused:
        found.append(f"set maxModelLen {_largest(tokens, spec.model.max_context)}")
    for change, words in _changes(spec):
        if _fit(spec.model_copy(update=change), with_remedies=False).fits:
            found.append(words)
    return tuple(f"would fit: {words}" for words in found)


def _changes(spec: DeploymentSpec) -> list[tuple[dict[str, object], str]]:
    changes: list[tuple[dict[str, object], str]] = []
    smaller = ("q8_0", "q4_0") if spec.engine == "llamacpp" else ("fp8",)
    changes += [
        ({"kv_cache_dtype": dtype}, f"set kvCacheDtype {dtype}")
        for dtype in smaller
        if dtype != spec.kv_cache_dtype
    ]
    if spec.precision == "bf16":
        changes.append(({"precision": "fp8"}, "set precision fp8, half the weights"))
    if spec.engine == "llamacpp":
        changes += _smaller_files(spec)
    else:
        changes += [
            ({"topology": topology}, f"set topology {topology}")
            for topology in ("4xH100", "2xH200", "8xH100", "4xH200")
            if topology != spec.topology
        ]
    return changes


def _smaller_files(spec: DeploymentSpec) -> list[tuple[dict[str, object], str]]:
    """Stronger quantizations, the gentlest first."""
    now = spec.checkpoint.weights_bytes if spec.checkpoint else 0
    rows = [catalog.checkpoint(spec.release, one) for one in spec.engine_row.precisions]
    smaller = [row for row in rows if row and row.weights_bytes < now]
    smaller.sort(key=lambda row: -row.weights_bytes)
    return [
        (
            {"precision": row.precision},
            f"set precision {row.precision}, {units.size(row.weights_bytes)}",
        )
        for row in smaller
    ]
