"""The engines' command lines: what parses, what is refused, and in which words."""

from __future__ import annotations

import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clore_emulator.engines import vllm_arguments
from clore_emulator.engines.flags import human_int, human_int_or_auto, load, version_key
from clore_emulator.engines.llama_arguments import ArgumentError
from clore_emulator.engines.llama_arguments import parse as parse_llama
from clore_emulator.engines.sglang_arguments import prepare_server_args
from support.emulated_engine import GUIDE_SGLANG, GUIDE_VLLM, REPOSITORY

VLLM = load("vllm-0.33.0")
LLAMA = load("llama-server-b11434")


def parse(*words: str, version: str | None = None) -> argparse.Namespace:
    release = load("vllm-0.33.0", version=version) if version else VLLM
    return vllm_arguments.parse(["serve", *words], release)


def refusal(capsys: pytest.CaptureFixture[str], *words: str, version: str | None = None) -> str:
    with pytest.raises(SystemExit) as left:
        parse(*words, version=version)
    assert left.value.code == 2, "argparse leaves with 2"
    return capsys.readouterr().err


def test_the_guides_vllm_command_parses_as_it_stands() -> None:
    parsed = parse(REPOSITORY, *GUIDE_VLLM, "--port", "8000")
    assert (parsed.model, parsed.port) == (REPOSITORY, 8000)
    assert (parsed.tensor_parallel_size, parsed.max_model_len) == (4, 65536)
    assert parsed.served_model_name == ["mistral-medium-3.5"], "the flag takes several names"
    assert parsed.enable_chunked_prefill is True


def test_the_guides_sglang_command_parses_as_it_stands() -> None:
    parsed = prepare_server_args([*GUIDE_SGLANG, "--port", "8000"])
    assert (parsed.model_path, parsed.tp_size, parsed.context_length) == (REPOSITORY, 4, 65536)


def test_defaults_are_those_of_the_releases() -> None:
    assert parse("m").gpu_memory_utilization == 0.92
    assert parse("m").shutdown_timeout == 0
    sglang = prepare_server_args(["--model-path", "m"])
    assert (sglang.host, sglang.port, sglang.enable_metrics) == ("127.0.0.1", 30000, False)


def test_an_unknown_flag_is_refused_by_the_program_not_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = refusal(capsys, "m", "--foo", "--swap-space", "4")
    assert "vllm: error: unrecognized arguments: --foo --swap-space 4" in text


def test_repeating_vllm_serve_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    text = refusal(capsys, "vllm", "serve", REPOSITORY, "--port", "1")
    assert f"vllm: error: unrecognized arguments: serve {REPOSITORY}" in text


def test_a_wrong_choice_names_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    text = refusal(capsys, "m", "--dtype", "fp4")
    assert "vllm serve: error: argument --dtype: invalid choice: 'fp4'" in text


