"""Whether the engine answers, asked from its own host through the guard."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from typing import NamedTuple, Optional

ASK_TIMEOUT_S = 5.0
"""Real seconds for one question on the loopback; SGLang's /health generates one token."""
LARGEST_ANSWER_BYTES = 1024 * 1024

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Answer(NamedTuple):
    """What /v1/models said: a status, the models it names, or why there was no answer."""

    models: tuple[str, ...]
    reason: str


def base_url(port: int) -> str:
    """Where the engine listens; a host without a loopback of its own names another address."""
    address = os.environ.get("CLORE_INFERENCE_LOOPBACK", "127.0.0.1")
    return f"http://{address}:{port}"


def ask(port: int, key: str) -> Optional[Answer]:  # noqa: UP045 - Python 3.9
    """The models behind the door when /health is 200 and the key opens it; else None.

    A door that stays shut for our key although the engine is healthy is told as a reason.
    """
    healthy, _ = _get(f"{base_url(port)}/health", "")
    if healthy != 200:
        return None
    status, body = _get(f"{base_url(port)}/v1/models", key)
    if status != 200:
        return Answer((), f"/health answers 200 but /v1/models answers {status or 'nothing'}")
    try:
        names = tuple(str(model["id"]) for model in json.loads(body)["data"])
    except (ValueError, KeyError, TypeError):
        return Answer((), "/v1/models answers 200 without a list of models")
    return Answer(names, "")


def _get(url: str, key: str) -> tuple[int, bytes]:
    request = urllib.request.Request(url)  # noqa: S310 - http to our own loopback, built above
    if key:
        request.add_header("Authorization", f"Bearer {key}")
    try:
        with _DIRECT.open(request, timeout=ASK_TIMEOUT_S) as answer:
            return int(answer.status), bytes(answer.read(LARGEST_ANSWER_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code), b""
    except (OSError, ValueError):
        return 0, b""
