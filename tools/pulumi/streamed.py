"""The output of a child process, in pieces, as it comes."""

from __future__ import annotations

import os
import queue
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Final, Literal

PIECE_BYTES: Final = 64 * 1024


@dataclass(frozen=True)
class Chunk:
    """A piece of one of the two streams."""

    stream: Literal["stdout", "stderr"]
    data: bytes


def chunks(process: subprocess.Popen[bytes]) -> Iterator[Chunk]:
    """Yield what the process writes until both streams are closed, by it and by its children."""
    pieces: queue.Queue[Chunk] = queue.Queue()

    def pump(stream: Literal["stdout", "stderr"], pipe: IO[bytes]) -> None:
        with pipe:
            while data := os.read(pipe.fileno(), PIECE_BYTES):
                pieces.put(Chunk(stream, data))
        pieces.put(Chunk(stream, b""))

    if process.stdout is None or process.stderr is None:
        raise ValueError("the process was started without pipes")
    for stream, pipe in (("stdout", process.stdout), ("stderr", process.stderr)):
        threading.Thread(target=pump, args=(stream, pipe), daemon=True).start()
    open_streams = 2
    while open_streams:
        piece = pieces.get()
        if piece.data:
            yield piece
        else:
            open_streams -= 1
