"""The policy pack `clore-inference`: `pulumi preview --policy-pack policies`."""

import sys
from pathlib import Path

# The pack runs in its own directory; the package may be installed, or lie beside it in a checkout.
sys.path.append(str(Path(__file__).resolve().parent.parent / "components"))

from clore_policies import policies
from pulumi_policy import EnforcementLevel, PolicyPack

if __name__ == "__main__":
    PolicyPack(
        name="clore-inference",
        enforcement_level=EnforcementLevel.MANDATORY,
        policies=policies(),
    )
