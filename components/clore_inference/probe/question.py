"""What the endpoint is asked: the guide's own examples, with small budgets of tokens.

Source: https://docs.clore.ai/guides/language-models/mistral-medium-35, usage examples.
"""

from __future__ import annotations

from typing import Any, Final

ANSWER_TOKENS: Final = 64
JSON_TOKENS: Final = 256
DEEP_TOKENS: Final = 512
"""Enough for a short trace and its answer; a trace that fills it is a trace all the same."""

TRIAGE_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "severity": {"type": "string", "enum": ["low", "medium", "high", "critical"]},
        "categories": {
            "type": "array",
            "items": {"type": "string", "enum": ["auth", "payments", "db", "ui", "infra"]},
        },
        "summary": {"type": "string", "maxLength": 240},
        "next_action": {"type": "string"},
    },
    "required": ["severity", "categories", "summary", "next_action"],
    "additionalProperties": False,
}
SEARCH_PARAMETERS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "user_id": {"type": "string"},
        "start_date": {"type": "string", "format": "date"},
        "end_date": {"type": "string", "format": "date"},
    },
    "required": ["user_id"],
}
SEARCH_TOOL: Final[dict[str, Any]] = {
    "type": "function",
    "function": {
        "name": "search_orders",
        "description": "Search the orders database by user ID and optional date range",
        "parameters": SEARCH_PARAMETERS,
    },
}


def instant() -> dict[str, Any]:
    """A short answer without reasoning."""
    return {
        "messages": _say("Name the capital of France in one word."),
        "max_tokens": ANSWER_TOKENS,
        "reasoning_mode": "instant",
    }


def deep() -> dict[str, Any]:
    """An answer after a trace, switched on as the guide's curl examples do."""
    return {
        "messages": _say("What is 17 * 23? Think briefly, then give the number."),
        "temperature": 0.7,
        "top_p": 0.95,
        "max_tokens": DEEP_TOKENS,
        "extra_body": {"reasoning_mode": "deep"},
    }


def stream() -> dict[str, Any]:
    """An answer of several pieces."""
    return {
        "messages": _say("Count from one to five in words."),
        "max_tokens": ANSWER_TOKENS,
        "stream": True,
        "reasoning_mode": "instant",
    }


def tool_call() -> dict[str, Any]:
    """A question that only the tool can answer."""
    return {
        "messages": _say("Find all orders for user u_4821 in April 2026."),
        "tools": [SEARCH_TOOL],
        "tool_choice": "auto",
        "temperature": 0.1,
        "max_tokens": JSON_TOKENS,
    }


def strict_json() -> dict[str, Any]:
    """A report to be classified under a schema."""
    return {
        "messages": [
            {
                "role": "system",
                "content": "Classify the incoming bug report. Return strict JSON.",
            },
            *_say(
                "Login fails for users with apostrophes in their email, "
                "returning 500 from /webapi/login."
            ),
        ],
        "temperature": 0.0,
        "max_tokens": JSON_TOKENS,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "triage", "schema": TRIAGE_SCHEMA, "strict": True},
        },
        "extra_body": {"reasoning_mode": "instant"},
    }


def _say(content: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": content}]
