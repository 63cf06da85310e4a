"""A bad and a good example for each rule; a rule without both fails a test.

An example is facts. Where flat values can break a rule the bad example is values, so that the
policy pack can be held to the same findings; engine lines are broken by taking words away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from clore_inference import engines
from clore_inference.rules import Facts
from clore_inference.spec import DeploymentSpec

BASE: dict[str, object] = {"licenseUse": "evaluation", "maxUsdPerDay": "45"}
COMMIT = "0123456789abcdef0123456789abcdef01234567"
DIGEST = "@sha256:" + "a" * 64
BOX: dict[str, object] = {"host": "docker", "dockerHost": "ssh://me@gpu.lan"}
LINE = engines.command(DeploymentSpec.parse(BASE))


@dataclass(frozen=True)
class Example:
    """What breaks a rule, what satisfies it, and words that its message must have."""

    bad: Facts
    good: Facts
    says: str = ""
    values: dict[str, object] | None = None
    """The bad example as flat values, if it is one."""


def by_values(
    bad: dict[str, object], good: dict[str, object] | None = None, *, says: str = ""
) -> Example:
    """Broken by configuration; the good example is the base unless there is another one."""
    values = {**BASE, **bad}
    return Example(Facts.of_values(values), Facts.of_values({**BASE, **(good or {})}), says, values)


def without(key: str) -> Example:
    values = {name: value for name, value in BASE.items() if name != key}
    return Example(Facts.of_values(values), Facts.of_values(BASE), key, values)


def by_line(
    *argv: str,
    good: tuple[str, ...] = LINE.argv,
    says: str = "",
    image: str = "",
    **environment: str,
) -> Example:
    """Broken by a line that somebody else wrote."""
    bad = Facts.of_engine_line(argv, image=image, environment=environment)
    fine = Facts.of_engine_line(good)
    assert bad, "the bad example starts an engine"
    assert fine, "the good example starts an engine"
    return Example(bad, fine, says)


def by_mounts(bad: tuple[str, ...], good: tuple[str, ...], *, says: str) -> Example:
    """Broken by what somebody else's container mounts."""
    facts = Facts.of_engine_line(LINE.argv)
    assert facts
    return Example(replace(facts, mounts=bad), replace(facts, mounts=good), says)


def by_fact(change: Callable[[Facts], Facts], *, says: str = "", **values: object) -> Example:
    """Broken by something that is known besides the values."""
    good = Facts.of_values({**BASE, **values})
    return Example(change(good), good, says)


def dropped(*words: str) -> tuple[str, ...]:
    """Our vLLM line without these words and the values behind them."""
    rows = [row for row in LINE.lines() if row.split(" ")[0] not in words]
    return tuple(word for row in rows for word in row.split(" "))


