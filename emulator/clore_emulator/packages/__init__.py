"""A package index whose engines are the simulators: real wheels, for real installers on the hosts.

`/packages/simple/` speaks PEP 503 and PEP 691, `/packages/locks/<engine>-<version>.lock` names the
files of a release by size and SHA-256. It stands beside the hub, which is what hosts can reach.
"""

from clore_emulator.packages.app import beside

__all__ = ["beside"]
