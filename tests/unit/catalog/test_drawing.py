"""The tool that draws flags: what it reads in a source, and how releases become one table."""

from __future__ import annotations

import argparse
import tomllib
from typing import Any

import pytest
from tools.flags.inside import describe, said
from tools.flags.llama_source import described
from tools.flags.table import Drawn, rows, text

SOURCE = r"""
const std::vector<ggml_type> kv_cache_types = {
    GGML_TYPE_F16,
    GGML_TYPE_Q8_0,
};
    add_opt(common_arg(
        {"-c", "--ctx-size"}, "N",
        string_format("size (default: %d, ')' is text)", params.n_ctx),
        [](common_params & params, int value) {
            params.n_ctx = value;
        }
    ).set_env("LLAMA_ARG_CTX_SIZE"));
    add_opt(common_arg(
        {"-ctk", "--cache-type-k"}, "TYPE",
        "type",
        [](common_params & params, const std::string & value) {
            params.cache_type_k = kv_cache_type_from_str(value);
        }
    ));
    add_opt(common_arg(
        {"--jinja"}, {"--no-jinja"},
        "templates",
        [](common_params & params, bool value) { params.use_jinja = value; }
    ).set_examples({LLAMA_EXAMPLE_SERVER, LLAMA_EXAMPLE_CLI}));
    add_opt(common_arg(
        {"-fa", "--flash-attn"}, "[on|off|auto]", "attention",
        [](common_params & params, const std::string & value) { throw std::runtime_error("x"); }
    ));
    add_opt(common_arg(
        {"--cli-only"}, "not the server's", [](common_params & params) { params.x = '('; }
    ).set_examples({LLAMA_EXAMPLE_CLI}));
    add_opt(common_arg(
        {"--not-here"}, "excluded", [](common_params & params) { params.x = true; }
    ).set_excludes({LLAMA_EXAMPLE_SERVER}));
"""


def test_the_servers_flags_are_read_in_the_source() -> None:
    assert described(SOURCE) == [
        {"names": ["-c", "--ctx-size"], "type": "int"},
        {"names": ["-ctk", "--cache-type-k"], "type": "text", "choices": ["f16", "q8_0"]},
        {"names": ["--jinja", "--no-jinja"], "type": "switch"},
        {"names": ["-fa", "--flash-attn"], "type": "text",
         "choices": ["-1", "0", "1", "auto", "disabled", "enabled", "false", "off", "on", "true"]},
    ]  # fmt: skip


def test_a_source_of_another_form_is_an_error_and_not_a_short_table() -> None:
    with pytest.raises(ValueError, match="does not end"):
        described('add_opt(common_arg({"-c"}, "N"')


def flag(name: str, **more: Any) -> dict[str, Any]:
    return {"names": [name], "type": "text", **more}


def test_a_flag_has_a_row_for_each_form() -> None:
    drawn = [
        Drawn("1", "https://a", [flag("--a"), flag("--b", default="x")]),
        Drawn("2", "https://b", [flag("--a"), flag("--b", default="y"), flag("--c")]),
        Drawn("3", "https://c", [flag("--b", default="y"), flag("--c")]),
    ]
    assert rows(drawn) == [
        {**flag("--a"), "since": "1", "until": "2"},
        {**flag("--b", default="x"), "since": "1", "until": "1"},
        {**flag("--b", default="y"), "since": "2"},
        {**flag("--c"), "since": "2"},
    ]


def test_a_flag_that_came_back_has_two_rows() -> None:
    drawn = [
        Drawn("1", "https://a", [flag("--a")]),
        Drawn("2", "https://b", []),
        Drawn("3", "https://c", [flag("--a")]),
    ]
    assert [(row["since"], row.get("until")) for row in rows(drawn)] == [("1", "1"), ("3", None)]


def test_the_file_is_toml_and_says_where_it_comes_from() -> None:
    document = tomllib.loads(
        text("vllm", "its parser", "2026-11-22", [Drawn("1", "https://a", [flag("--a")])])
    )
    assert document["release"] == [{"id": "1", "source": "https://a"}]
    assert document["flag"][0]["names"] == ["--a"]
    assert str(document["day"]) == "2026-11-22"


def a_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--whole", type=int, default=3)
    parser.add_argument("--share", type=float)
    parser.add_argument("--on", action=argparse.BooleanOptionalAction)
    parser.add_argument("--mode", choices=["b", "a", None])
    parser.add_argument("--names", nargs="+")
    return parser


def test_a_parser_is_described_by_what_it_takes() -> None:
    assert describe(a_parser()) == [
        {"names": ["--whole"], "type": "int", "default": "3"},
        {"names": ["--share"], "type": "float"},
        {"names": ["--on", "--no-on"], "type": "switch"},
        {"names": ["--mode"], "type": "text", "choices": ["a", "b"]},
        {"names": ["--names"], "type": "text", "many": True},
    ]


@pytest.mark.parametrize(
    ("argv", "says"), [(["--whole", "3"], ""), (["--whole", "x"], "invalid int"), (["--z"], "--z")]
)
def test_a_parser_says_why_it_refuses(argv: list[str], says: str) -> None:
    words = said(a_parser(), lambda _: None, argv)
    assert says in words
    assert bool(words) is bool(says)
