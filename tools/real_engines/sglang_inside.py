"""Runs inside the parsers' environment: SGLang's own HTTP server, with a script for its engine.

    PYTHONPATH=<SGLang's sources>:<triton>:<our modules> python sglang_inside.py <its flags>

SGLang cannot compute without a GPU. What our launcher and guard touch needs none: its argument
parser, application, middleware, key check, request models, chat and completion handlers, reasoning
and tool parsers. Only `Engine._launch_subprocesses`, which starts the computing processes, is
replaced: it publishes the arguments as the real one does, and hands back a tokenizer manager that
says what `script.py` says. Modules that only a GPU needs are stood in for by empty ones. Nothing
but the standard library, SGLang and `script.py` is imported.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.abc
import importlib.machinery
import json
import os
import runpy
import sys
import types
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final
from unittest.mock import MagicMock

from tools.real_engines import script

GPU_ONLY: Final = (
    "torchvision", "sgl_kernel", "decord", "flashinfer", "soundfile", "av", "torchao",
    "compressed_tensors", "interegular", "pynvml", "setproctitle", "timm", "smg_grpc_proto",
    "smg_grpc_servicer", "torchcodec", "blobfile", "modelscope", "flash_attn", "kernels",
    "sglang.kernels", "sglang.srt.layers", "sglang.srt.distributed", "sglang.srt.model_executor",
    "sglang.srt.models", "sglang.srt.mem_cache",
    "sglang.srt.disaggregation", "sglang.srt.model_loader", "sglang.srt.weight_sync",
)  # fmt: skip
PAUSE_S: Final = 0.002
"""Between two tokens."""
HIGH, TOOLS, FOREVER, PLAIN = 901, 902, 903, 900
"""Token ids by which the stand-in for a tokenizer tells what a prompt asks for."""


class _Anything(type):
    """A class that has every attribute, and decorates whatever it is given."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Anything(name, (), {"__init__": lambda *_args, **_fields: None})

    def __call__(cls, *given: Any, **fields: Any) -> Any:
        del fields
        return given[0] if len(given) == 1 and callable(given[0]) else type.__call__(cls)


class _Empty(types.ModuleType):
    """A module in which everything can be found."""

    __path__: list[str] = []  # noqa: RUF012 - the import system's name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_Anything("stand-in", (), {}), name)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, name: str, path: Any = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if any(name == one or name.startswith(f"{one}.") for one in GPU_ONLY):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _Empty(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing is in it."""


class Tokenizer:
    """Turns a chat into marks, which is all that the script needs."""

    chat_template = "{{ messages }}"
    bos_token_id, eos_token_id = 1, 2
    bos_token, eos_token = script.BOS, script.EOS
    vocab_size = script.LEAST_TOKENS
    additional_stop_token_ids = None

    def apply_chat_template(
        self, messages: Sequence[Any], *, tokenize: bool = True, tools: Any = None, **fields: Any
    ) -> Any:
        """Return the prompt's marks, as numbers or as text."""
        effort = fields.get("reasoning_effort") or "none"
        said = " ".join(str(message) for message in messages)
        marks = [PLAIN]
        marks += [HIGH] if effort != "none" else []
        marks += [TOOLS] if tools else []
        marks += [FOREVER] if script.FOREVER in said else []
        return marks if tokenize else " ".join(map(str, marks))

    def encode(self, text: str, **fields: Any) -> list[int]:
        """Return the marks in a text that is one of ours; one number for any other."""
        del fields
        return [int(word) for word in text.split() if word.isdigit()] if text else []

    def decode(self, ids: Sequence[int], **fields: Any) -> str:
        """Return a text that is encoded into the same marks."""
        del fields
        return " ".join(map(str, ids))

    def get_vocab(self) -> dict[str, int]:
        """Return the numbers of the special tokens."""
        return dict(script.ids())


def answer(ids: Sequence[int]) -> list[str]:
    """Return the words that follow a prompt with these marks."""
    words = [script.THINK, *script.REASONING, script.THOUGHT] if HIGH in ids else []
    if FOREVER in ids:
        return [*script.ENDLESS] * 10_000
    if TOOLS in ids:
        name, _, *arguments = script.CALL
        return [*words, script.TOOL_CALLS, name, script.ARGS, *arguments]
    return [*words, *script.ANSWER]


COUNTERS: Final = "SCRIPTED_COUNTERS"
"""Names the file that tells how many tokens were made, and how many requests are at work."""


