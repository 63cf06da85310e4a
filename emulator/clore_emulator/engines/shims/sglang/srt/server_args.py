"""`prepare_server_args` and `ServerArgs` at their real place."""

from clore_emulator.engines.sglang_arguments import ServerArgs, prepare_server_args

__all__ = ["ServerArgs", "prepare_server_args"]
