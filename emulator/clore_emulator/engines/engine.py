"""The running engine behind the routes: names, keys, faults, counters, and its end."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from clore_emulator.engines import generation
from clore_emulator.engines.dialect import Dialect, Refusal
from clore_emulator.engines.generation import Generation, Skills
from clore_emulator.engines.metrics import Counters
from clore_emulator.engines.schema import UnsupportedSchemaError
from clore_emulator.engines.surroundings import Surroundings

FIRST_TOKEN_S: Final = 0.12
"""Virtual seconds to the first token; the guide names 50 to 250 ms for instant answers."""
TOKEN_S: Final = 0.01
"""Virtual seconds per token: 100 tokens a second, the guide's figure for four H100."""


@dataclass
class Engine:
    """State of one started engine."""

    dialect: Dialect
    around: Surroundings
    served: tuple[str, ...]
    root: str
    version: str
    skills: Skills
    keys: tuple[str, ...] = ()
    checks_model: bool = True
    mistral_tokenizer: bool = True
    metrics_enabled: bool = True
    created: int = field(default_factory=lambda: int(time.time()))
    counters: Counters = field(default_factory=Counters)
    ready: bool = True
    dead: bool = False
    end: Callable[[str], None] = lambda _reason: None

    @property
    def names(self) -> tuple[str, ...]:
        """What `/v1/models` lists."""
        other = self.around.faults.get("serves_other_model")
        return (str(other["model"]),) if other else self.served

    def key_fits(self, authorization: str | None) -> bool:
        """Whether the Authorization header carries one of the keys; without keys all do."""
        if not self.keys or self.around.faults.get("ignores_key") is not None:
            return True
        scheme, _, given = (authorization or "").partition(" ")
        fits = [hmac.compare_digest(given.encode(), key.encode()) for key in self.keys]
        return scheme.lower() == "bearer" and any(fits)

    def check_model(self, name: Any) -> None:
        """Refuse another model's name; SGLang and llama-server take any."""
        if self.checks_model and name and name not in self.names:
            message = f"The model `{name}` does not exist."
            raise Refusal(message, status=404, param="model")

    def chat(self, request: Mapping[str, Any]) -> Generation:
        """Answer a chat, or raise Refusal."""
        self.check_model(request.get("model"))
        self._fail_as_told(chat=True)
        self._check_chat(request)
        deep = self.dialect.wants_reasoning(request)
        deep = deep and self.around.faults.get("drops_reasoning") is None
        tools = self.around.faults.get("drops_tool_calls") is None
        try:
            said = generation.chat(request, self.skills, deep=deep, tools=tools)
        except UnsupportedSchemaError as error:
            message = f"The provided JSON schema contains features not supported: {error}"
            raise Refusal(message) from error
        limit = request.get("max_completion_tokens") or request.get("max_tokens") or 0
        self._check_length(said.prompt_tokens, limit)
        return self._count(said)

    def complete(self, request: Mapping[str, Any]) -> Generation:
        """Continue a prompt, or raise Refusal."""
        self.check_model(request.get("model"))
        self._fail_as_told(chat=False)
        prompt = request.get("prompt")
        if not isinstance(prompt, str | list):
            raise Refusal("Either prompt or prompt_embeds must be provided and non-empty.")
        text = prompt if isinstance(prompt, str) else " ".join(str(part) for part in prompt)
        said = generation.completion(request, text)
        self._check_length(said.prompt_tokens, request.get("max_tokens") or 0)
        return self._count(said)

    async def think(self, tokens: int = 0) -> None:
        """Let the time of the first token, or of so many tokens, pass."""
        await asyncio.sleep(self.around.real(tokens * TOKEN_S if tokens else FIRST_TOKEN_S))

    def _fail_as_told(self, *, chat: bool) -> None:
        if self.dead:
            raise Refusal("The server had an error while processing your request.", status=500)
        if self.around.faults.get("crashes_on_request") is not None:
            self.dead = True
            self.end("EngineCore encountered an issue. See stack trace (above) for the root cause.")
            raise Refusal("The server had an error while processing your request.", status=500)
        trap = self.around.faults.get("answers_400_to_every_chat")
        if chat and trap is not None:
            raise Refusal(str(trap["text"]))

    def _check_chat(self, request: Mapping[str, Any]) -> None:
        messages = request.get("messages")
        if not isinstance(messages, list) or not all(isinstance(m, Mapping) for m in messages):
            message = "1 validation error: {'type': 'missing', 'loc': ('body', 'messages')}"
            raise Refusal(message, kind="Bad Request")
        if request.get("tool_choice") not in (None, "none", "auto") and not request.get("tools"):
            raise Refusal("When using `tool_choice`, `tools` must be set.")
        temperature = request.get("temperature")
        if isinstance(temperature, int | float) and temperature < 0:
            raise Refusal(f"temperature must be non-negative, got {temperature}.")
        if self.dialect.engine == "vllm":
            self._check_vllm_chat(request)

    def _check_vllm_chat(self, request: Mapping[str, Any]) -> None:
        if request.get("stream_options") and not request.get("stream"):
            raise Refusal("Stream options can only be defined when `stream=True`.")
        if self.mistral_tokenizer and request.get("chat_template_kwargs"):
            raise Refusal("chat_template is not supported for Mistral tokenizers.")
        choice = request.get("tool_choice", "auto")
        missing = request.get("tools") and choice != "none" and not self.skills.tool_parser
        if missing and not self.mistral_tokenizer:
            message = (
                '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser '
                "to be set"
            )
            raise Refusal(message)

    def _check_length(self, prompt_tokens: int, limit: Any) -> None:
        wanted = int(limit) if limit else 1
        if prompt_tokens + wanted <= self.skills.max_context:
            return
        context = self.skills.max_context
        if self.dialect.engine == "sglang":
            message = (
                f"The input ({prompt_tokens} tokens) is longer than the model's context length "
                f"({context} tokens)."
            )
            raise Refusal(message)
        if self.dialect.engine == "llamacpp":
            message = (
                f"request ({prompt_tokens} tokens) exceeds the available context size "
                f"({context} tokens), try increasing it"
            )
            raise Refusal(message, kind="exceed_context_size_error")
        message = (
            f"This model's maximum context length is {context} tokens. However, you requested "
            f"{wanted} output tokens and your prompt contains at least {prompt_tokens} input "
            f"tokens, for a total of at least {prompt_tokens + wanted} tokens. Please reduce the "
            "length of the input prompt or the number of requested output tokens."
        )
        raise Refusal(message, param="input_tokens")

    def _count(self, said: Generation) -> Generation:
        self.counters.requests += 1
        self.counters.prompt_tokens += said.prompt_tokens
        self.counters.generation_tokens += said.completion_tokens
        self.counters.first_token_s += FIRST_TOKEN_S
        return said
