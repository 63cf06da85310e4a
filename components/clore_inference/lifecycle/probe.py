"""The endpoint proven from outside: conformance once for each start, a cheap look at each diff."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from clore_inference.errors import HostUnreachable, Unproven
from clore_inference.host.docker.daemon import Daemon
from clore_inference.host.docker.tunnel import way_to_port
from clore_inference.lifecycle.liveness import login_of
from clore_inference.lifecycle.session import Change, Properties, Session
from clore_inference.lifecycle.succession import SUCCESSION
from clore_inference.probe.cheap import Failed, Unreachable, cheap
from clore_inference.probe.conformance import conformance
from clore_inference.probe.target import Target
from clore_inference.secret import Secret

CHEAP_TIMEOUT_S: Final = 2.5
"""Real seconds: a diff may take 3 in all."""


def _daemon(inputs: Properties) -> Daemon:
    return Daemon(str(inputs["docker_host"]), str(inputs["docker_host_key"]) or None)


@contextmanager
def _target(inputs: Properties, timeout_s: float) -> Iterator[Target]:
    """The endpoint as a caller outside reaches it: its public name, or a tunnel when private."""
    key, model = Secret(inputs["endpoint_key"]), str(inputs["model"])
    if inputs.get("docker_host"):
        with way_to_port(_daemon(inputs), int(inputs["port"]), timeout_s=timeout_s) as port:
            base_url = f"http://127.0.0.1:{port}"
            yield Target(base_url=base_url, key=key, model=model, timeout_s=timeout_s)
        return
    if inputs["exposure"] == "public":
        yield Target(
            base_url=str(inputs["http_url"]),
            key=key,
            model=model,
            timeout_s=timeout_s,
            certificate=str(inputs.get("certificate") or ""),
        )
        return
    from clore_inference.host.tunnel import open_tunnel  # noqa: PLC0415 - imports asyncssh

    with open_tunnel(login_of(inputs), int(inputs["port"])) as local_port:
        base_url = f"http://127.0.0.1:{local_port}"
        yield Target(base_url=base_url, key=key, model=model, timeout_s=timeout_s)


def create(session: Session, inputs: Properties) -> dict[str, Any]:
    """Prove the endpoint; raises Unproven with every failed check, what explains it and the fix."""
    with _target(inputs, timeout_s=60) as target:
        report = conformance(target, deadline_s=60, say=session.say)
    failed = [check for check in report.checks if not check.passed]
    if failed:
        lines = "\n".join(f"  {check.name}: {check.detail}. {check.fix}" for check in failed)
        raise Unproven(
            f"the endpoint of {_where(inputs)} failed {len(failed)} of "
            f"{len(report.checks)} checks; {_goes_on(inputs)}.\n"
            f"{lines}\nCorrect the configuration and run `pulumi up`, or `pulumi destroy`.",
            failed=[check.name for check in failed],
        )
    SUCCESSION.proven(str(inputs["order_id"]))
    return {
        "order_id": inputs["order_id"],
        "start_id": inputs["start_id"],
        "model": inputs["model"],
        "exposure": inputs["exposure"],
        "proven": [check.name for check in report.checks],
    }


def _where(inputs: Properties) -> str:
    if inputs.get("docker_host"):
        return str(inputs["docker_host"])
    return f"order {inputs['order_id']}"


def _goes_on(inputs: Properties) -> str:
    if inputs.get("docker_host"):
        return "its engine goes on"
    return f"the order goes on at {inputs['usd_per_day']} USD/day"


def diff(session: Session, state: Properties, inputs: Properties) -> Change:
    """Run again for another start, or when the endpoint answers wrongly; silence is a warning."""
    changed = tuple(
        name
        for name in ("order_id", "start_id", "model", "exposure")
        if inputs[name] != state[name]
    )
    if changed:
        return Change(replaces=changed)
    match _looked_at(inputs):
        case Failed(reason=reason):
            session.warn(f"the endpoint no longer holds: {reason}. It is proven again.")
            return Change(replaces=("proven",))
        case Unreachable(reason=reason):
            session.warn(f"the endpoint did not answer: {reason}. Nothing changes.")
        case _:
            pass
    SUCCESSION.proven(str(inputs["order_id"]))
    return Change()


def _looked_at(inputs: Properties) -> object:
    try:
        with _target(inputs, timeout_s=CHEAP_TIMEOUT_S) as target:
            return cheap(target, timeout_s=CHEAP_TIMEOUT_S)
    except HostUnreachable as error:
        return Unreachable(reason=str(error))
