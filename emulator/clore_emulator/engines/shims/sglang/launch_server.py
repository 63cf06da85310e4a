"""`python3 -m sglang.launch_server …`."""

import sys

from clore_emulator.engines.sglang import launch
from clore_emulator.engines.sglang_arguments import ServerArgs, prepare_server_args


def run_server(server_args: ServerArgs) -> None:
    """Launch the HTTP server; leaves with the engine's exit code if not 0."""
    if code := launch(server_args):
        sys.exit(code)


if __name__ == "__main__":
    run_server(prepare_server_args(sys.argv[1:]))
