"""What every lifecycle function needs and no resource may hold: key, clock, log, the engine's pulse."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clore_inference.clock import Clock, clock_for
from clore_inference.errors import CloreInferenceError, ConfigError
from clore_inference.secret import Secret, redact

if TYPE_CHECKING:
    from clore_inference.market.marketplace import Marketplace

Properties = Mapping[str, Any]

CLORE_API_URL: Final = "https://api.clore.ai"
"""https://docs.clore.ai, the base URL without its version."""
NO_KEY: Final = (
    "there is no Clore API key, so nothing can be rented or cancelled: export CLORE_API_KEY, or run "
    "`pulumi config set --secret cloreApiKey`"
)


@dataclass(frozen=True)
class Change:
    """What a diff found: properties that force a replacement, or only an update in place."""

    replaces: tuple[str, ...] = ()
    update: bool = False

    @property
    def any(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.replaces) or self.update


def _place(error: BaseException) -> str:
    """Where an error that nobody expected came from; its traceback is not shown."""
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    return " ".join(f"{Path(one.filename).name}:{one.lineno}" for one in frames)


@dataclass
class Session:
    """One provider process on one marketplace account."""

    api_url: str
    api_key: Secret | None
    time_scale: float
    engine_alive: Callable[[], bool]
    say: Callable[[str], None]
    warn: Callable[[str], None]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _marketplace: Marketplace | None = None

    @classmethod
    def configured(
        cls,
        setting: Callable[[str], str | None],
        environment: Mapping[str, str],
        *,
        engine_alive: Callable[[], bool],
        say: Callable[[str], None],
        warn: Callable[[str], None],
    ) -> Session:
        """Build a session from stack settings; `CLORE_API_KEY` in the environment wins."""
        key = environment.get("CLORE_API_KEY") or setting("cloreApiKey")
        return cls(
            api_url=setting("apiUrl") or CLORE_API_URL,
            api_key=Secret(key) if key else None,
            time_scale=float(setting("timeScale") or 1),
            engine_alive=engine_alive,
            say=say,
            warn=warn,
        )

    @property
    def clock(self) -> Clock:
        """The clock of this marketplace."""
        return clock_for(self.api_url, self.time_scale)

    @property
    def marketplace(self) -> Marketplace:
        """The marketplace, opened on first use and shared by the threads of this process."""
        from clore_inference.market.marketplace import Marketplace  # noqa: PLC0415 - imports requests

        with self._lock:
            if self._marketplace is None:
                self._marketplace = Marketplace.open(
                    api_url=self.api_url,
                    key=self.api_key,
                    clock=self.clock,
                    engine_alive=self.engine_alive,
                    say=self.say,
                )
            return self._marketplace

    def require_key(self) -> None:
        """Raise ConfigError unless there is an API key."""
        if self.api_key is None:
            raise ConfigError([NO_KEY])

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Let no error text carry the API key, and show our own messages before any traceback."""
        secrets = [self.api_key] if self.api_key else []
        try:
            yield
        except CloreInferenceError as error:
            raise error from None  # what caused it would be printed first, and bury it
        except Exception as error:  # noqa: BLE001 - every text that leaves this process must be masked
            text = redact(f"{type(error).__name__}: {error}", secrets)
            raise CloreInferenceError(f"{text} ({_place(error)})") from None
