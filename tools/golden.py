"""`make golden`: writes every reviewed text anew; read the difference before committing it."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# In the place of this file's own folder, where `golden` would be this file.
sys.path[0] = str(ROOT / "tests")
sys.path.append(str(ROOT / "components"))

from golden import lines, plans, reference  # noqa: E402 - needs the path above

if __name__ == "__main__":
    lines.rewrite()
    plans.rewrite()
    reference.rewrite()
    pages = len(plans.names()) + len(reference.PAGES)
    print(f"{len(lines.CASES)} engine lines and {pages} pages were written.")
