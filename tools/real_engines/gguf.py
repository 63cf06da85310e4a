"""The tiny model as llama.cpp reads models: one GGUF file with tokenizer and chat template.

Format: `docs/gguf.md` of github ggml-org/ggml, version 3; names of keys and tensors:
`gguf-py/gguf/constants.py` of llama.cpp (architecture `llama`, tokenizer model `llama`).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tools.real_engines import script, weights

ALIGNMENT: Final = 32
UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
F32: Final = 0
NORMAL, CONTROL, USER_DEFINED, BYTE = 1, 3, 4, 6
SPACE: Final = "\u2581"
"""How this tokenizer writes a space in front of a word."""

TENSORS: Final = {
    "tok_embeddings.weight": "token_embd.weight",
    "layers.0.attention.wq.weight": "blk.0.attn_q.weight",
    "layers.0.attention.wk.weight": "blk.0.attn_k.weight",
    "layers.0.attention.wv.weight": "blk.0.attn_v.weight",
    "layers.0.attention.wo.weight": "blk.0.attn_output.weight",
    "layers.0.feed_forward.w1.weight": "blk.0.ffn_gate.weight",
    "layers.0.feed_forward.w2.weight": "blk.0.ffn_down.weight",
    "layers.0.feed_forward.w3.weight": "blk.0.ffn_up.weight",
    "layers.0.attention_norm.weight": "blk.0.attn_norm.weight",
    "layers.0.ffn_norm.weight": "blk.0.ffn_norm.weight",
    "norm.weight": "output_norm.weight",
    "output.weight": "output.weight",
}

TEMPLATE: Final = """\
{%- set effort = reasoning_effort if reasoning_effort is defined and reasoning_effort else 'none' -%}
{%- macro plain(content) -%}
  {%- if content is string -%}{{- content -}}
  {%- else -%}
    {%- for part in content -%}
      {%- if part.type == 'thinking' -%}{{- '[THINK]' + part.thinking + '[/THINK]' -}}
      {%- else -%}{{- part.text -}}{%- endif -%}
    {%- endfor -%}
  {%- endif -%}
{%- endmacro -%}
{{- bos_token -}}
{%- for message in messages if message.role == 'system' -%}
  {{- '[SYSTEM_PROMPT]' + plain(message.content) + '[/SYSTEM_PROMPT]' -}}
{%- endfor -%}
{{- '[MODEL_SETTINGS]{"reasoning_effort": "' + effort + '"}[/MODEL_SETTINGS]' -}}
{%- if tools -%}{{- '[AVAILABLE_TOOLS]' + (tools | tojson) + '[/AVAILABLE_TOOLS]' -}}{%- endif -%}
{%- for message in messages -%}
  {%- if message.role == 'user' -%}
    {{- '[INST]' + plain(message.content) + '[/INST]' -}}
  {%- elif message.role == 'tool' -%}
    {{- '[TOOL_RESULTS]' + plain(message.content) + '[/TOOL_RESULTS]' -}}
  {%- elif message.role == 'assistant' -%}
    {%- if message.content -%}{{- plain(message.content) -}}{%- endif -%}
    {%- for call in message.tool_calls or [] -%}
      {%- set given = call.function.arguments -%}
      {{- '[TOOL_CALLS]' + call.function.name + '[ARGS]' -}}
      {{- given if given is string else (given | tojson) -}}
    {%- endfor -%}
    {{- eos_token -}}
  {%- endif -%}
{%- endfor -%}
"""
"""The vendor's format with model settings; llama.cpp knows its parser by the marks in the text."""

Value = bool | int | float | str | list[str] | list[int] | list[float]


def write(path: Path) -> None:
    """Write the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content())


def content() -> bytes:
    """Return the whole file."""
    found = weights.build()
    tensors = {TENSORS[name]: matrix for name, matrix in found.matrices.items()}
    vectors = {TENSORS[name]: [value] * weights.DIM for name, value in found.vectors.items()}
    bodies: list[bytes] = []
    infos: list[bytes] = []
    at = 0
    for name, shape, body in (
        *((name, (one.columns, one.rows), one.float32()) for name, one in tensors.items()),
        *((name, (len(one),), struct.pack(f"<{len(one)}f", *one)) for name, one in vectors.items()),
    ):
        sizes = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        infos.append(_text(name) + sizes + struct.pack("<IQ", F32, at))
        padded = body + b"\0" * (-len(body) % ALIGNMENT)
        bodies.append(padded)
        at += len(padded)
    metadata = _metadata()
    head = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(metadata))
    head += b"".join(_text(name) + _value(value) for name, value in metadata.items())
    head += b"".join(infos)
    return head + b"\0" * (-len(head) % ALIGNMENT) + b"".join(bodies)


def _metadata() -> Mapping[str, Value]:
    number = script.ids()
    return {
        "general.architecture": "llama",
        "general.name": "a scripted model of one layer",
        "general.alignment": ALIGNMENT,
        "llama.block_count": 1,
        "llama.context_length": weights.CONTEXT,
        "llama.embedding_length": weights.DIM,
        "llama.feed_forward_length": weights.HIDDEN_DIM,
        "llama.attention.head_count": weights.HEADS,
        "llama.attention.head_count_kv": weights.KV_HEADS,
        "llama.attention.key_length": weights.HEAD_DIM,
        "llama.attention.value_length": weights.HEAD_DIM,
        "llama.attention.layer_norm_rms_epsilon": 1e-05,
        "llama.rope.dimension_count": weights.HEAD_DIM,
        "llama.rope.freq_base": weights.ROPE_THETA,
        "llama.vocab_size": len(script.vocabulary()),
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": [_piece(token) for token in script.vocabulary()],
        "tokenizer.ggml.scores": [0.0] * len(script.vocabulary()),
        "tokenizer.ggml.token_type": [_kind(token) for token in script.vocabulary()],
        "tokenizer.ggml.bos_token_id": number[script.BOS],
        "tokenizer.ggml.eos_token_id": number[script.EOS],
        "tokenizer.ggml.unknown_token_id": number["<unk>"],
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_space_prefix": False,
        "tokenizer.chat_template": TEMPLATE,
    }


def _piece(token: script.Token) -> str:
    if token.is_special:
        return token.name
    if len(token.text) == 1:
        return f"<0x{token.text[0]:02X}>"
    text = token.text.decode()
    return text if _kind(token) == USER_DEFINED else text.replace(" ", SPACE)


def _kind(token: script.Token) -> int:
    if token.is_special:
        return CONTROL
    if len(token.text) == 1:
        return BYTE
    looked_for = {script.DEEP.encode(), script.FOREVER.encode()}
    return USER_DEFINED if token.text in looked_for else NORMAL


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(value: Value) -> bytes:
    kind = _value_type(value)
    if isinstance(value, list):
        item = INT32 if isinstance(value[0], int) else _value_type(value[0])
        packed = b"".join(_packed(one, item) for one in value)
        return struct.pack("<IIQ", kind, item, len(value)) + packed
    return struct.pack("<I", kind) + _packed(value, kind)


def _value_type(value: Value) -> int:
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, list):
        return ARRAY
    if isinstance(value, str):
        return STRING
    return UINT32 if isinstance(value, int) else FLOAT32


def _packed(value: str | float, kind: int) -> bytes:
    if isinstance(value, str):
        return _text(value)
    return struct.pack({BOOL: "<?", UINT32: "<I", INT32: "<i", FLOAT32: "<f"}[kind], value)
