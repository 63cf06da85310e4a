"""Whether the repository of the weights exists and the token opens it, before anything is bought.

`judged` is pure: the table of what a hub can answer to a HEAD. `look` asks once, bounded. Answers
follow huggingface_hub (`utils/_http.py`): `X-Error-Code` and `X-Error-Message` decide before the
status does, because 401 is also what a stranger gets for a repository that does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote

from clore_inference import catalog
from clore_inference.clock import is_loopback
from clore_inference.errors import ConfigError
from clore_inference.secret import Secret
from clore_inference.spec import DeploymentSpec

State = Literal["open", "missing", "no-revision", "closed", "bad-token", "unknown"]

PROBE_FILE: Final = "config.json"
"""Any name would do: that a file is missing is only said of a repository that is open."""
BOUND_REAL_S: Final = 3.0
"""Wall-clock seconds for connect and answer; a hub answers a HEAD in well under one."""
TOKENS_PAGE: Final = "https://huggingface.co/settings/tokens"
OPEN_STATUS: Final = range(200, 400)
INVALID_TOKEN: Final = "invalid credentials"  # noqa: S105 - what the hub says, not a token
STATE_OF_CODE: Final[dict[str, State]] = {
    "RepoNotFound": "missing",
    "RevisionNotFound": "no-revision",
    "EntryNotFound": "open",
    "GatedRepo": "closed",
}
STATE_OF_STATUS: Final[dict[int, State]] = {401: "closed", 403: "closed", 404: "missing"}


@dataclass(frozen=True)
class Wanted:
    """The repository that a deployment will fetch, and where else the model is."""

    endpoint: str
    repository: str
    revision: str
    release: str
    elsewhere: tuple[tuple[str, str], ...] = ()
    """(release, repository) of the other releases that have this precision."""


@dataclass(frozen=True)
class Standing:
    """What the hub said; `text` is for people, in house form unless the repository is open."""

    state: State
    text: str

    @property
    def refuses(self) -> bool:
        """Whether it is definite that the weights cannot be fetched."""
        return self.state not in ("open", "unknown")


def wanted_repository(spec: DeploymentSpec) -> Wanted:
    """Return what `spec` fetches; a repository of one's own has no other release."""
    others = (
        (release, checkpoint.repository)
        for release in ("guide", "upstream")
        if release != spec.release and (checkpoint := catalog.checkpoint(release, spec.precision))
    )
    return Wanted(
        endpoint=spec.hf_endpoint.rstrip("/"),
        repository=spec.repository_name,
        revision=spec.revision or "main",
        release=spec.release,
        elsewhere=() if spec.repository else tuple(others),
    )


def judged(wanted: Wanted, status: int, headers: Mapping[str, str], *, has_token: bool) -> Standing:
    """Return what an answer to the HEAD means; `headers` are case-insensitive."""
    code = headers.get("X-Error-Code", "")
    said = headers.get("X-Error-Message", "")
    state: State = "unknown"
    if status in OPEN_STATUS:
        state = "open"
    elif INVALID_TOKEN in said.lower() and has_token:
        state = "bad-token"
    elif code in STATE_OF_CODE:
        state = STATE_OF_CODE[code]
    elif status in STATE_OF_STATUS:
        state = STATE_OF_STATUS[status]
    answer = f"{status} {code}".strip()
    return Standing(state, _text(wanted, state, answer, has_token=has_token))


def _text(wanted: Wanted, state: State, answer: str, *, has_token: bool) -> str:
    place = f"{wanted.endpoint}/{wanted.repository}"
    if state == "open":
        how = "the token opens it" if has_token else "it opens without a token"
        return f"{place} exists, and {how}."
    if state == "unknown":
        return (
            f"{place} was not looked at: the hub answered {answer}. The fetch on the host will "
            f"tell, after the order has begun to bill. Try `curl -I {place}`."
        )
    true, fix = _refusal(wanted, state, place, has_token=has_token)
    cost = "An order would bill while its host cannot fetch the weights; nothing was bought."
    return f"{true} (the hub answered {answer}). {cost} {fix}"


def _refusal(wanted: Wanted, state: State, place: str, *, has_token: bool) -> tuple[str, str]:
    """What is true, and what to run next."""
    if state == "bad-token":
        return (
            f"The hub refuses the token for {place}",
            f"Make a new one at {TOKENS_PAGE}, then export HF_TOKEN.",
        )
    if state == "no-revision":
        fix = "Take a commit that the repository's page lists under Files, History, for `revision`."
        return f"{place} has no revision {wanted.revision}", fix
    if state == "closed" and has_token:
        fix = (
            f"Accept the terms on {place} with the token's account, or use another account's token."
        )
        return f"{place} is closed to the token's account", fix
    if state == "closed":
        fix = (
            f"Accept the terms on {place}, make a read token at {TOKENS_PAGE}, and export HF_TOKEN."
        )
        return f"{place} is closed to strangers, and there is no token", fix
    seen = (
        "does not exist, or the token may not see it"
        if has_token
        else "does not exist, or is private"
    )
    return f"{place} {seen}", _elsewhere(wanted)


def _elsewhere(wanted: Wanted) -> str:
    if not wanted.elsewhere:
        return "Correct `repository`, or leave it out."
    ways = [
        f"release {release} has the model in {repository}: `pulumi config set release {release}`"
        for release, repository in wanted.elsewhere
    ]
    return f"Configured is release {wanted.release}; {' or '.join(ways)} (read its license first)."


def look(wanted: Wanted, token: Secret | None, *, timeout_s: float = BOUND_REAL_S) -> Standing:
    """Ask the hub once; never raises for the network. `timeout_s` is wall-clock seconds.

    Name resolution is not bounded by it: who must not wait longer asks in a thread.
    """
    import requests  # noqa: PLC0415 - every program imports this module, few of them ask

    def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Send the token, or nothing; given as `auth`, it keeps any .netrc from being read."""
        if token:
            request.headers["Authorization"] = f"Bearer {token.reveal()}"
        return request

    path = quote(f"{wanted.repository}/resolve/{wanted.revision}/{PROBE_FILE}")
    try:
        with requests.Session() as session:
            session.trust_env = not is_loopback(wanted.endpoint)
            answer = session.head(
                f"{wanted.endpoint}/{path}",
                auth=sign,
                timeout=timeout_s / 2,
                allow_redirects=False,
            )
    except (requests.RequestException, OSError) as error:
        reason = f"nothing ({type(error).__name__})"
        return Standing("unknown", _text(wanted, "unknown", reason, has_token=bool(token)))
    return judged(wanted, answer.status_code, answer.headers, has_token=bool(token))


def require(standing: Standing) -> str:
    """Return what is worth saying; raises ConfigError where the weights cannot be fetched."""
    if standing.refuses:
        raise ConfigError([standing.text])
    return standing.text
