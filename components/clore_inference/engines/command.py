"""An engine's command line: the guide's part first, ours as one named suffix behind it."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

EngineName = Literal["vllm", "sglang", "llamacpp"]
SNAPSHOT: Final = "{snapshot}"
"""Stands in a word for the folder of the fetched revision, which only the host knows. What follows
the slash is a pattern; the host puts the first path that matches it, in sorted order, in the word's
place: of a file in parts, `…-00001-of-00003.gguf`, which is what llama.cpp wants to be given."""


class Addition(BaseModel):
    """Flags that we add to the guide's line, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flags: tuple[str, ...]
    reason: str


class EngineCommand(BaseModel):
    """What starts an engine: argv, environment, image, port.

    `argv[:suffix_from]` is the guide's line, flag by flag and in its order; `argv[suffix_from:]` is
    ours. Where a flag stands twice, the last one wins in vLLM and SGLang.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: EngineName
    version: str
    argv: tuple[str, ...]
    suffix_from: int
    suffix_reasons: tuple[str, ...] = ()
    """One reason per addition, in the order of the suffix."""
    environment: dict[str, str] = {}
    """Without secrets; they reach the host on standard input."""
    image: str
    port: int

    @property
    def guide(self) -> tuple[str, ...]:
        """The guide's part of the line."""
        return self.argv[: self.suffix_from]

    @property
    def suffix(self) -> tuple[str, ...]:
        """Our part of the line."""
        return self.argv[self.suffix_from :]

    def value(self, *flags: str) -> str | None:
        """Return the value that counts of a flag with any of these spellings; None if absent."""
        found = None
        for index, word in enumerate(self.argv):
            name, equals, rest = word.partition("=")
            if name not in flags:
                continue
            following = self.argv[index + 1] if index + 1 < len(self.argv) else ""
            found = rest if equals else following
        return found

    def has(self, *flags: str) -> bool:
        """Whether the line has a flag with any of these spellings."""
        return any(word.partition("=")[0] in flags for word in self.argv)

    def lines(self) -> tuple[str, ...]:
        """The line as people read it: one flag with its value per line."""
        rows: list[str] = []
        for word in self.argv:
            starts_row = not rows or word.startswith("-")
            if starts_row and not _is_module_switch(word):
                rows.append(word)
            else:
                rows[-1] += f" {word}"
        return tuple(rows)


def _is_module_switch(word: str) -> bool:
    return word == "-m"


def assemble(
    *,
    engine: EngineName,
    version: str,
    image: str,
    port: int,
    guide: tuple[str, ...],
    additions: tuple[Addition, ...],
    environment: dict[str, str],
) -> EngineCommand:
    """Put the guide's line and our additions together."""
    ours = tuple(flag for addition in additions for flag in addition.flags)
    return EngineCommand(
        engine=engine,
        version=version,
        image=image,
        port=port,
        argv=(*guide, *ours),
        suffix_from=len(guide),
        suffix_reasons=tuple(addition.reason for addition in additions),
        environment=environment,
    )


def share(value: float) -> str:
    """A share of memory as the guide writes it: two decimals, more only if it has more."""
    short = f"{value:.2f}"
    return short if float(short) == value else repr(value)
