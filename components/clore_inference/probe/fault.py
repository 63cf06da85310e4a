"""What can be wrong with an endpoint: the name, the flag or fact behind it, what to change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Fault:
    """A known way to fail; `name` is stable for ever."""

    name: str
    explanation: str
    fix: str


class CheckFailed(Exception):
    """A check did not hold; the text says what was seen."""

    def __init__(self, fault: Fault, detail: str) -> None:
        super().__init__(detail)
        self.fault = fault


NO_ANSWER: Final = Fault(
    "no-answer",
    "nothing answers at this address, or not in time",
    "look at the engine's log on the host; `pulumi up` starts a dead engine again",
)
KEY_REFUSED: Final = Fault(
    "key-refused",
    "the endpoint does not know the key that was given",
    "use the stack's own key: `pulumi stack output endpointKey --show-secrets`",
)
WRONG_MODEL: Final = Fault(
    "wrong-model",
    "the engine was started with another --served-model-name, or another model answers here",
    "set servedModelName to the served one, or run `pulumi up` to start the right engine",
)
CHAT_REFUSED: Final = Fault(
    "chat-refused",
    "the engine is healthy but refuses a plain chat: with --tool-call-parser mistral, "
    "mistral_common 1.13.0 and 1.13.1 make vLLM 0.32 and 0.33 answer 400 to every chat",
    'install "mistral_common>=1.11.6,<1.13" beside the engine and start it again',
)
CHAT_FAILED: Final = Fault(
    "chat-failed",
    "the engine does not answer a plain chat",
    "look at the last lines of the engine's log on the host",
)
NO_CONTENT: Final = Fault(
    "no-content",
    "the engine answers without text: wrong --tokenizer-mode, --config-format or --load-format",
    "set all three to mistral, as in the guide's command line",
)
INSTANT_REASONS: Final = Fault(
    "instant-reasons",
    "the request's reasoning_mode instant did not reach the engine as reasoning_effort none",
    "put the guard in front of the engine (vLLM: --middleware clore_guard.Guard)",
)
REASONING_EMPTY: Final = Fault(
    "reasoning-empty",
    "a deep answer has no reasoning: the engine has no --reasoning-parser mistral, or "
    "reasoning_mode did not reach it (engines ignore that word without the guard)",
    "start the engine with --reasoning-parser mistral, and the guard in front of it",
)
REASONING_LEAKED: Final = Fault(
    "reasoning-leaked",
    "the engine does not take the reasoning out of the answer: no --reasoning-parser mistral",
    "start the engine with --reasoning-parser mistral",
)
REASONING_ONE_FIELD: Final = Fault(
    "reasoning-one-field",
    "vLLM answers `reasoning`, SGLang and llama.cpp `reasoning_content`; only the guard gives both",
    "put the guard in front of the engine (vLLM: --middleware clore_guard.Guard)",
)
NOT_A_STREAM: Final = Fault(
    "not-a-stream",
    "something between here and the engine buffers or rewrites the event stream",
    "ask the engine on the host itself; then look at the proxy in between",
)
TOOL_CALL_AS_TEXT: Final = Fault(
    "tool-call-as-text",
    "without both tool flags an engine returns the call as plain text",
    "start vLLM with --enable-auto-tool-choice --tool-call-parser mistral (SGLang: "
    "--tool-call-parser mistral)",
)
NO_TOOL_CALL: Final = Fault(
    "no-tool-call",
    "the model did not call the tool: the tool flags are missing or it is another model",
    "start vLLM with --enable-auto-tool-choice --tool-call-parser mistral (SGLang: "
    "--tool-call-parser mistral)",
)
BAD_TOOL_CALL: Final = Fault(
    "bad-tool-call",
    "the call's arguments do not follow the tool's schema: another --tool-call-parser than mistral",
    "start the engine with --tool-call-parser mistral",
)
NOT_JSON: Final = Fault(
    "not-json",
    "response_format json_schema was not enforced",
    "use an engine with guided decoding (the guide's vLLM or SGLang) and leave it switched on",
)
SCHEMA_BROKEN: Final = Fault(
    "schema-broken",
    "the answer is JSON but breaks the schema that was sent with strict: true",
    "use an engine with guided decoding (the guide's vLLM or SGLang) and leave it switched on",
)
OPEN_WITHOUT_KEY: Final = Fault(
    "open-without-key",
    "anybody can generate text here at your cost: no guard and no VLLM_API_KEY",
    "close the port now; run `pulumi up`, which starts the engine behind the guard",
)
ANY_KEY_OPENS: Final = Fault(
    "any-key-opens",
    "the endpoint asks for a key but takes every one",
    "close the port now; run `pulumi up`, which starts the engine behind the guard",
)
ROUTE_OPEN: Final = Fault(
    "route-open",
    "an engine's own key guards only /v1: /invocations generates text without one",
    "put the guard in front of the engine (vLLM: --middleware clore_guard.Guard)",
)
