"""The line in `$HOME/onstart.sh` that starts our jobs again when the container is restarted.

Clore's images run `/root/onstart.sh` at every start of the container (its s6 service `onstart`).
What a user has there stays. Our line goes to the top, since the rest may never return.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from . import record
from .weights import launcher

MARK = "# clore-inference"


def install_hook() -> None:
    """Put our line into onstart.sh once, and what it starts beside our other files."""
    script = record.home() / "bin" / "revive.sh"
    command = " ".join(shlex.quote(one) for one in (sys.executable, str(launcher()), "revive"))
    record.write_text(script, f"#!/bin/sh\nexec {command} </dev/null >/dev/null 2>&1\n", mode=0o700)
    hook = Path.home() / "onstart.sh"
    before = hook.read_text(encoding="utf-8") if hook.exists() else "#!/bin/sh\n"
    after = with_line(before, f"sh {shlex.quote(str(script))} & {MARK}")
    if after != before or not hook.exists():
        mode = (hook.stat().st_mode & 0o777) if hook.exists() else 0o755
        record.write_text(hook, after, mode=mode | 0o100)
        hook.chmod(mode | 0o100)  # the umask took bits from what we asked for


def with_line(script: str, line: str) -> str:
    """`script` with our line after its `#!`, in the place of an older one of ours."""
    kept = [one for one in script.splitlines() if not one.endswith(MARK)]
    at = 1 if kept and kept[0].startswith("#!") else 0
    return "\n".join([*kept[:at], line, *kept[at:]]) + "\n"
