"""The door in front of an engine: one file, standard library only, pure ASGI, Python 3.9 or newer.

It stands outermost in the engine's own process (`vllm serve ... --middleware clore_guard.Guard`; for
SGLang see `sglang_launcher.py`) and reads its settings from the JSON file that the environment
variable `CLORE_INFERENCE_GUARD` names:

    {"keys_file": "/.../keys.json", "engine_key_file": "/.../engine.key", "engine": "vllm",
     "served_model": "mistral-medium-3.5", "max_body_bytes": 8388608, "timeout_s": 900}

Only `keys_file` is required. `engine_key_file` holds the engine's private key as one line of text;
it never leaves the host and is refused at the door. The keys file is

    {"keys": [{"name": "default", "sha256": "<hex of the key's SHA-256>", "role": "user"}]}

Roles are `user` (models, chat, completions) and `ops` (metrics). The file is looked at on every
request: a key that was taken out is refused at once, and without the file every key is.

What passes: the exact paths of `ROUTES`, nothing else. `reasoning_mode` becomes the engines'
`reasoning_effort`; answers carry `reasoning` and `reasoning_content` alike. `python3 -m clore_guard`
builds a guard and exits with 0, so that a bad setting is seen before an engine loads for an hour.
"""

# ruff: noqa: UP045, PTH116, PTH123 - Python 3.9 runs this; a stat on every request should be cheap
from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import math
import os
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Optional

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

SETTINGS_VARIABLE = "CLORE_INFERENCE_GUARD"
ROUTES = {
    ("GET", "/health"): None,
    ("GET", "/v1/models"): "user",
    ("POST", "/v1/chat/completions"): "user",
    ("POST", "/v1/completions"): "user",
    ("GET", "/metrics"): "ops",
}
"""Method and exact path to the role that opens it; `None` needs no key."""

MAX_BODY_BYTES = 8 * 1024 * 1024
"""256K tokens of text are 1 to 4 MB; parsing costs the event loop 3 to 4 ms per MB (measured)."""
MAX_DEPTH = 64
MAX_INTEGER_DIGITS = 20  # 64 bits
TIMEOUT_S = 900.0
BODY_TIMEOUT_S = 30.0
"""A body of the largest size arrives in 30 s at 2.2 Mbit/s."""
EFFORT = {"instant": "none", "deep": "high"}
SAMPLING = {"none": {"temperature": 0.15}, "high": {"temperature": 0.7, "top_p": 0.95}}
"""The vendor's recommendation by mode; source: the guide's sampling hint, the model card."""
HIDDEN_SWITCHES = ("reasoning_mode", "reasoning_effort", "thinking", "enable_thinking")
FORWARDED_HEADERS = (b"host", b"accept", b"user-agent")
FRAMING_HEADERS = (b"content-length", b"transfer-encoding")
"""At most one of them: two servers in a row that believe different ones see different requests."""


