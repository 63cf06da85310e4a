"""Options that several commands share, with one wording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Url = Annotated[
    str | None,
    typer.Argument(
        help="Address, e.g. https://abc.clorecloud.net. Without it, the stack's endpoint.",
        show_default=False,
    ),
]
Stack = Annotated[
    str | None,
    typer.Option("--stack", "-s", help="Pulumi stack; without it, the selected one."),
]
Replica = Annotated[
    str | None,
    typer.Option("--replica", help="Which deployment of a fleet: the name of its output."),
]
Directory = Annotated[
    Path | None,
    typer.Option("--cwd", help="Directory of the Pulumi project, if not this one."),
]
Model = Annotated[
    str | None,
    typer.Option("--model", help="Name of the model that is to be served."),
]
KeyFile = Annotated[
    str | None,
    typer.Option(
        "--key-file",
        help="File with the endpoint's key, or - for standard input. "
        "Without it, the environment variable CLORE_ENDPOINT_KEY.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
