"""What keeps a container alive while jobs come and go in it, and how it says that it is well.

The first process is a shell: it waits, copies the engine's log to `docker logs`, lets the engine
finish its requests when the container is stopped, and starts it again when the container comes
back, as after a restart of the machine. Nothing of a job stands in it, so no job changes it. One that
fetches ends by itself when nothing has come for half an hour and nobody took it away.
"""

from __future__ import annotations

from typing import Final

from clore_inference.host.bootstrap import FIND_PYTHON

CACHE: Final = "/root/.cache/huggingface"
"""Where every image of an engine looks for weights, and the volume is mounted."""

_HOLD: Final = (
    FIND_PYTHON
    + """\
set +e
ours="$HOME/.clore-inference"
if [ -n "${1:-}" ]; then mkdir -p "$1" && ln -sfn "$1" "$ours"; fi
ending() {
  if [ -f "$ours/bin/clore_host/pause.py" ]; then
    "$found" -I -c 'import sys; sys.path.insert(0, sys.argv[1]); import clore_host.pause as p; p.pause()' "$ours/bin"
  fi
  exit 0
}
trap ending TERM INT
if [ -x "$ours/bin/revive.sh" ]; then "$ours/bin/revive.sh" & fi
shown=
reader=
rounds=0
while :; do
  rounds=$((rounds + 1))
  if [ -n "${1:-}" ] && [ "$rounds" -gt 900 ] && [ -d "$ours/jobs/weights" ] &&
    [ -z "$(find "$ours/jobs/weights" -name status.json -mmin -30)" ]; then exit 0; fi
  newest=$(ls -t "$ours"/jobs/engine/*/engine.log 2>/dev/null | head -n 1)
  if [ -n "$newest" ] && [ "$newest" != "$shown" ]; then
    [ -z "$reader" ] || kill "$reader" 2>/dev/null
    shown=$newest
    tail -n +1 -f "$newest" &
    reader=$!
  fi
  sleep 2 &
  wait $!
done
"""
)

_HEALTH: Final = (
    FIND_PYTHON
    + """\
status=$("$found" "$HOME/.clore-inference/bin/clore_supervisor.py" status engine)
case "$status" in *'"state": "running"'*) ;; *) exit 1 ;; esac
case "$status" in *'"alive": true'*) exit 0 ;; *) exit 1 ;; esac
"""
)


def hold(state: str = "") -> list[str]:
    """The entry point of a container; `state` is where it keeps what it knows of its jobs.

    Without it that is lost with the container.
    """
    return ["/bin/sh", "-c", _HOLD, "hold", *([state] if state else [])]


def health() -> list[str]:
    """Docker's health check: whether the engine answers behind its guard."""
    return ["CMD", "/bin/sh", "-c", _HEALTH]
