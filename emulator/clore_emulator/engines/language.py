"""What stands in for the model: tokens, and answers that are made up, short and repeatable."""

from __future__ import annotations

import hashlib
import json
import random
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

VOCABULARY: Final = 131072
_TOKEN: Final = re.compile(r"\s?\w{1,6}|\s?[^\w\s]|\s")
_OPENINGS: Final = (
    "Here is a short answer.",
    "In brief:",
    "A sound approach is this.",
    "Let me put it plainly.",
)
_MIDDLES: Final = (
    "Keep the change small, measure it, and keep a way back.",
    "Start with the simplest version that can be tested, then add what the numbers ask for.",
    "Check the inputs first; most failures of this kind begin there.",
    "Write down what must hold before and after, and let a test say so.",
)
_THOUGHTS: Final = (
    "The user asks about {topic}. First I list what is known, then the likely causes.",
    "Let me think about {topic} step by step: what must hold, what can break, what to check.",
    "For {topic} there are two candidates; the first explains every symptom, so I start there.",
)


def pieces(text: str) -> list[str]:
    """Text cut as a tokenizer would: every piece counts as one token, joined they are the text."""
    return _TOKEN.findall(text)


def token_ids(text: str) -> list[int]:
    """Stable numbers for the pieces of a text, 1 (the BOS token) first."""
    return [1, *(1000 + zlib.crc32(p.encode()) % (VOCABULARY - 1000) for p in pieces(text))]


def draw_for(request: Mapping[str, Any]) -> random.Random:
    """A source of choices that depends on the request's meaning only."""
    keys = ("messages", "prompt", "tools", "response_format", "seed", "temperature")
    seed = json.dumps({k: request.get(k) for k in keys}, sort_keys=True, default=str)
    return random.Random(hashlib.sha256(seed.encode()).digest())  # noqa: S311 - a seeded text


def text_of(content: Any) -> str:
    """The words of a message's content: a string, or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        return " ".join(str(p.get("text", "")) for p in content if isinstance(p, Mapping))
    return ""


def prompt_text(request: Mapping[str, Any]) -> str:
    """Everything that goes into the prompt: messages and tools."""
    messages = request.get("messages") or []
    words = [text_of(message.get("content")) for message in messages]
    if request.get("tools"):
        words.append(json.dumps(request["tools"]))
    return "\n".join(words)


def last_user_text(request: Mapping[str, Any]) -> str:
    """What was asked last."""
    for message in reversed(request.get("messages") or []):
        if message.get("role") == "user":
            return text_of(message.get("content"))
    return str(request.get("prompt") or "")


def answer(request: Mapping[str, Any], draw: random.Random) -> str:
    """Two or three sentences that name the topic."""
    topic = _topic(last_user_text(request))
    return f"{draw.choice(_OPENINGS)} About {topic}: {draw.choice(_MIDDLES)}"


def thought(request: Mapping[str, Any], draw: random.Random) -> str:
    """The reasoning before a deep answer."""
    topic = _topic(last_user_text(request))
    return " ".join(line.format(topic=topic) for line in draw.sample(_THOUGHTS, 2))


def choose_tool(request: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The function the model would call: the named one, or the one whose words fit best."""
    functions: list[Mapping[str, Any]] = [
        t["function"] for t in request.get("tools") or [] if t.get("type") == "function"
    ]
    choice = request.get("tool_choice", "auto")
    if not functions or choice == "none":
        return None
    if isinstance(choice, Mapping):
        wanted = choice.get("function", {}).get("name")
        return next((f for f in functions if f.get("name") == wanted), None)
    messages = request.get("messages") or [{}]
    if choice != "required" and messages[-1].get("role") != "user":
        return None
    asked = set(_stems(last_user_text(request)))

    def overlap(function: Mapping[str, Any]) -> int:
        words = f"{function.get('name', '')} {function.get('description', '')}"
        return len(asked & set(_stems(words)))

    return max(functions, key=overlap)


def _stems(text: str) -> list[str]:
    return [word[:5] for word in re.findall(r"[a-z]{3,}", text.lower().replace("_", " "))]


def _topic(text: str) -> str:
    words = re.findall(r"[\w'.-]+", text)
    return " ".join(words[:8]) or "this"