class Refusal(Exception):
    """An answer that the guard gives in the engine's place."""

    def __init__(self, status: int, code: str, message: str, param: Optional[str] = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.body = error_body(message, code, param)


def error_body(message: str, code: str, param: Optional[str] = None) -> bytes:
    """Return an error in the shape that every client of this API reads."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return dump({"error": error})


def dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


# Requests: pure functions of bytes.


def parse_request(body: bytes) -> dict[str, Any]:
    """Return the JSON object in `body`; anything that two parsers could read apart is refused."""
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_int=_integer,
            parse_float=_finite,
        )
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise Refusal(400, "invalid_json", f"The body is not valid JSON: {error}.") from None
    if not isinstance(value, dict):
        raise Refusal(400, "invalid_json", "The body must be a JSON object.")
    _check_depth(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _integer(digits: str) -> int:
    if len(digits) > MAX_INTEGER_DIGITS:
        raise ValueError(f"an integer has more than {MAX_INTEGER_DIGITS} digits")
    return int(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for item in level for child in _children(item)]
        if not level:
            return
    raise _too_deep()


def _children(item: Any) -> Iterable[Any]:
    found = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    return [child for child in found if isinstance(child, (dict, list))]


def _too_deep() -> Refusal:
    return Refusal(400, "invalid_json", f"The body is nested deeper than {MAX_DEPTH} levels.")


def rewrite_request(path: str, body: bytes, served_model: Optional[str] = None) -> bytes:
    """Return the body that the engine is to see: what was checked, and nothing else."""
    payload = _flatten(parse_request(body))
    model = payload.get("model")
    if served_model and model is not None and model != served_model:
        text = (
            f"The model {str(model)[:80]!r} is not served here; this endpoint is {served_model!r}."
        )
        raise Refusal(404, "model_not_found", text, "model")
    effort = _effort(payload) if path == "/v1/chat/completions" else _no_effort(payload)
    for name, value in SAMPLING[effort].items():
        if payload.get(name) is None:
            payload[name] = value
    try:
        return json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Refusal(400, "invalid_json", "A string holds half a surrogate pair.") from None


def _flatten(payload: dict[str, Any]) -> dict[str, Any]:
    """Bring a literal `extra_body` to the top level, as the Python client does before it sends."""
    extra = payload.pop("extra_body", None)
    if extra is None:
        return payload
    if not isinstance(extra, dict):
        raise Refusal(400, "invalid_value", "extra_body must be an object.", "extra_body")
    for name, value in extra.items():
        if name == "extra_body":
            raise Refusal(400, "invalid_value", "extra_body is nested in itself.", name)
        if payload.get(name) is not None and dump(payload[name]) != dump(value):
            raise _contradiction(name, f"{name} is given twice, with different values")
        payload[name] = value
    return payload


def _effort(payload: dict[str, Any]) -> str:
    """Set `reasoning_effort` from the mode and return it; the default mode is instant."""
    _refuse_hidden_switches(payload)
    mode = payload.pop("reasoning_mode", None)
    effort = payload.get("reasoning_effort")
    if mode is not None and (not isinstance(mode, str) or mode not in EFFORT):
        raise _unknown("reasoning_mode", mode, "'instant', 'deep'")
    if effort is not None and (not isinstance(effort, str) or effort not in SAMPLING):
        raise _unknown("reasoning_effort", effort, "'none', 'high'")
    wanted = EFFORT[mode] if mode is not None else effort or "none"
    if effort is not None and effort != wanted:
        raise _contradiction(
            "reasoning_mode",
            f"reasoning_mode {mode!r} means reasoning_effort {wanted!r}, but {effort!r} is given",
        )
    payload["reasoning_effort"] = wanted
    return wanted


def _refuse_hidden_switches(payload: Mapping[str, Any]) -> None:
    """Some engines let these override `reasoning_effort`, others ignore them."""
    inner = payload.get("chat_template_kwargs")
    found = [name for name in HIDDEN_SWITCHES if isinstance(inner, dict) and name in inner]
    if found:
        raise _contradiction("chat_template_kwargs", f"chat_template_kwargs sets {found[0]}")
    if payload.get("reasoning") is not None:
        raise _contradiction("reasoning", "a reasoning object is given")


def _no_effort(payload: dict[str, Any]) -> str:
    for name in ("reasoning_mode", "reasoning_effort"):
        if payload.pop(name, None) is not None:
            text = f"{name} belongs to /v1/chat/completions; a bare completion has no modes."
            raise Refusal(400, "invalid_value", text, name)
    return "none"


def _contradiction(param: str, fact: str) -> Refusal:
    text = f"{fact}; choose the mode in one place, with reasoning_mode 'instant' or 'deep'."
    return Refusal(400, "contradiction", text[0].upper() + text[1:], param)


def _unknown(param: str, value: Any, known: str) -> Refusal:
    shown = str(value)[:40]
    return Refusal(400, "invalid_value", f"{param} {shown!r} is unknown; known are {known}.", param)


def presented_key(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the bearer key of a request; empty when there is none."""
    found = [value for name, value in headers if name == b"authorization"]
    if len(found) > 1:
        raise Refusal(400, "invalid_header", "The request has two Authorization headers.")
    scheme, _, key = found[0].strip().partition(b" ") if found else (b"", b"", b"")
    return key.strip() if scheme.lower() == b"bearer" else b""


def check_body_headers(headers: Iterable[tuple[bytes, bytes]], limit_bytes: int) -> None:
    """Refuse, before a byte is read, what would not be read anyway, or be read apart elsewhere."""
    framings = 0
    for name, value in headers:
        plain = value.strip().lower()
        framings += name in FRAMING_HEADERS
        if framings > 1 or (name == b"transfer-encoding" and plain != b"chunked"):
            text = "The length of the body is given twice, or in a coding other than chunked."
            raise Refusal(400, "invalid_header", text)
        if name == b"content-encoding" and plain != b"identity":
            raise Refusal(415, "unsupported_encoding", "Send the body uncompressed.")
        if name == b"content-type" and plain.split(b";")[0].strip() != b"application/json":
            raise Refusal(415, "unsupported_type", "Send Content-Type: application/json.")
        if name == b"content-length" and (not plain.isdigit() or int(plain[:20]) > limit_bytes):
            raise _too_large(limit_bytes)


def _too_large(limit_bytes: int) -> Refusal:
    return Refusal(413, "body_too_large", f"The body is larger than {limit_bytes} bytes.")


def forward_headers(headers: Iterable[tuple[bytes, bytes]], key: bytes, body: bytes) -> Headers:
    """Return what the engine is told: its own key, the new length, and little else."""
    kept = [(name, value) for name, value in headers if name in FORWARDED_HEADERS]
    if key:
        kept.append((b"authorization", b"Bearer " + key))
    if body:
        kept.append((b"content-type", b"application/json"))
        kept.append((b"content-length", str(len(body)).encode()))
    return kept


# Answers: pure functions of bytes.


def mirror(fields: dict[str, Any]) -> bool:
    """Give a message or delta the missing one of its two reasoning fields; say if it did."""
    if ("reasoning" in fields) == ("reasoning_content" in fields):
        return False
    there = "reasoning" if "reasoning" in fields else "reasoning_content"
    fields["reasoning_content" if there == "reasoning" else "reasoning"] = fields[there]
    return True


def _mirror_choices(event: Any, part: str) -> bool:
    choices = event.get("choices") if isinstance(event, dict) else None
    found = [choice.get(part) for choice in choices or () if isinstance(choice, dict)]
    return any([mirror(fields) for fields in found if isinstance(fields, dict)])  # noqa: C419 - all


def rewrite_answer(body: bytes) -> bytes:
    """Return a whole chat answer with both reasoning fields in every message."""
    try:
        answer = json.loads(body.decode())
        for choice in answer["choices"]:
            if not mirror(choice["message"]):
                choice["message"].setdefault("reasoning", None)
                choice["message"].setdefault("reasoning_content", None)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return body
    return dump(answer)


def rewrite_error(status: int, body: bytes) -> bytes:
    """Return an engine's error in the API's shape; the engines have three others."""
    try:
        found = json.loads(body.decode())
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict) and isinstance(found.get("error"), dict):
        return body
    if isinstance(found, dict) and "message" in found:
        fields = {name: found.get(name) for name in ("message", "type", "param", "code")}
        return dump({"error": fields})
    detail = found.get("detail", found.get("error")) if isinstance(found, dict) else None
    text = detail if isinstance(detail, str) else f"The engine answered {status}."
    return error_body(text, "engine_error")


