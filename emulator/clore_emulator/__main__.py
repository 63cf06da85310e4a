"""`python -m clore_emulator`: the same as the `clore-emulator` command."""

from __future__ import annotations

from .cli import main

if __name__ == "__main__":
    main()
