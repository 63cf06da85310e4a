"""`make down`: destroy the demonstration's stack; the emulator's ledger has the last word on money.

Exit code: 0 when no order is active any more; else 1, with a table of what still bills, and the
emulator goes on running, because the orders do.
"""

from __future__ import annotations

import sys

from emulated import EmulatorError, start, stop
from ground import Ground
from report import last_word
from stack import StackError, ensured
from up import ROOT, ready_stack, say


def main() -> int:
    """End the demonstration."""
    ground = Ground(ROOT)
    if not ground.emulator_ready.exists():
        say("There is nothing to end: `make up` was not run here, or all of .state/ is gone.")
        return 0
    try:
        pulumi = ensured(ROOT)
        ground.prepare()
        emulator, started = start(ground)
        if started:
            say(f"The emulated marketplace was not running; started again at {emulator.api}.")
        stack = ready_stack(ground, emulator, pulumi)
        done = stack.operate("destroy", "--yes", "--skip-preview", "--continue-on-error")
    except (EmulatorError, StackError) as problem:
        print(problem, file=sys.stderr)
        return 1
    ledger = emulator.ledger()
    say()
    for line in last_word(ledger):
        say(line)
    if ledger["active_orders"]:
        return 1
    ground.curl.unlink(missing_ok=True)
    stop(emulator)
    say("The emulated marketplace is stopped; its ledger stays in .state/emulator.")
    return done.code


if __name__ == "__main__":
    sys.exit(main())