_STRING = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_DELTA = re.compile(
    rb'(?<!\\)("delta":\{(?:"(?:role|content)":(?:null|' + _STRING + rb"),)*)"
    rb'"reasoning(?:_content)?":(null|' + _STRING + rb")(?=[,}])"
)
_MARK = b'"reasoning'


def _both(match: re.Match[bytes]) -> bytes:
    return b'%b"reasoning":%b,"reasoning_content":%b' % (match[1], match[2], match[2])


class StreamRewriter:
    """Give every delta of an event stream both fields; holds at most one unfinished line.

    Whole events go through one anchored expression. Only where it does not account for every mark
    in the bytes (text that speaks of "reasoning", other field orders, cut lines) is a line parsed.
    """

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, chunk: bytes) -> bytes:
        """Return what can be sent now."""
        if not self._tail and chunk.endswith(b"\n\n"):
            marks = chunk.count(_MARK)
            if not marks:
                return chunk
            rewritten, count = _DELTA.subn(_both, chunk)
            if count == marks:
                return rewritten
        lines = (self._tail + chunk).split(b"\n")
        self._tail = lines.pop()
        return b"".join([rewrite_line(line) + b"\n" for line in lines])

    def finish(self) -> bytes:
        """Return what is still held; the stream has ended."""
        tail, self._tail = self._tail, b""
        return rewrite_line(tail)


def rewrite_line(line: bytes) -> bytes:
    """Return one line of an event stream, without its newline, with both fields."""
    if _MARK not in line or not line.startswith(b"data:"):
        return line
    try:
        event = json.loads(line[5:].decode())
    except (ValueError, RecursionError):
        return line
    if not _mirror_choices(event, "delta"):
        return line
    return b"data: " + dump(event) + (b"\r" if line.endswith(b"\r") else b"")


