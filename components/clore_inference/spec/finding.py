"""What is wrong or risky, as one thing that every door shows alike."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Severity = Literal["mandatory", "warning"]


class Finding(BaseModel):
    """One rule, broken: what is true, what it costs, what to do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str
    """The rule's id, stable for ever."""
    severity: Severity
    message: str
    """What is true, with numbers and units, and what it costs or breaks."""
    fix: str
    """What to change or run next."""
    keys: tuple[str, ...] = ()
    """Configuration keys that it is about."""

    @property
    def text(self) -> str:
        """Message, fix and id in one paragraph."""
        return f"{self.message} {self.fix} [{self.rule}]"
