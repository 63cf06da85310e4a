"""`make up`: a proven endpoint from nothing, on this machine, without an account and without money.

An emulated marketplace is started, and the repository's own Pulumi program rents from it with the real
Pulumi engine: the plan is made first, then exactly that plan is carried out. Run again it changes
nothing. Exit code: 0 proven, else Pulumi's own, with the reason above.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from emulated import Emulator, EmulatorError, start
from ground import Ground, write_private
from report import change_line, cost_line, curl_config, endpoint_lines, posts_of
from shell import write_shell_file
from stack import Outcome, Pulumi, Stack, StackError, ensured

ROOT: Final = Path(__file__).resolve().parents[2]
CURL_FILE: Final = ".state/endpoint.curl"


def say(text: str = "") -> None:
    """Print one line, in order with what Pulumi prints."""
    print(text, flush=True)


def ready_stack(ground: Ground, emulator: Emulator, pulumi: Pulumi) -> Stack:
    """Return the stack, made if need be, and free of what a killed run left."""
    endpoints = {
        "apiUrl": emulator.api,
        "hfEndpoint": emulator.hub,
        "timeScale": f"{emulator.time_scale:g}",
    }
    ground.copy_project(endpoints, pulumi.stand_ins)
    stack = Stack(ground, pulumi.path, emulator.secrets())
    freed = stack.unlock()
    if freed:
        say(freed)
    stack.create()
    return stack


def carry_out(stack: Stack) -> Outcome:
    """Plan, then do what was planned and nothing else."""
    plan = str(stack.ground.state / "plan.json")
    planned = stack.operate("preview", "--save-plan", plan)
    if planned.code != 0:
        return planned
    flags = ["--yes", "--skip-preview", "--plan", plan, "--continue-on-error"]
    done = stack.operate("up", *flags)
    if done.code == 0 and (left := stack.pending()):
        say(f"Clearing what a killed run was creating, and this one has made: {', '.join(left)}.")
        stack.operate("refresh", "--yes", "--skip-preview", "--clear-pending-creates")
    return done


def explain_failure(emulator: Emulator) -> None:
    """Say what is billing after a failure, and how to go on or end it."""
    active = emulator.ledger()["active_orders"]
    say()
    say("The endpoint is not proven; the reason is above.")
    for row in active:
        say(
            f"Order {row['id']} on server {row['server_id']} is kept and goes on at"
            f" {row['usd_per_day_with_fee'] / 24:.4f} USD an hour (emulated)."
        )
    say("Go on with `make up`, end everything with `make down`.")


def show(ground: Ground, stack: Stack, emulator: Emulator, done: Outcome, posts: int) -> None:
    """Say what there is now, what it costs, and how to use and end it."""
    outputs, ledger = stack.outputs(), emulator.ledger()
    write_private(ground.curl, curl_config(outputs["endpoint"], outputs["endpointKey"]))
    say()
    for line in endpoint_lines(outputs, CURL_FILE):
        say(line)
    say()
    say(change_line(done.changes, posts_of(ledger) - posts))
    say(cost_line(ledger, outputs))
    say("End it with `make down`. For your own commands on it: `. .state/env`.")


def main() -> int:
    """Run the demonstration."""
    ground = Ground(ROOT)
    try:
        pulumi = ensured(ROOT)
        ground.prepare()
        emulator, started = start(ground)
        speed = f"one second here is {emulator.time_scale:g} there"
        say(
            f"The emulated marketplace {'is ready' if started else 'runs'} at {emulator.api}; {speed}."
        )
        write_shell_file(ground, pulumi.path, emulator)
        posts = posts_of(emulator.ledger())
        stack = ready_stack(ground, emulator, pulumi)
        done = carry_out(stack)
        if done.code != 0:
            explain_failure(emulator)
            return done.code
        show(ground, stack, emulator, done, posts)
    except (EmulatorError, StackError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