# The door itself.


class Keys:
    """The named keys of a file, read again whenever the file has changed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._stamp: tuple[int, ...] = ()
        self._keys: list[tuple[bytes, str]] = []

    def role(self, key: bytes) -> Optional[str]:
        """Return the role of a presented key; every key is compared, whatever matched before."""
        digest = hashlib.sha256(key).hexdigest().encode()
        found = None
        for expected, role in self._current():
            if hmac.compare_digest(digest, expected):
                found = role
        return found if key else None

    def _current(self) -> list[tuple[bytes, str]]:
        try:
            stat = os.stat(self._path)
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if stamp != self._stamp:
                self._keys, self._stamp = self._read(), stamp
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            self._keys, self._stamp = [], ()
        return self._keys

    def _read(self) -> list[tuple[bytes, str]]:
        with open(self._path, encoding="utf-8") as file:
            rows = json.load(file)["keys"]
        return [(row["sha256"].lower().encode(), row.get("role", "user")) for row in rows]


class Inbox:
    """What the engine receives: the body once, then the end of the client or of its time.

    One pending read of the client is kept between calls: some engines poll, and cancel the poll.
    """

    def __init__(self, receive: Receive, body: bytes) -> None:
        self._receive = receive
        self._body: Optional[bytes] = body
        self._client: Optional[asyncio.Future[Message]] = None
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def __call__(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        if self._client is None:
            self._client = asyncio.ensure_future(self._receive())
        if not self._client.done() and not self._over.done():
            waited = (self._client, self._over)
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if self._over.done():
            return {"type": "http.disconnect"}
        message = self._client.result()
        if message["type"] != "http.disconnect":
            self._client = None
        return message

    def expire(self) -> None:
        """Tell the engine that nobody listens any more; it then stops generating."""
        self._over.set_result(None)

    def release(self) -> None:
        """Let go of the client; the engine has returned."""
        if self._client is not None:
            self._client.cancel()


class Outbox:
    """What the client gets: the engine's answer, rewritten; nothing after the deadline's answer."""

    def __init__(self, send: Send, path: str) -> None:
        self._send = send
        self._path = path
        self._start: Message = {}
        self._held: Optional[list[bytes]] = None
        self._stream: Optional[StreamRewriter] = None
        self._started = self._done = self.muted = False

    async def __call__(self, message: Message) -> None:
        if self.muted:
            return
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif message["type"] == "http.response.body":
            await self._continue(message.get("body", b""), more=message.get("more_body", False))

    async def _begin(self, message: Message) -> None:
        self._start = message
        headers = dict(message.get("headers", ()))
        chat = self._path == "/v1/chat/completions" and message["status"] < 400
        if chat and headers.get(b"content-type", b"").startswith(b"text/event-stream"):
            self._stream = StreamRewriter()
        elif chat or message["status"] >= 400 or self._path == "/health":
            self._held = []
            return
        self._started = True
        await self._send(message)

    async def _continue(self, body: bytes, *, more: bool) -> None:
        self._done = not more
        if self._held is not None:
            self._held.append(body)
            if not more:
                await self._send_held(b"".join(self._held))
            return
        if self._stream is not None:
            body = self._stream.feed(body) + (b"" if more else self._stream.finish())
        if body or not more:
            await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def _send_held(self, body: bytes) -> None:
        status = self._start["status"]
        headers = [pair for pair in self._start["headers"] if pair[0] != b"content-length"]
        if self._path == "/health":
            body, headers = b"", []
        elif status == 401:
            status, headers = 502, [JSON_TYPE, NO_RETRY]
            body = error_body("The engine refused the guard's own key.", "engine_key_refused")
        elif status >= 400:
            body = rewrite_error(status, body)
            headers = [pair for pair in headers if pair[0] != b"content-type"] + [JSON_TYPE]
        else:
            body = rewrite_answer(body)
        await answer(self._send, status, body, headers)

    async def expire(self, timeout_s: float) -> None:
        """Answer in the engine's place: the time of this request is over."""
        self.muted = True
        if self._done:
            return
        body = error_body(f"The answer took longer than {timeout_s:g} s.", "deadline_exceeded")
        if not self._started:
            await answer(self._send, 504, body, [JSON_TYPE, NO_RETRY])
            return
        last = b"\ndata: " + body + b"\n\n" if self._stream is not None else b""
        await self._send({"type": "http.response.body", "body": last, "more_body": False})


