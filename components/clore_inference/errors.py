"""Every error that leaves the package, named after what the caller does next.

    CloreInferenceError
    |- ConfigError          fix the configuration; carries every finding, not the first one
    |- Refused              the server said no and nothing was bought; try another offer or stop
    |- NothingFits          no offer satisfies the request; relax what the explanation names
    |- RateLimited          wait `after_s`, then repeat
    |- Ambiguous            money may have been spent; reconcile before anything else
    |- ListingFailed        the account could not be read; nothing was decided, call again
    |- WrongAccount         the key opens another account; use the key of the recorded one
    |- Abandoned            the engine that asked is gone; nothing more is bought
    |- NotYetGone           the end of an order is not proven; call again
    |- HostRejected         the host lied or missed its deadline; release it and take the next
    |- HostUnreachable      no answer from the host; says nothing about its end
    |- TrustError           the host key changed; stop
    |- WeightsFailed        the fetch ended with the named cause
    |- EngineFailed         the engine ended with the named cause
    |- Unproven             the endpoint answers, but not what was asked for

Each class has a stable `id`, which the documentation explains. A message says what is true (ids,
numbers, units), what it costs or breaks, and what to run next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class CloreInferenceError(Exception):
    """Base of every error of this package."""

    id: ClassVar[str] = "clore-error"


class ConfigError(CloreInferenceError):
    """The configuration cannot be used; `findings` has every reason, one text each."""

    id = "clore-config"

    def __init__(self, findings: Sequence[str]) -> None:
        self.findings = tuple(findings)
        count = len(self.findings)
        noun = "finding" if count == 1 else "findings"
        lines = "\n".join(f"  {number}. {text}" for number, text in enumerate(self.findings, 1))
        super().__init__(f"{count} {noun}; nothing was bought.\n{lines}")


class Refused(CloreInferenceError):
    """The marketplace refused for a definite reason; nothing was bought."""

    id = "clore-refused"

    def __init__(self, message: str, *, reason: str, server_id: int | None = None) -> None:
        self.reason = reason
        self.server_id = server_id
        super().__init__(message)


class NothingFits(CloreInferenceError):
    """No offer satisfies the request; the message counts why each was turned down."""

    id = "clore-nothing-fits"


class RateLimited(CloreInferenceError):
    """The marketplace answered code 5; wait `after_s` seconds, then repeat."""

    id = "clore-rate-limited"

    def __init__(self, message: str, *, after_s: float) -> None:
        self.after_s = after_s
        super().__init__(message)


class Ambiguous(CloreInferenceError):
    """An order may exist; nothing may be bought before a listing has settled it."""

    id = "clore-ambiguous"

    def __init__(self, message: str, *, lease_id: str, server_id: int) -> None:
        self.lease_id = lease_id
        self.server_id = server_id
        super().__init__(message)


class ListingFailed(CloreInferenceError):
    """The account's orders could not be read; unknown is not gone."""

    id = "clore-listing-failed"


class WrongAccount(CloreInferenceError):
    """The API key opens another account than the one that holds the lease."""

    id = "clore-wrong-account"


class Abandoned(CloreInferenceError):
    """The Pulumi engine that asked for this is gone; nothing more is bought or changed."""

    id = "clore-abandoned"


class NotYetGone(CloreInferenceError):
    """A cancel was sent, but the end of the order is not proven; it may still be billing."""

    id = "clore-not-yet-gone"


class HostRejected(CloreInferenceError):
    """The rented host is not what was paid for; release it and exclude its server."""

    id = "clore-host-rejected"

    def __init__(self, message: str, *, reason: str) -> None:
        self.reason = reason
        super().__init__(message)


class HostUnreachable(CloreInferenceError):
    """The host does not answer; that is not evidence that it is gone."""

    id = "clore-host-unreachable"


class TrustError(CloreInferenceError):
    """The host presented another key than the pinned one; nothing was sent to it."""

    id = "clore-trust"


class WeightsFailed(CloreInferenceError):
    """The weights did not arrive; `kind` is one of the names in `host/fetch.py`."""

    id = "clore-weights-failed"

    def __init__(self, message: str, *, kind: str) -> None:
        self.kind = kind
        super().__init__(message)


class EngineFailed(CloreInferenceError):
    """The engine ended or never became ready; `kind` names the cause."""

    id = "clore-engine-failed"

    def __init__(self, message: str, *, kind: str) -> None:
        self.kind = kind
        super().__init__(message)


class Unproven(CloreInferenceError):
    """The endpoint answers but failed conformance; `failed` has the names of the checks."""

    id = "clore-unproven"

    def __init__(self, message: str, *, failed: Sequence[str]) -> None:
        self.failed = tuple(failed)
        super().__init__(message)
