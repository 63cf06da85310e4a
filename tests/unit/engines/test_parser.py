"""What the engines' parsers say to a line, said without them."""

from __future__ import annotations

import pytest

from clore_inference import engines
from clore_inference.rules import Facts, judge

IMAGES = {
    "vllm": "vllm/vllm-openai:v0.32.0",
    "sglang": "lmsysorg/sglang:v0.5.23",
    "llamacpp": "ghcr.io/ggml-org/llama.cpp:full-cuda-b11434",
}
STARTS = {
    "vllm": "vllm serve m",
    "sglang": "python3 -m sglang.launch_server",
    "llamacpp": "llama-server",
}


def refused(words: str, *, engine: str = "vllm", image: str | None = None) -> list[tuple[str, str]]:
    line = engines.recognise(
        f"{STARTS[engine]} {words}".split(), image=IMAGES[engine] if image is None else image
    )
    assert line
    return [(one.flag, one.kind) for one in engines.refusals(line)]


@pytest.mark.parametrize(
    "words",
    ["--max-model-len 64k", "--max-model-len=auto", "--max_model_len 65536", "--max-model-len 1.5k", "-tp 4", "-tp=4",
     "--tensor-parallel 4", "--speculative-config.method eagle", "--limit-mm-per-prompt.image 1",
     '--limit-mm-per-prompt {"image":1}', "--no-enable-prefix-caching", "--kv-cache-dtype fp8", "-O3", "--port $PORT",
     "--gpu-memory-utilization .9", "--port 8000 > log 2>&1 --nothing", "--port 8000 && curl --fail x", "--port 8000; ls --all",
     "--middleware a.B --middleware c.D", "--seed -1", "-h"],
)  # fmt: skip
def test_what_vllm_takes_is_not_refused(words: str) -> None:
    assert refused(words) == []


@pytest.mark.parametrize(
    ("words", "flag", "kind"),
    [("--enable-reasoning", "--enable-reasoning", "unknown"), ("--swap-space=4", "--swap-space", "unknown"),
     ("--context-length=65536", "--context-length", "unknown"), ("--tensor-paralel-size=4", "--tensor-paralel-size", "unknown"),
     ("--enable", "--enable", "unknown"), ("-tp4", "-tp4", "unknown"), ("--port", "--port", "value"),
     ("--port --host x", "--port", "value"), ("--port 80a", "--port", "value"), ("--max-model-len many", "--max-model-len", "value"),
     ("--max-model-len 1.5K", "--max-model-len", "value"), ("--kv-cache-dtype q8_0", "--kv-cache-dtype", "value"),
     ("--gpu-memory-utilization ninety", "--gpu-memory-utilization", "value"), ("--speculative-config eagle", "--speculative-config", "value"),
     ("--enable-chunked-prefill=true", "--enable-chunked-prefill", "value"), ("--enable-chunked-prefill true", "true", "stray"),
     ("--host= 0.0.0.0", "0.0.0.0", "stray"), ("n", "n", "stray"), ("-ngl=99", "-n", "value")],
)  # fmt: skip
def test_what_vllm_refuses_is_refused(words: str, flag: str, kind: str) -> None:
    assert refused(words) == [(flag, kind)]


@pytest.mark.parametrize(
    ("engine", "words", "found"),
    [("sglang", "--tp-size 4 --tool-call-parser mistral", []), ("sglang", "--kv-cache-dtype fp8", [("--kv-cache-dtype", "value")]),
     ("sglang", "--max-model-len=1", [("--max-model-len", "unknown")]), ("sglang", "--tokenizer-mode mistral", [("--tokenizer-mode", "value")]),
     ("sglang", "--context_length=1", [("--context_length", "unknown")]),
     ("llamacpp", "-m x -c 32768 -ngl all -ctk q8_0 --jinja", []), ("llamacpp", "-ctk fp8", [("-ctk", "value")]),
     ("sglang", "m --tp-size 1", [("m", "stray")]), ("llamacpp", "-ngl99", [("-ngl99", "unknown")]),
     ("llamacpp", "--ctx=1", [("--ctx", "unknown")]), ("llamacpp", "--tensor-parallel-size=1", [("--tensor-parallel-size", "unknown")])],
)  # fmt: skip
def test_the_others_are_held_to_their_own_flags(
    engine: str, words: str, found: list[tuple[str, str]]
) -> None:
    assert refused(words, engine=engine) == found


def test_a_release_between_two_drawn_ones_is_given_the_benefit_of_the_doubt() -> None:
    assert refused("--kv-cache-dtype q8_0", image="vllm/vllm-openai:v0.32.0")
    assert not refused("--kv-cache-dtype q8_0", image="vllm/vllm-openai:v0.33.0")
    assert not refused("--kv-cache-dtype q8_0", image="vllm/vllm-openai:v0.32.5")
    assert not refused("--kv-cache-dtype q8_0", image="vllm/vllm-openai:latest")
    assert refused("--enable-reasoning", image="vllm/vllm-openai:latest"), "no release has it"


@pytest.mark.parametrize(
    ("engine", "words", "says"),
    [("vllm", "--enable-reasoning", "--reasoning-parser alone"), ("sglang", "--max-model-len 1", "spells it --context-length"),
     ("vllm", "--context-length 1", "spells it --max-model-len"), ("llamacpp", "--max-model-len 1", "spells it --ctx-size"),
     ("vllm", "--tensor-paralel-size 4", "did you mean --tensor-parallel-size?")],
)  # fmt: skip
def test_a_refused_flag_is_told_with_the_right_one(engine: str, words: str, says: str) -> None:
    facts = Facts.of_engine_line(f"{STARTS[engine]} {words}".split(), image=IMAGES[engine])
    assert facts
    found = [one.text for one in judge(facts) if one.rule == "clore-engine-forbid-refused-flag"]
    assert len(found) == 1
    assert says in found[0]


@pytest.mark.parametrize("words", [["bash", "-c", "vllm serve m"], ["/bin/sh", "-lc", "x"], []])
def test_another_program_in_an_engines_image_is_not_judged_as_the_engine(words: list[str]) -> None:
    line = engines.recognise(words, image="vllm/vllm-openai:v0.32.0")
    assert line
    assert engines.refusals(line) == ()


def test_a_switch_can_be_turned_off_by_no_in_every_release() -> None:
    for release in ("0.20.2", "0.32.0", "0.33.0"):
        image = f"vllm/vllm-openai:v{release}"
        assert refused("--no-enable-prefix-caching", image=image) == [], release
        assert refused("--no-port", image=image) == [("--no-port", "unknown")]


def test_words_before_the_engine_are_not_its_flags() -> None:
    line = engines.recognise(["nohup", "--odd", "vllm", "serve", "m", "--port", "8000"])
    assert line
    assert engines.refusals(line) == ()


def test_a_containers_command_without_a_start_is_all_flags() -> None:
    line = engines.recognise(["m", "--enable-reasoning"], image="vllm/vllm-openai:v0.32.0")
    assert line
    assert [one.flag for one in engines.refusals(line)] == ["--enable-reasoning"]


@pytest.mark.parametrize(
    ("image", "version"),
    [("ghcr.io/ggml-org/llama.cpp:full-cuda-b11434", "b11434"), ("ghcr.io/ggml-org/llama.cpp:server-cuda", ""),
     ("lmsysorg/sglang:v0.5.23-cu130", "0.5.23-cu130"), ("lmsysorg/sglang:latest", "")],
)  # fmt: skip
def test_a_version_is_read_from_each_engines_tag(image: str, version: str) -> None:
    line = engines.recognise(["x"], image=image)
    assert line
    assert line.version == version
