"""SGLang's command line and the record it becomes."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any, Final

from clore_emulator.engines.flags import add_flags, load

VERSION: Final = "0.5.23"


class ServerArgs:
    """The parsed flags as attributes, by the names that SGLang's own record has."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        """Keep type checkers content; a name that is no flag raises AttributeError."""
        raise AttributeError(name)

    def url(self) -> str:
        """Where the server can be asked from its own host."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "", "::") else self.host
        return f"http://{host}:{self.port}"


def version() -> str:
    """The release to imitate."""
    return os.environ.get("CLORE_EMULATOR_SGLANG_VERSION", VERSION)


def prepare_server_args(argv: Sequence[str]) -> ServerArgs:
    """Parse like `sglang serve`; refusals leave with code 2 and argparse's text."""
    parser = argparse.ArgumentParser(prog="sglang serve")
    add_flags(parser, load("sglang-0.5.23", version=version()))
    parsed = parser.parse_args(list(argv))
    if not parsed.served_model_name:
        parsed.served_model_name = parsed.model_path
    return ServerArgs(**vars(parsed))
