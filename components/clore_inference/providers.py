"""Pulumi's dynamic providers: thin adapters of `lifecycle`.

The import path of this module and the names of its classes are stored in every state file, by
reference: they are public API and never move. The classes hold nothing that is pickled. Importing
this module creates no resource and reads no configuration; what a provider does is imported when it
is done, because the program imports this module too and every preview pays for it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pulumi.dynamic import (
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    ResourceProvider,
    UpdateResult,
)
from pulumi.runtime.rpc import UNKNOWN

from clore_inference import engine_link

if TYPE_CHECKING:
    from clore_inference.lifecycle.session import Change, Session

Props = dict[str, Any]

NO_CHANGE: Final = DiffResult(changes=False, replaces=[])


@cache
def _import_early(module: str) -> None:
    """Import what the next diff needs, while the engine is busy elsewhere."""
    threading.Thread(target=import_module, args=(module,), daemon=True).start()


def _replaced(names: tuple[str, ...]) -> DiffResult:
    return DiffResult(changes=bool(names), replaces=list(names), delete_before_replace=True)


def unknown(inputs: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    """Which of these inputs only the update will know."""
    return tuple(name for name in names if inputs.get(name) == UNKNOWN)


def _diff_result(change: Change) -> DiffResult:
    return DiffResult(
        changes=change.any,
        replaces=list(change.replaces),
        delete_before_replace=True,
    )


class _SessionProvider(ResourceProvider):
    """A provider with the account's key in memory: from `configure` only, never in state."""

    serialize_as_secret_always = False
    _session: ClassVar[Session | None] = None

    def configure(self, req: ConfigureRequest) -> None:
        """Keep the session on the class: instances are pickled, classes are named."""
        from clore_inference.lifecycle.session import Session  # noqa: PLC0415 - see the module

        cls = type(self)
        cls._session = Session.configured(
            req.config.get,
            os.environ,
            engine_alive=engine_link.engine_alive,
            say=engine_link.say,
            warn=engine_link.warn,
        )
        engine_link.end_with_engine()
        engine_link.show_messages_alone()

    @property
    def session(self) -> Session:
        """The session of this process."""
        assert self._session is not None, "the engine calls configure first"  # noqa: S101
        return self._session

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Shield what is done here, and keep the process until it is done."""
        with engine_link.working(), self.session.shielded():
            yield

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """Nothing changes unless a provider says so; what has a state has a lease, which is next."""
        _import_early("clore_inference.lifecycle.lease")
        return NO_CHANGE

    def read(self, id_: str, props: Props) -> ReadResult:
        """What state says stands."""
        return ReadResult(id_, dict(props))


class KeysProvider(_SessionProvider):
    """The SSH key pair and the endpoint's key; drawn once, never changed."""

    def create(self, props: Props) -> CreateResult:  # noqa: ARG002 - nothing decides about chance
        """Draw them."""
        from clore_inference.lifecycle import keys  # noqa: PLC0415 - only what a resource needs

        return CreateResult("keys", dict(keys.create()))


class LeaseGuardProvider(_SessionProvider):
    """The lease's random id, in state before any purchase; its delete is the sweep."""

    def create(self, props: Props) -> CreateResult:
        """Draw the id; its first characters serve as the resource's id."""
        from clore_inference.lifecycle import guard  # noqa: PLC0415

        with self.at_work():
            state = guard.create(self.session, props)
        return CreateResult(state["lease_id"], state)

    def delete(self, _id: str, props: Props) -> None:
        """Cancel whatever carries the lease's mark."""
        from clore_inference.lifecycle import guard  # noqa: PLC0415

        with self.at_work():
            guard.delete(self.session, props)


class LeaseProvider(_SessionProvider):
    """The order whose host has proven itself."""

    def create(self, props: Props) -> CreateResult:
        """Adopt or buy, and accept."""
        from clore_inference.lifecycle import lease  # noqa: PLC0415

        with self.at_work():
            state = lease.create(self.session, props)
        return CreateResult(state["order_id"], state)

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """Lost or other hardware: replace. Never raises for the market's sake.

        The question to the engine's host, which comes later in the program, is sent beside it.
        """
        coming = unknown(news, "lease_id", "request", "requirement")
        if not coming and not unknown(news, "private_key"):
            from clore_inference.lifecycle import liveness  # noqa: PLC0415

            liveness.ask_ahead(olds, news)
        from clore_inference.lifecycle import lease  # noqa: PLC0415

        if coming:
            lease.stays(olds)
            return _replaced(coming)
        with self.at_work():
            return _diff_result(lease.diff(self.session, olds, news))

    def read(self, id_: str, props: Props) -> ReadResult:
        """Keep the id; say whether the order is lost."""
        from clore_inference.lifecycle import lease  # noqa: PLC0415

        with self.at_work():
            return ReadResult(id_, lease.read(self.session, props))

    def update(self, _id: str, olds: Props, news: Props) -> UpdateResult:
        """Cancel duplicates."""
        from clore_inference.lifecycle import lease  # noqa: PLC0415

        with self.at_work():
            return UpdateResult(lease.update(self.session, olds, news))

    def delete(self, _id: str, props: Props) -> None:
        """Cancel, verified."""
        from clore_inference.lifecycle import lease  # noqa: PLC0415

        with self.at_work():
            lease.delete(self.session, props)


class EngineLivenessProvider(_SessionProvider):
    """A token that is drawn again when the host says that the engine is dead."""

    def create(self, props: Props) -> CreateResult:
        """Draw the token."""
        from clore_inference.lifecycle import liveness  # noqa: PLC0415

        state = liveness.create(props)
        return CreateResult(state["token"], state)

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """Ask the host."""
        from clore_inference.lifecycle import liveness  # noqa: PLC0415

        coming = unknown(news, "order_id", "ssh_host", "ssh_port", "host_key", "private_key")
        if coming:
            return _replaced(coming if "order_id" in coming else ())
        with self.at_work():
            return _diff_result(liveness.diff(self.session, olds, news))


class ContainerLivenessProvider(_SessionProvider):
    """A token that is drawn again when a Docker host of one's own says that the engine is dead."""

    def create(self, props: Props) -> CreateResult:
        """Draw the token."""
        from clore_inference.lifecycle import docker_host  # noqa: PLC0415

        state = docker_host.create(props)
        return CreateResult(state["token"], state)

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """Ask the Docker engine."""
        from clore_inference.lifecycle import docker_host  # noqa: PLC0415

        with self.at_work():
            return _diff_result(docker_host.diff(self.session, olds, news))


class ProbeProvider(_SessionProvider):
    """Conformance, once for each start of an engine."""

    def create(self, props: Props) -> CreateResult:
        """Prove the endpoint."""
        from clore_inference.lifecycle import probe  # noqa: PLC0415

        with self.at_work():
            state = probe.create(self.session, props)
        return CreateResult(str(state["start_id"]), state)

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """Look once, cheaply."""
        from clore_inference.lifecycle import probe  # noqa: PLC0415

        coming = unknown(news, "order_id", "start_id", "http_url", "endpoint_key", "private_key")
        if coming:
            return _replaced(coming)
        with self.at_work():
            return _diff_result(probe.diff(self.session, olds, news))
