"""What every resource that lives on an order has in common.

Such a resource goes with its order: it is replaced with the lease, its delete is skipped when the
lease is deleted, and it has no delete script. Only triggers run a command again, so that a package
upgrade, another interpreter or a new relay port restarts nothing.
"""

from collections.abc import Mapping
from typing import Any, Final

import pulumi
import pulumi_command as command

from clore_inference.settled import all_settled, settled

DIAL_ERROR_LIMIT: Final = 20
"""Dials before a remote command gives up; users saw relays drop connections for minutes."""
PER_DIAL_TIMEOUT_S: Final = 15

NOT_A_REASON_TO_RUN_AGAIN: Final = [
    "create",
    "connection",
    "interpreter",
    "environment",
    "stdin",
    "dir",
]
LINK: Final = ("order_id", "ssh_host", "ssh_port", "host_key", "private_key")
"""Arguments that lead onto an accepted host."""


def host_link(args: Mapping[str, Any]) -> dict[str, pulumi.Output[str]]:
    """The way onto a host, out of a part's arguments; the private key is secret from here on."""
    missing = [name for name in LINK if args.get(name) is None]
    if missing:
        text = f"{', '.join(missing)} not given: a part on an order needs the way onto its host."
        raise pulumi.RunError(f"{text} Pass the `link` of a GpuOrder, or set `host: docker`.")
    link = {name: pulumi.Output.from_input(args[name]) for name in LINK}
    return {**link, "private_key": pulumi.Output.secret(link["private_key"])}


def told_of(args: Mapping[str, Any]) -> dict[str, Any]:
    """What a part's messages and deadlines need of its order; each may be missing."""
    return {name: args.get(name) for name in ("usd_per_day", "down_mbps", "disk_mb_per_s")}


def goes_with(lease: pulumi.Resource, *, after: list[pulumi.Resource]) -> pulumi.ResourceOptions:
    """Options for a part that lives on the order of `lease`."""
    return pulumi.ResourceOptions(deleted_with=lease, replace_with=[lease], depends_on=after)


def part_of(opts: pulumi.ResourceOptions | None) -> pulumi.ResourceOptions | None:
    """Options of a part itself: what it depends on holds for its children alone, see `child_of`.

    With --continue-on-error the engine skips whatever depends on something that failed, and a
    component that was skipped fails the whole update when it registers its outputs ("cannot complete
    a resource whose registration isn't pending", CLI 3.259): the other replicas would go with it.
    """
    if opts is None:
        return None
    own = pulumi.ResourceOptions.merge(opts, None)
    own.depends_on = own.deleted_with = None
    own.replace_with = None
    return own


def child_of(
    parent: pulumi.Resource, opts: pulumi.ResourceOptions | None
) -> pulumi.ResourceOptions:
    """Options of a part's child: what the part was given about its lease holds for the child."""
    given = opts or pulumi.ResourceOptions()
    return pulumi.ResourceOptions(
        parent=parent,
        deleted_with=given.deleted_with,
        replace_with=given.replace_with,
        depends_on=given.depends_on,
        delete_before_replace=True,
    )


def started_on(
    name: str,
    link: Mapping[str, pulumi.Output[str]],
    *,
    script: str,
    document: pulumi.Output[str],
    triggers: list[pulumi.Input[str]],
    opts: pulumi.ResourceOptions,
) -> command.remote.Command:
    """Hand a job to the host's supervisor; returns as soon as the supervisor has it.

    The document travels on standard input; it is secret because it is made of secrets. Standard
    output is kept in state in clear, so the script prints none.
    """
    way = all_settled(link)
    return command.remote.Command(
        f"{name}-start",
        connection=command.remote.ConnectionArgs(
            host=way["ssh_host"],
            port=way["ssh_port"].apply(float),
            user="root",
            private_key=way["private_key"],
            host_key=way["host_key"],
            dial_error_limit=DIAL_ERROR_LIMIT,
            per_dial_timeout=PER_DIAL_TIMEOUT_S,
        ),
        create=script,
        stdin=settled(document),
        triggers=[settled(one) for one in triggers],
        add_previous_output_in_env=False,
        opts=_on_triggers_only(opts),
    )


def followed_from_here(
    name: str,
    *,
    script: str,
    document: pulumi.Output[str],
    triggers: list[pulumi.Input[str]],
    opts: pulumi.ResourceOptions,
) -> command.local.Command:
    """Follow a job with one local process until it has ended or is ready."""
    return command.local.Command(
        f"{name}-follow",
        create=script,
        stdin=settled(document),
        triggers=[settled(one) for one in triggers],
        add_previous_output_in_env=False,
        opts=_on_triggers_only(opts),
    )


def last_line(followed: command.local.Command) -> pulumi.Output[str]:
    """What a follower ended with: one line of JSON, after its lines of progress."""
    return followed.stdout.apply(lambda text: text.strip().splitlines()[-1])


def _on_triggers_only(opts: pulumi.ResourceOptions) -> pulumi.ResourceOptions:
    extra = pulumi.ResourceOptions(ignore_changes=NOT_A_REASON_TO_RUN_AGAIN)
    return pulumi.ResourceOptions.merge(opts, extra)
