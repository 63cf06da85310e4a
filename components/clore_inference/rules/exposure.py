"""Rules about who can reach the engine: never the raw engine, public only behind the guard."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from clore_inference.engines import EngineCommand
from clore_inference.rules.facts import Facts
from clore_inference.rules.rule import VLLM_SECURITY, Rule

GUARD: Final = "clore_guard.Guard"
LAUNCHER: Final = "clore_sglang"
PROXY: Final = "clore_llamacpp"
SIDE_DOORS: Final = (
    "--grpc", "--grpc-port", "--grpc-mode", "--smg-grpc-mode", "--smg-http-sidecar-port",
    "--grpc-http-sidecar-port",
)  # fmt: skip
WORKERS: Final = "--tokenizer-worker-num"
"""SGLang 0.5.23, srt/entrypoints/http_server.py: several workers import the application by its name."""
LISTEN: Final = "CLORE_INFERENCE_LISTEN"
"""Where the proxy in front of llama-server listens, `host:port`; its default is the loopback."""
TLS: Final = "https://docs.clore.ai/dev-reference"
"""Raw tcp ports of an order are passed on as they are; its http port's TLS ends at the relay."""
DEFAULT_HOST: Final = {"vllm": "0.0.0.0", "sglang": "127.0.0.1", "llamacpp": "127.0.0.1"}
"""Where an engine listens when no flag says so."""


def _is_guarded(line: EngineCommand) -> bool:
    if PROXY in line.argv:
        return not _engine_listens_outside(line)  # what can be reached past it is not guarded
    return line.value("--middleware") == GUARD or LAUNCHER in line.argv


def _listens_outside(line: EngineCommand) -> bool:
    door = line.environment.get(LISTEN, "") if PROXY in line.argv else ""
    return _is_outside(door.rpartition(":")[0] or "127.0.0.1") or _engine_listens_outside(line)


def _engine_listens_outside(line: EngineCommand) -> bool:
    return _is_outside(line.value("--host") or DEFAULT_HOST[line.engine])


def _is_outside(host: str) -> bool:
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def _raw(facts: Facts) -> Iterator[str]:
    line = facts.line
    if line and _listens_outside(line) and not _is_guarded(line):
        yield (
            f"{line.engine} listens on every address with nothing in front of it: even with a key, "
            "routes such as /invocations, /tokenize and /metrics answer anybody."
        )


def _side_door(facts: Facts) -> Iterator[str]:
    line = facts.line
    if line is None:
        return
    for flag in SIDE_DOORS:
        if line.has(flag):
            yield f"{flag} opens a way to {line.engine} beside its HTTP API, where no key is asked."
    workers = line.value(WORKERS) if line.engine == "sglang" else None
    if workers and workers.isdecimal() and int(workers) > 1:
        yield (
            f"{WORKERS} is {workers}: each worker loads the application anew, without the guard, and "
            "SGLang asks none of its callers for a key."
        )


def _public(facts: Facts) -> Iterator[str]:
    if facts.spec is None or facts.spec.exposure != "public":
        return
    if facts.line is None:
        yield f"exposure is public, and engine {facts.spec.engine} has no guarded line here."
    elif not _is_guarded(facts.line):
        yield (
            f"exposure is public, but no guard in front of {facts.spec.engine} checks keys and "
            "routes: anybody could use the GPUs."
        )


def _pointless(facts: Facts) -> Iterator[str]:
    if facts.spec is None or facts.spec.tls != "host":
        return
    if facts.spec.host == "docker":
        yield "tls is host, and a Docker host of your own has no relay that TLS could end at."
    elif facts.spec.exposure != "public":
        yield "tls is host, but the endpoint is private: SSH already goes to the host itself."


def _private(facts: Facts) -> Iterator[str]:
    if facts.spec is None or facts.line is None or facts.spec.exposure != "private":
        return
    if facts.spec.host == "docker":
        return  # what a container publishes decides: its own network has other addresses
    if _listens_outside(facts.line):
        yield (
            "exposure is private, but the engine listens on every address; port 8000 of an order "
            "has a public https name, so it would be reachable."
        )


RULES: Final = (
    Rule(
        "clore-exposure-forbid-raw-engine", "mandatory", "no engine listens outside unguarded",
        VLLM_SECURITY, "Listen on 127.0.0.1, or serve through InferenceServer, which adds the guard.",
        _raw,
    ),
    Rule(
        "clore-exposure-forbid-side-door", "mandatory", "the guarded API is the only way in",
        VLLM_SECURITY, "Remove the flag.", _side_door,
    ),
    Rule(
        "clore-exposure-require-guard", "mandatory", "public means behind guard and key",
        VLLM_SECURITY, "Serve through InferenceServer, which adds the guard, or set exposure: private.", _public, ("exposure",),
        seen="preview",
    ),
    Rule(
        "clore-exposure-keep-private", "mandatory", "private means loopback of the host",
        VLLM_SECURITY, "Pass --host 127.0.0.1 last, or set exposure: public.", _private,
        ("exposure",), seen="preview",
    ),
    Rule(
        "clore-exposure-keep-tls-public", "mandatory", "TLS ends on the host of a public endpoint",
        TLS, "Set exposure: public, or leave tls at relay.", _pointless, ("tls", "exposure", "host"),
    ),
)  # fmt: skip