def test_vllm_0_8_5_does_not_know_the_mistral_reasoning_parser(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = refusal(capsys, "m", "--reasoning-parser", "mistral", version="0.8.5")
    assert "invalid choice: 'mistral' (choose from 'deepseek_r1', 'granite')" in text


@pytest.mark.parametrize(
    ("flag", "version", "known"),
    [
        ("--enable-reasoning", "0.9.2", True),
        ("--enable-reasoning", "0.10.0", False),
        ("--disable-log-requests", "0.17.0", True),
        ("--disable-log-requests", "0.18.0", False),
        ("--language-model-only", "0.17.0", False),
        ("--language-model-only", "0.18.0", True),
    ],
)
def test_flags_come_and_go_with_the_release(flag: str, version: str, known: bool) -> None:  # noqa: FBT001
    names = {name for row in load("vllm-0.33.0", version=version).flags for name in row.names}
    assert (flag in names) is known


def test_auto_tool_choice_needs_a_parser_and_not_the_reverse() -> None:
    with pytest.raises(TypeError, match="--enable-auto-tool-choice requires --tool-call-parser"):
        parse("m", "--enable-auto-tool-choice")
    assert parse("m", "--tool-call-parser", "mistral").enable_auto_tool_choice is False


def test_underscores_and_switches_are_spelled_freely() -> None:
    parsed = parse(
        "m", "--max_num_seqs=8", "--no-enable-prefix-caching", "--disable-auto-tool-choice"
    )
    assert (parsed.max_num_seqs, parsed.enable_prefix_caching) == (8, False)
    assert parsed.enable_auto_tool_choice is False


def test_json_flags_take_json_or_dotted_keys(capsys: pytest.CaptureFixture[str]) -> None:
    dotted = parse("m", "--limit-mm-per-prompt.image", "1", "--limit-mm-per-prompt.video=2")
    assert dotted.limit_mm_per_prompt == {"image": 1, "video": 2}
    assert parse("m", "--limit-mm-per-prompt", '{"image": 1}').limit_mm_per_prompt == {"image": 1}
    text = refusal(capsys, "m", "--limit-mm-per-prompt", "image=1")
    assert "argument --limit-mm-per-prompt: Value image=1 cannot be converted" in text


def test_the_last_of_two_equal_flags_wins() -> None:
    assert parse("m", "--max-model-len", "1024", "--max-model-len", "64K").max_model_len == 65536


@pytest.mark.parametrize(
    ("text", "number"), [("64k", 64_000), ("64K", 65_536), ("25.6k", 25_600), ("8192", 8192)]
)
def test_lengths_are_read_as_people_write_them(text: str, number: int) -> None:
    assert human_int(text) == number


def test_auto_is_minus_one_and_binary_decimals_are_refused() -> None:
    assert human_int_or_auto("auto") == -1
    with pytest.raises(argparse.ArgumentTypeError, match=r"Did you mean to use 1\.5k"):
        human_int("1.5K")


@given(st.integers(min_value=0, max_value=10**9))
def test_plain_numbers_stay_what_they_are(number: int) -> None:
    assert human_int(str(number)) == human_int_or_auto(str(number)) == number


@pytest.mark.parametrize(
    "words",
    [
        ("--kv-cache-dtype", "fp8"),
        ("--tokenizer-mode", "mistral"),
        ("--enable-auto-tool-choice",),
        ("--max-model-len", "65536"),
    ],
)
def test_sglang_refuses_vllms_words(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        prepare_server_args([*GUIDE_SGLANG, *words])
    assert "sglang serve: error: " in capsys.readouterr().err


def test_sglang_takes_any_memory_fraction_at_parsing() -> None:
    parsed = prepare_server_args([*GUIDE_SGLANG, "--mem-fraction-static", "1.5"])
    assert parsed.mem_fraction_static == 1.5


def test_llama_server_reads_words_and_environment_and_the_words_win() -> None:
    words = ["-m", "a.gguf", "-c", "32768", "-ngl", "99", "-ctk", "q8_0", "--no-jinja"]
    environment = {"LLAMA_API_KEY": "k", "LLAMA_ARG_CTX_SIZE": "7"}
    values = parse_llama(words, LLAMA, environment)
    assert (values["model"], values["ctx_size"], values["api_key"]) == ("a.gguf", 32768, "k")
    assert values["jinja"] is False


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--tensor-parallel-size", "4"], "error: invalid argument: --tensor-parallel-size"),
        (["-c"], "expected value for argument"),
        (["-c", "many"], 'error while handling argument "-c"'),
        (["-ctk", "fp8"], "Unsupported cache type: fp8"),
    ],
)
def test_llama_server_refuses_in_its_own_words(words: list[str], text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        parse_llama(words, LLAMA, {})


def test_every_release_file_says_where_it_comes_from() -> None:
    for release in (VLLM, load("sglang-0.5.23"), LLAMA):
        assert release.facts["source"], "flags are facts, and facts have a source"
        names = [name for flag in release.flags for name in flag.names]
        assert len(names) == len(set(names)), "no flag twice"


def test_versions_compare_by_number() -> None:
    assert version_key("0.8.5") < version_key("0.10.0") < version_key("0.33.0")
