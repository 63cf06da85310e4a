"""How a job reaches a host: one constant shell text, and one document on its standard input.

The shell finds a Python 3.9 or newer, whatever PATH the session has; Python installs the travelling
files (each written beside its place and renamed) and starts the job. Nothing of the job stands in
the command line, so a changed job never changes the command.
"""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any, Final

from clore_inference.host.job import Job, Kind
from clore_inference.secret import Secret

_PACKAGE: Final = Path(__file__).resolve().parent.parent

_LAUNCHER: Final = """\
import sys

from clore_host.supervisor import main

sys.exit(main(sys.argv[1:]))
"""

_INSTALLER: Final = """\
import base64, json, os, sys, zlib
os.umask(0o077)
document = json.load(sys.stdin)
root = os.path.join(os.path.expanduser("~"), ".clore-inference")
for name, packed in document.pop("files").items():
    path = os.path.join(root, *name.split("/"))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    beside = path + "." + str(os.getpid())
    with open(beside, "wb") as file:
        file.write(zlib.decompress(base64.b64decode(packed)))
    os.replace(beside, path)
sys.path.insert(0, os.path.join(root, "bin"))
from clore_host.supervisor import begin
print(json.dumps(begin(document)))
"""

FIND_PYTHON: Final = """\
set -eu
umask 077
PATH="${PATH:-/usr/bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PATH="$PATH:/opt/venv/bin:/opt/conda/bin"
export PATH
: "${HOME:=$(cd ~ && pwd)}"
export HOME
found=
for python in python3 python3.13 python3.12 python3.11 python3.10 python3.9 python; do
  if command -v "$python" >/dev/null 2>&1 &&
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' </dev/null >/dev/null 2>&1
  then found=$python; break; fi
done
if [ -z "$found" ]; then
  echo "this host has no Python 3.9 or newer on its PATH, which every job needs" >&2
  exit 69
fi
"""


def start_command() -> str:
    """POSIX shell that starts a job from the document on standard input.

    Idempotent. Prints one line of JSON, {"kind", "job", "start_id", "state"}, and returns within
    seconds; the job goes on by itself.
    """
    return f"{FIND_PYTHON}exec \"$found\" -I -c '{_INSTALLER}'\n"


def supervisor_command(*arguments: str) -> str:
    """POSIX shell that asks the installed supervisor; prints nothing where none is installed."""
    words = " ".join(arguments)
    return (
        f'{FIND_PYTHON}program="$HOME/.clore-inference/bin/clore_supervisor.py"\n'
        f'[ -f "$program" ] || exit 0\nexec "$found" "$program" {words}\n'
    )


def start_document(
    job: Job,
    *,
    token: Secret | None = None,
    endpoint_keys: Secret | None = None,
    scale: float = 1.0,
) -> str:
    """The document for `start_command`; secret, since it holds the token and the endpoint's keys.

    `endpoint_keys` is one key, or a keys document as `serving/guard.py` describes it. `scale` is
    the speed of the marketplace's clock.
    """
    document: dict[str, Any] = {
        "kind": job.kind,
        "job_id": job.id,
        "job": job.model_dump(mode="json"),
        "scale": scale,
        "files": travelling_files(job.kind),
    }
    if token:
        document["token"] = token.reveal()
    if endpoint_keys:
        document["keys"] = endpoint_keys.reveal()
    return json.dumps(document, sort_keys=True)


def travelling_files(kind: Kind) -> dict[str, str]:
    """Path under `$HOME/.clore-inference` to content, deflated and in base64."""
    texts = {
        f"bin/clore_host/{path.name}": path.read_bytes()
        for path in sorted((_PACKAGE / "host" / "travelling").glob("*.py"))
    }
    texts["bin/clore_supervisor.py"] = _LAUNCHER.encode()
    if kind == "engine":
        serving = _PACKAGE / "serving"
        texts["serving/clore_guard.py"] = (serving / "guard.py").read_bytes()
        texts["serving/clore_tls.py"] = (serving / "tls_door.py").read_bytes()
        texts["serving/clore_sglang.py"] = (serving / "sglang_launcher.py").read_bytes()
        for path in sorted((serving / "llamacpp").glob("*.py")):
            texts[f"serving/clore_llamacpp/{path.name}"] = path.read_bytes()
    return {name: base64.b64encode(zlib.compress(text, 9)).decode() for name, text in texts.items()}