class Counted:
    """What the tests judge by; no route of the application shows it."""

    tokens = running = 0

    @classmethod
    def add(cls, *, tokens: int = 0, running: int = 0) -> None:
        """Count, and write it down."""
        cls.tokens += tokens
        cls.running += running
        place = os.environ.get(COUNTERS)
        if place:
            text = json.dumps({"tokens": cls.tokens, "running": cls.running})
            beside = Path(f"{place}.new")
            beside.write_text(text, encoding="utf-8")
            beside.replace(place)


async def generate(request: Any, raw: Any = None) -> AsyncIterator[dict[str, Any]]:
    """Say the script, as the tokenizer manager hands it on: the whole text so far each time."""
    ids = request.input_ids or []
    words = answer(ids)[: request.sampling_params.get("max_new_tokens") or None]
    if (request.sampling_params.get("json_schema") or None) and HIGH not in ids:
        words = list(script.TRIAGE)
    Counted.add(running=1)
    text = ""
    try:
        for number, word in enumerate(words, 1):
            text += word
            Counted.add(tokens=1)
            last = number == len(words)
            if not last and raw is not None and await raw.is_disconnected():
                return
            if last or request.stream:
                yield _piece(request, text, number, last=last)
            await asyncio.sleep(PAUSE_S)
    finally:
        Counted.add(running=-1)


def _piece(request: Any, text: str, number: int, *, last: bool) -> dict[str, Any]:
    reason = {"type": "stop", "matched": script.ids()[script.EOS]} if last else None
    counted = {"prompt_tokens": 4, "completion_tokens": number, "cached_tokens": 0}
    about = {"id": request.rid or "scripted", "finish_reason": reason, **counted}
    about["weight_version"] = "default"
    return {"text": text, "output_ids": [number], "meta_info": about, "index": 0}


def scripted(arguments: Any, serving: Any) -> Any:
    """Return what stands for the tokenizer manager."""
    found = MagicMock()
    found.tokenizer = Tokenizer()
    found.server_args = arguments
    found.request_logger.log_requests = False
    found.served_model_name = arguments.served_model_name
    found.model_path = arguments.model_path
    found.config_value = lambda name, *rest: getattr(arguments, name, *rest or (None,))
    found.generate_request = generate
    found.create_abort_task = lambda _: None
    found.serving_chat_class = serving
    found.gracefully_exit, found.is_generation = False, True
    found.server_status, found.rid_to_state = "Up", {}
    found.last_receive_tstamp = float("inf")  # always just heard of
    config = found.model_config
    config.get_default_sampling_params.return_value = {}
    config.is_multimodal = config.is_multimodal_gen = False
    config.context_len = arguments.context_length
    config.hf_config = types.SimpleNamespace(
        model_type="mistral", architectures=["Mistral"], id2label={0: "a"}
    )
    return found


def replace_engine() -> None:
    """Let the server start without its computing processes."""
    engine = importlib.import_module("sglang.srt.entrypoints.engine").Engine
    context = importlib.import_module("sglang.srt.runtime_context")
    chat = importlib.import_module("sglang.srt.entrypoints.openai.serving_chat")
    templates = importlib.import_module("sglang.srt.parser.template_manager")

    def launch(server_args: Any, **_: Any) -> Any:
        server_args.model_path = "dummy"  # its own word for: ask no checkpoint
        server_args.resolve_once()
        context.publish(server_args, role="tokenizer")
        manager = scripted(server_args, chat.OpenAIServingChat)
        template = templates.TemplateManager()
        scheduled = types.SimpleNamespace(scheduler_infos=[{"max_total_num_tokens": 1000}])
        return manager, template, None, scheduled, None, None

    engine._launch_subprocesses = launch  # noqa: SLF001 - the seam


def main() -> None:
    """Serve with our launcher."""
    transformers = importlib.import_module("transformers")
    for name in ("AutoProcessor", "AutoModel", "AutoImageProcessor", "PreTrainedModel"):
        getattr(transformers, name)  # before the stand-ins: it looks for torchvision by itself
    importlib.import_module("transformers.processing_utils")
    arguments = importlib.import_module("sglang.srt.server_args").ServerArgs
    arguments.add_cli_args(argparse.ArgumentParser())  # with its real choices
    sys.meta_path.insert(0, _Finder())
    sys.argv += ["--device", "cpu"]
    replace_engine()
    runpy.run_module("clore_sglang", run_name="__main__")


if __name__ == "__main__":
    main()
