"""The program `clore-inference`."""

from __future__ import annotations

import sys
from typing import Final

import typer

from clore_inference.cli import exit_code
from clore_inference.cli.connect import connect
from clore_inference.cli.doctor import doctor
from clore_inference.cli.offers import offers
from clore_inference.cli.output import note
from clore_inference.cli.plan import plan
from clore_inference.cli.preview_comment import preview_comment
from clore_inference.cli.recover import recover
from clore_inference.cli.smoke import smoke
from clore_inference.cli.sweep import sweep
from clore_inference.cli.warden import warden
from clore_inference.errors import CloreInferenceError

app: Final = typer.Typer(
    name="clore-inference",
    help="Mistral Medium 3.5 on rented Clore.ai GPUs: look, prove, connect, repair. "
    "Renting and ending is Pulumi's work: `pulumi up`, `pulumi destroy`.",
    epilog=exit_code.TEXT,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 80, "help_option_names": ["-h", "--help"]},
)
for command in (plan, offers, connect, smoke, recover, sweep, warden, doctor, preview_comment):
    app.command()(command)


def main() -> None:
    """Run a command; every known error ends as its message and its exit code."""
    try:
        app()
    except CloreInferenceError as error:
        note(f"{error} [{error.id}]")
        sys.exit(exit_code.of(error))
    except KeyboardInterrupt:
        sys.exit(exit_code.INTERRUPTED)


if __name__ == "__main__":
    main()
