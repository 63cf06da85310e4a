"""Runs inside an engine's own environment: its real argument parser, described or used.

    PYTHONPATH=<sources of one release> python inside.py vllm describe
    PYTHONPATH=<sources of one release> python inside.py vllm parse < lines.json

`describe` prints the parser's flags as JSON. `parse` reads a JSON list of argument lists, without
the words that start the engine, and prints for each what the parser said: empty if it took it.
Nothing but the standard library and the engine is imported.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import sys
from collections.abc import Callable
from typing import Any

Parser = argparse.ArgumentParser
Validate = Callable[[argparse.Namespace], None]


def _vllm() -> tuple[Parser, Validate]:
    platforms = importlib.import_module("vllm.platforms")
    platforms.__dict__["_current_platform"] = importlib.import_module(
        "vllm.platforms.cpu"
    ).CpuPlatform()
    serve = importlib.import_module("vllm.entrypoints.cli.serve")
    commands = serve.FlexibleArgumentParser().add_subparsers()
    return serve.ServeSubcommand().subparser_init(commands), serve.validate_parsed_serve_args


def _sglang() -> tuple[Parser, Validate]:
    server_args = importlib.import_module("sglang.srt.server_args")
    parser = argparse.ArgumentParser()
    server_args.ServerArgs.add_cli_args(parser)
    return parser, lambda _: None


ENGINES = {"vllm": _vllm, "sglang": _sglang}


def _takes(convert: Callable[[str], Any], text: str) -> bool:
    try:
        convert(text)
    except (argparse.ArgumentTypeError, TypeError, ValueError, KeyError, AttributeError):
        return False
    return True


def _kind(action: argparse.Action) -> str:
    """What the parser demands of a value, by what it takes: conversions have no telling names."""
    if action.nargs == 0:
        return "switch"
    convert = action.type
    if not callable(convert) or _takes(convert, "some words"):
        return "text"
    for text, kind in (('{"a": 1}', "json"), ("1.5", "float"), ("64k", "size"), ("1", "int")):
        if _takes(convert, text):
            return kind
    return "text"


def _describe(action: argparse.Action) -> dict[str, Any]:
    found: dict[str, Any] = {"names": list(action.option_strings), "type": _kind(action)}
    if action.nargs in ("*", "+") or (isinstance(action.nargs, int) and action.nargs > 1):
        found["many"] = True
    if action.nargs in ("*", "?"):
        found["bare"] = True
    if action.choices:
        found["choices"] = sorted({str(one) for one in action.choices if one is not None})
    if isinstance(action.default, bool | int | float | str) and action.default != "==SUPPRESS==":
        found["default"] = str(action.default)
    return found


def describe(parser: Parser) -> list[dict[str, Any]]:
    """Every flag of the parser."""
    return [_describe(action) for action in parser._actions if action.option_strings]  # noqa: SLF001


def said(parser: Parser, validate: Validate, argv: list[str]) -> str:
    """What the parser says to a line: empty, or why not."""
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            validate(parser.parse_args(argv))
    except SystemExit as end:
        return errors.getvalue().strip()[-500:] or f"ended with {end.code}"
    except (argparse.ArgumentError, TypeError, ValueError, KeyError) as error:
        return f"{type(error).__name__}: {error}"[:500]
    return ""


def main() -> int:
    """Do what the command line asks; the answer is the last line of standard output."""
    engine, verb = sys.argv[1:3]
    sys.argv = ["inside"]
    with contextlib.redirect_stdout(sys.stderr):  # engines greet people while they are imported
        parser, validate = ENGINES[engine]()
        answer: list[Any]
        if verb == "describe":
            answer = describe(parser)
        else:
            answer = [said(parser, validate, argv) for argv in json.load(sys.stdin)]
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