EXAMPLES: dict[str, Example] = {
    "clore-config-know-key": by_values({"maxUsdPerHour": 2}, says="maxUsdPerHour"),
    "clore-config-require-key": without("licenseUse"),
    "clore-config-require-type": by_values({"maxModelLen": "many"}, says="whole number"),
    "clore-config-require-choice": by_values({"topology": "4xB200"}, says="4xB200"),
    "clore-config-require-range": by_values({"maxUsdPerDay": 0}, says="maxUsdPerDay is 0"),
    "clore-config-require-url": by_values({"apiUrl": "http://api.clore.ai"}, says="in clear"),
    "clore-clock-require-loopback": by_values(
        {"timeScale": 60}, {"timeScale": 60, "apiUrl": "http://127.0.0.1:8650"}, says="rate limits"
    ),
    "clore-config-know-at-preview": by_fact(lambda facts: replace(facts, unknown=("topology",)), says="topology"),
    "clore-secret-require-encryption": by_fact(lambda facts: replace(facts, plain_secrets=("hfToken",)), says="hfToken"),
    "clore-secret-forbid-in-text": by_values({"licenseEvidence": "hf_" + "a" * 30}, says="licenseEvidence"),
    "clore-offer-spell-country": by_values({"countries": ["Germany"]}, {"countries": ["DE"]}, says="Germany"),
    "clore-model-spell-repository": by_values({"repository": "--help"}, {"repository": "me/mine"}, says="owner/name"),
    "clore-image-spell-reference": by_values({"image": "vllm; reboot"}, {"image": "me/mine:1"}, says="container image"),
    "clore-model-spell-name": by_values({"servedModelName": "my model"}, says="my model"),
    "clore-license-require-evidence": by_values(
        {"licenseUse": "commercial"},
        {"licenseUse": "commercial", "licenseEvidence": "mistral-commercial: contract 2026-114"},
        says="20 million USD",
    ),
    "clore-license-match-evidence": by_values(
        {"licenseUse": "commercial", "licenseEvidence": "mrl: read it"},
        {"licenseUse": "commercial", "licenseEvidence": "modified-mit: revenue 3 million USD a month, CFO"},
        says="not commercial",
    ),
    "clore-license-watch-revenue": by_values(
        {"release": "upstream"}, {"release": "upstream", "licenseEvidence": "modified-mit: below the limit"}, says="20 million"
    ),
    "clore-budget-check-cap": by_values({"maxUsdPerDay": 1000}, says="a digit too many"),
    "clore-budget-match-total": by_values({"maxUsdTotal": 45}, {"maxUsdTotal": 90}, says="45.67 USD with fees"),
    "clore-budget-limit-total": by_values({}, {"maxUsdTotal": 90}, says="5625.67 USD"),
    "clore-budget-prefer-usd": by_values({"currency": "bitcoin"}, says="bitcoin"),
    "clore-term-outlast-wish": by_fact(lambda facts: replace(facts, term_hours=6.0), says="6 h"),
    "clore-wallet-outlast-term": by_fact(lambda facts: replace(facts, wallet_usd=Decimal("22.70")), says="12 h"),
    "clore-term-outlast-start": by_values({"minTermHours": 1, "minDownMbps": 300}, says="cold start"),
    "clore-spot-limit-bid": by_values({"orderType": "spot", "spotBidUsdPerDay": 45}, {"orderType": "spot", "spotBidUsdPerDay": 44}, says="not below the cap"),
    "clore-spot-watch-outbid": by_values({"orderType": "spot"}, says="without notice"),
    "clore-topology-forbid-refused": by_values({"topology": "2xH100"}, says="past 8K"),
    "clore-topology-require-divisor": by_values({"topology": "6xH100"}, says="96 attention heads"),
    "clore-topology-use-all-gpus": by_fact(
        lambda facts: replace(facts, line=LINE.model_copy(update={"argv": (*LINE.argv, "--tensor-parallel-size", "2")})),
        says="bills 4 GPUs",
    ),
    "clore-memory-require-fit": by_values({"topology": "2xH200", "precision": "bf16", "maxModelLen": 131072}, says="129.2 GiB"),
    "clore-model-require-checkpoint": by_values({"release": "upstream", "precision": "bf16"}, says="upstream"),
    "clore-engine-match-precision": by_values({"precision": "q4_k_m"}, says="fp8, bf16"),
    "clore-context-limit-length": by_line(*LINE.argv, "--max-model-len", "300000", says="262,144"),
    "clore-context-leave-room": by_values({"maxModelLen": 262144}, says="1.66"),
    "clore-memory-prefer-fp8": by_values({"precision": "bf16", "topology": "8xH100"}, says="twice"),
    "clore-offer-require-bandwidth": by_values({"minDownMbps": 89}, says="3 h 20 min"),
    "clore-vllm-require-mistral-format": by_line(*dropped("--config-format"), says="--config-format is not"),
    "clore-engine-require-tool-parser": by_line(*dropped("--enable-auto-tool-choice"), says="plain text"),
    "clore-engine-require-reasoning-parser": by_line(*dropped("--reasoning-parser"), says="reasoning field"),
    "clore-vllm-prefer-chunked-prefill": by_line(*dropped("--enable-chunked-prefill"), says="long prompt"),
    "clore-engine-spell-kv-dtype": by_values({"engine": "sglang", "kvCacheDtype": "q8_0"}, {"engine": "sglang", "kvCacheDtype": "fp8"}, says="fp8"),
    "clore-engine-limit-memory-share": by_values({"gpuMemoryUtilization": 0.99}, {"gpuMemoryUtilization": 0.92}, says="0.99"),
    "clore-engine-forbid-rust-frontend": by_line(*LINE.argv, VLLM_USE_RUST_FRONTEND="1", says="guard"),
    "clore-engine-forbid-refused-flag": by_line(*LINE.argv, "--enable-reasoning", says="0.10.0"),
    "clore-engine-match-flag-value": by_line(*LINE.argv, "--max-num-seqs", "many", says="not a whole number"),
    "clore-vllm-match-batch": by_line(*LINE.argv, "--max-num-seqs", "9000", says="8,192 (its default)"),
    "clore-topology-prefer-tensor": by_line(*LINE.argv, "--pipeline-parallel-size", "2", says="wait for each other"),
    "clore-llamacpp-keep-context": by_line(
        "llama-server", "-m", "x", "-c", "32768", "-np", "4",
        good=("llama-server", "-m", "x", "-c", "32768", "-np", "4", "--kv-unified"), says="divides",
    ),
    "clore-order-forbid-ampersand": by_line(*LINE.argv, MOTD="this & that", says="HTTP 500"),
    "clore-secret-forbid-in-line": by_line(*LINE.argv, HF_TOKEN="hf_x", says="HF_TOKEN"),
    "clore-cache-keep-volume": by_mounts((), ("/root/.cache/huggingface",), says="134 GB again"),
    "clore-cache-keep-path": by_line(*LINE.argv, HF_HOME="/tmp/weights", says="/tmp/weights"),
    "clore-exposure-forbid-raw-engine": by_line(*dropped("--middleware", "--host"), says="/invocations"),
    "clore-exposure-forbid-side-door": by_line(*LINE.argv, "--grpc", says="beside its HTTP API"),
    "clore-exposure-require-guard": by_fact(
        lambda facts: replace(
            facts,
            spec=facts.spec.model_copy(update={"exposure": "public"}) if facts.spec else None,
            line=LINE.model_copy(update={"argv": dropped("--middleware")}),
        ),
        says="no guard in front of vllm",
    ),
    "clore-exposure-keep-private": by_fact(
        lambda facts: replace(facts, line=LINE.model_copy(update={"argv": (*LINE.argv, "--host", "0.0.0.0")})),
        says="public https name",
    ),
    "clore-exposure-keep-tls-public": by_values(
        {"tls": "host"}, {"tls": "host", "exposure": "public"}, says="SSH already"
    ),
    "clore-engine-require-version": by_values({"engineVersion": "0.8.5"}, says="invalid choice"),
    "clore-engine-prefer-version": by_values({"engineVersion": "0.20.2"}, says="0.21.0"),
    "clore-engine-know-version": by_values({"engineVersion": "0.40.0"}, says="0.33.0"),
    "clore-image-pin-digest": by_values({}, {"image": f"vllm/vllm-openai:v0.32.0{DIGEST}"}, says="not pinned"),
    "clore-model-pin-revision": by_values({}, {"revision": COMMIT}, says="main"),
    "clore-model-require-commit": by_values({"revision": "c4be198"}, {"revision": COMMIT}, says="c4be198"),
    "clore-docker-spell-host": by_values({"host": "docker", "dockerHost": "tcp://192.0.2.1:2375"}, {"host": "docker"}, says="root"),
    "clore-docker-spell-host-key": by_values(
        {**BOX, "dockerHostKey": "my box"}, {**BOX, "dockerHostKey": "ssh-ed25519 AAAAC3Nz"}, says="base64"
    ),
    "clore-docker-pin-host-key": by_values(BOX, {**BOX, "dockerHostKey": "ssh-ed25519 AAAAC3Nz"}, says="known_hosts"),
    "clore-docker-match-gpus": by_values({"host": "docker", "dockerGpus": "0,1"}, {"host": "docker", "dockerGpus": "0,1,2,3"}, says="2 GPUs"),
    "clore-docker-prefer-gpus": by_values({"host": "docker", "dockerGpus": "none"}, {"host": "docker"}, says="no GPU"),
    "clore-docker-watch-plain-http": by_values({"host": "docker", "exposure": "public"}, {"host": "docker"}, says="plain HTTP"),
    "clore-model-require-token": by_fact(lambda facts: replace(facts, has_token=False), says="403"),
}  # fmt: skip
