"""What the hub knows while it runs: who may read what, which faults are armed, what was moved."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from clore_emulator.hub.repository import Repository

DEMO_TOKEN: Final = "hf_emulator_demo_token"  # noqa: S105 - opens the local hub only
EVERY_REPOSITORY: Final = "*"

FaultName = Literal["cut_after", "slow", "http_429", "http_5xx", "refused", "wrong_hash"]

FAULTS: Final[dict[str, tuple[str, Mapping[str, int]]]] = {
    "cut_after": ("the connection breaks after so many bytes of the body", {"bytes": 100_000}),
    "slow": ("the body comes at so many bytes per real second", {"bytes_per_s": 100_000}),
    "http_429": ("too many requests; come back after so many seconds", {"retry_after_s": 1}),
    "http_5xx": ("the hub answers this status instead", {"status": 503}),
    "refused": ("this status to everybody, whatever their token opens", {"status": 403}),
    "wrong_hash": ("one byte of the body is not what the hash says", {}),
}


@dataclass
class Fault:
    """One armed fault: `times` answers (0: all) to GETs whose path matches the glob `match`."""

    name: FaultName
    match: str = "*/resolve/*"
    times: int = 1
    parameters: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Fault:
        """From JSON; ValueError says what does not exist."""
        given = dict(row)
        name = given.pop("name", None)
        if name not in FAULTS:
            message = f"no hub fault {name!r}; known: {', '.join(FAULTS)}"
            raise ValueError(message)
        defaults = FAULTS[name][1]
        match, times = given.pop("match", cls.match), given.pop("times", cls.times)
        if unknown := given.keys() - defaults.keys():
            message = f"hub fault {name} has no {sorted(unknown)}; it has {sorted(defaults)}"
            raise ValueError(message)
        return cls(name, match, times, {**defaults, **given})


@dataclass
class Traffic:
    """What one file cost: bodies asked for, bytes sent, ranges as [first, last]."""

    heads: int = 0
    requests: int = 0
    bytes: int = 0
    ranges: list[list[int]] = field(default_factory=list)


class Desk:
    """State of one hub, shared by all its listeners."""

    def __init__(
        self, repositories: Iterable[Repository], tokens: Mapping[str, Sequence[str]]
    ) -> None:
        self.repositories = {repository.name: repository for repository in repositories}
        self.tokens = {token: list(names) for token, names in tokens.items()}
        self.faults: list[Fault] = []
        self.traffic: dict[str, Traffic] = {}

    def of(self, repository: str, path: str) -> Traffic:
        """The traffic of one file."""
        return self.traffic.setdefault(f"{repository}/{path}", Traffic())

    def knows(self, token: str | None) -> bool:
        """Whether a token belongs to anybody."""
        return token in self.tokens

    def opens(self, token: str | None, repository: Repository) -> bool:
        """Whether a token may read the files of a repository."""
        if not repository.gated:
            return True
        names = self.tokens.get(token or "", [])
        return EVERY_REPOSITORY in names or repository.name in names

    def strike(self, path: str) -> list[Fault]:
        """The faults that hit this answer; counts them down."""
        hit = [fault for fault in self.faults if fnmatch.fnmatchcase(path, fault.match)]
        for fault in hit:
            if fault.times:
                fault.times -= 1
                if not fault.times:
                    self.faults.remove(fault)
        return hit

    def report(self) -> dict[str, Any]:
        """What `GET /_admin/hub` answers; tokens are counted, not shown."""
        return {
            "files": {name: asdict(traffic) for name, traffic in sorted(self.traffic.items())},
            "bytes": sum(traffic.bytes for traffic in self.traffic.values()),
            "faults": [asdict(fault) for fault in self.faults],
            "tokens": len(self.tokens),
            "repositories": sorted(self.repositories),
        }