JSON_TYPE = (b"content-type", b"application/json")
NO_RETRY = (b"x-should-retry", b"false")
"""The `openai` client repeats 408, 429 and 5xx on its own unless it is told not to."""


async def answer(send: Send, status: int, body: bytes, headers: Headers) -> None:
    """Send a whole answer."""
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def refuse(send: Send, refusal: Refusal) -> None:
    """Send a refusal; the connection is closed where a body may still be on its way."""
    headers = [JSON_TYPE]
    if refusal.status in (408, 413, 415) or refusal.code == "invalid_header":
        headers.append((b"connection", b"close"))
    if refusal.status in (408, 429) or refusal.status >= 500:
        headers.append(NO_RETRY)
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await answer(send, refusal.status, refusal.body, headers)


async def read_body(receive: Receive, limit_bytes: int, timeout_s: float) -> Optional[bytes]:
    """Return the request's body; `None` when the client has gone."""
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_s
    chunks: list[bytes] = []
    size = 0
    while True:
        task = asyncio.ensure_future(receive())
        try:
            await asyncio.wait({task}, timeout=max(0.0, end - loop.time()))
            if not task.done():
                text = f"The body did not arrive within {timeout_s:g} s."
                raise Refusal(408, "body_too_slow", text)
            message = task.result()
        finally:
            task.cancel()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit_bytes:
            raise _too_large(limit_bytes)
        if not message.get("more_body", False):
            return b"".join(chunks)


class Guard:
    """The middleware; raises at once when its settings cannot be used."""

    def __init__(self, app: App, settings: Optional[Mapping[str, Any]] = None) -> None:
        if settings is None:
            with open(os.environ[SETTINGS_VARIABLE], encoding="utf-8") as file:
                settings = json.load(file)
        self.app = app
        self.keys = Keys(settings["keys_file"])
        self.engine_key = read_engine_key(settings.get("engine_key_file"))
        self.served_model = settings.get("served_model")
        self.max_body_bytes = int(settings.get("max_body_bytes", MAX_BODY_BYTES))
        self.timeout_s = float(settings.get("timeout_s", TIMEOUT_S))

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            try:
                await self._http(scope, receive, send)
            except Refusal as refusal:
                await refuse(send, refusal)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        path = self._admit(scope)
        body = b""
        if scope["method"] == "POST":
            check_body_headers(scope["headers"], self.max_body_bytes)
            read = await read_body(receive, self.max_body_bytes, BODY_TIMEOUT_S)
            if read is None:
                return
            body = rewrite_request(path, read, self.served_model)
        inner = dict(scope)
        inner["headers"] = forward_headers(scope["headers"], self.engine_key, body)
        inner["query_string"] = b""
        # From 2.4 on, Starlette no longer looks for the disconnect that ends a generation.
        inner["asgi"] = {**scope.get("asgi", {}), "spec_version": "2.3"}
        await self._run(inner, Inbox(receive, body), Outbox(send, path))

    def _admit(self, scope: Message) -> str:
        path = str(scope["path"])
        raw = scope.get("raw_path")
        route = (scope["method"], path)
        if route not in ROUTES or (raw is not None and raw != path.encode()):
            raise Refusal(404, "unknown_route", "This route does not exist here.")
        wanted = ROUTES[route]
        if wanted is None:
            return path
        role = self.keys.role(presented_key(scope["headers"]))
        if role is None:
            text = "The API key is missing or wrong; send Authorization: Bearer <key>."
            raise Refusal(401, "invalid_api_key", text)
        if role != wanted:
            raise Refusal(404, "unknown_route", f"This route is not open to the role {role!r}.")
        return path

    async def _run(self, scope: Message, inbox: Inbox, outbox: Outbox) -> None:
        """Run the engine's application; its task is never cancelled, that would leak its work."""

        async def deadline() -> None:
            await asyncio.sleep(self.timeout_s)
            inbox.expire()
            await outbox.expire(self.timeout_s)

        timer = asyncio.ensure_future(deadline())
        try:
            await self.app(scope, inbox, outbox)
        finally:
            inbox.release()
            if not outbox.muted:
                timer.cancel()
        if outbox.muted:
            await timer


def read_engine_key(path: Optional[str]) -> bytes:
    """Return the engine's private key; empty when it has none."""
    if not path:
        return b""
    with open(path, "rb") as file:
        return file.read().strip()


if __name__ == "__main__":
    Guard(lambda *_: asyncio.sleep(0))
