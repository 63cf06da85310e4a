"""The files that travel to a host and run there as the package `clore_host`.

Standard library only, Python 3.9 or newer, nothing of this project outside this folder: what lies
here is copied as it stands to `$HOME/.clore-inference/bin/clore_host/` (see `host/bootstrap.py`).
"""
