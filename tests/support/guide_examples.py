"""The five usage examples of Clore's guide, as they stand, and what each has to end with.

Source: https://docs.clore.ai/guides/language-models/mistral-medium-35, usage examples 1 to 5. The
files in `guide/` are the guide's own text. Nothing is changed but the address, and, where the
endpoint is called directly, the key: the guide says to replace the first, its calls know no second.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

FOLDER: Final = Path(__file__).with_name("guide")
WITHIN_S: Final = 180
GUIDES_ADDRESS: Final = "http://localhost:8000"
GUIDES_KEYS: Final = ('api_key="not-needed"', 'api_key="x"')

needs_curl = pytest.mark.skipif(
    shutil.which("curl") is None, reason="curl is not installed: apt install curl"
)


@dataclass(frozen=True)
class Example:
    """One of the guide's examples."""

    file: str
    holds: Callable[[str], None]
    """Given what it printed; raises AssertionError."""

    @property
    def text(self) -> str:
        return (FOLDER / self.file).read_text(encoding="utf-8")

    @property
    def is_curl(self) -> bool:
        return self.file.endswith(".curl")


def _message(printed: str) -> dict[str, Any]:
    answer = json.loads(printed)
    return dict(answer["choices"][0]["message"])


def _instant(printed: str) -> None:
    message = _message(printed)
    assert message["content"].strip()
    assert not message.get("reasoning_content"), "instant mode shows no reasoning"


def _deep(printed: str) -> None:
    message = _message(printed)
    assert message["reasoning_content"].strip(), "the guide reads this field"
    assert message["content"].strip()


def _both_modes(printed: str) -> None:
    instant, _, rest = printed.partition("THINKING:\n")
    thinking, _, answer = rest.partition("\nANSWER:\n")
    assert instant.strip()
    assert thinking.strip(), "getattr(msg, 'reasoning_content') finds the trace"
    assert answer.strip()


def _triage(printed: str) -> None:
    found = ast.literal_eval(printed.strip())
    assert set(found) == {"severity", "categories", "summary", "next_action"}
    assert found["severity"] in ("low", "medium", "high", "critical")
    assert set(found["categories"]) <= {"auth", "payments", "db", "ui", "infra"}


def _tool_call(printed: str) -> None:
    called = re.fullmatch(r"search_orders (\{.*\})", printed.strip().splitlines()[0])
    assert called, printed
    assert "user_id" in json.loads(called[1])


EXAMPLES: Final = (
    Example("1-chat-instant.curl", _instant),
    Example("2-chat-deep.curl", _deep),
    Example("3-openai-client.python", _both_modes),
    Example("4-structured-outputs.python", _triage),
    Example("5-function-calling.python", _tool_call),
)


def run_all(address: str, key: str | None = None) -> None:
    """Run every example against an address that stands before `/v1`; with a key, present it."""
    for example in EXAMPLES:
        text = example.text
        assert text.count(GUIDES_ADDRESS) == 1, example.file
        text = text.replace(GUIDES_ADDRESS, address)
        printed = _curl(text, key) if example.is_curl else _python(text, key)
        try:
            example.holds(printed)
        except (AssertionError, ValueError, KeyError, SyntaxError) as error:
            message = f"example {example.file} printed {printed[:1000]!r}: {error}"
            raise AssertionError(message) from error


def _curl(text: str, key: str | None) -> str:
    if key:
        text = text.replace(" \\\n", f' \\\n  -H "Authorization: Bearer {key}" \\\n', 1)
    return _run("sh", "-c", text)


def _python(text: str, key: str | None) -> str:
    if key:
        found = [one for one in GUIDES_KEYS if one in text]
        assert len(found) == 1, text
        text = text.replace(found[0], f"api_key={key!r}")
    return _run(sys.executable, "-c", text)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
