"""A command on this machine.

The default interpreter is `/bin/sh -c`. To end a run the process that was started is killed, and
nothing else, as the official plugin does it: a script whose work is one program must `exec` it, or
the program outlives Ctrl-C and keeps the run waiting for its output.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Sequence
from typing import Final

from streamed import chunks

from commands.run import Collector, Job, Output

DEFAULT_INTERPRETER: Final[Sequence[str]] = ("/bin/sh", "-c")


def run_local(job: Job) -> Output:
    """Run the command and return its output; CommandError unless it ends with 0."""
    interpreter = job.inputs.get("interpreter") or DEFAULT_INTERPRETER
    collector = Collector(job)
    try:
        process = subprocess.Popen(
            [*interpreter, job.command],
            cwd=job.inputs.get("dir"),
            env=os.environ | job.environment(),
            stdin=subprocess.PIPE if job.stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as problem:
        raise job.failure(f"{problem}", b"") from None
    job.stop.on_ask(process.kill)
    if process.stdin:
        threading.Thread(target=_feed, args=(process, job.stdin), daemon=True).start()
    for chunk in chunks(process):
        collector.take(chunk.stream, chunk.data)
    code = process.wait()
    output = collector.output()
    if code != 0:
        raise job.failure(_reason(code), bytes(collector.everything))
    return output


def _feed(process: subprocess.Popen[bytes], text: bytes) -> None:
    """Write standard input; a command that does not read it is no error."""
    if process.stdin is None:
        return
    try:
        with process.stdin as pipe:
            pipe.write(text)
    except BrokenPipeError:
        return


SIGNAL_WORDS: Final = {2: "interrupt", 9: "killed", 15: "terminated"}


def _reason(code: int) -> str:
    if code > 0:
        return f"exit status {code}"
    return f"signal: {SIGNAL_WORDS.get(-code, str(-code))}"
