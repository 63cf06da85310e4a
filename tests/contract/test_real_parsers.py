"""Our lines before the real argument parsers of every release that we offer; `make parsers`."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from random import Random

import pytest
from tools.flags.environment import Environment
from tools.flags.release import sources

from clore_inference import catalog, engines
from clore_inference.engines import EngineCommand
from clore_inference.rules import Facts, construct, judge
from clore_inference.spec import Finding, read_stack_file
from support.lines import changed, good

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("CLORE_INFERENCE_PARSERS"),
        reason="needs the engines' own parsers (6 GB, ten minutes once): run `make parsers`",
    ),
]

STACKS = sorted((Path(__file__).resolve().parents[2] / "stacks").glob("Pulumi.*.yaml"))
RELEASES = [
    (row.engine, row.id)
    for row in catalog.catalog().version
    if row.engine != "llamacpp" and row.status != "refused"
]
IMAGES = {"vllm": "vllm/vllm-openai:v{}", "sglang": "lmsysorg/sglang:v{}"}
START = {"vllm": 2, "sglang": 3}
PARSERS_RULES = {"clore-engine-forbid-refused-flag", "clore-engine-match-flag-value"}
GOOD = 200
BROKEN = 150
"""Lines with one thing changed for each engine; at least 100 of them are broken."""

every_release = pytest.mark.parametrize(
    ("engine", "release"), RELEASES, ids=[f"{engine}-{release}" for engine, release in RELEASES]
)


@cache
def shipped() -> tuple[EngineCommand, ...]:
    specs = [
        construct(read_stack_file(path.read_text(encoding="utf-8")).values)[0] for path in STACKS
    ]
    return tuple(engines.command(spec) for spec in specs)


@cache
def generated(engine: str) -> tuple[EngineCommand, ...]:
    return tuple(good(engine, GOOD, seed=1))


@cache
def altered(engine: str) -> tuple[tuple[str, ...], ...]:
    dice = Random(2)
    return tuple(
        dict.fromkeys(
            changed(dice.choice(generated(engine)).argv, engine, dice) for _ in range(BROKEN)
        )
    )


@cache
def said(engine: str, release: str) -> dict[tuple[str, ...], str]:
    """What the real parser of a release says to every line of this file."""
    own = [line.argv for line in (*shipped(), *generated(engine)) if line.engine == engine]
    lines = [*own, *altered(engine)]
    folder = sources(engine, release, print)
    answers = Environment(print).ask(
        engine, folder, "parse", [line[START[engine] :] for line in lines]
    )
    return dict(zip(lines, answers, strict=True))


@every_release
def test_every_shipped_stack_and_every_valid_spec_parses(engine: str, release: str) -> None:
    ours = [line.argv for line in (*shipped(), *generated(engine)) if line.engine == engine]
    assert len(ours) >= GOOD
    answers = said(engine, release)
    assert [answers[argv] for argv in ours if answers[argv]] == []


@every_release
def test_what_the_parser_refuses_a_rule_refuses(engine: str, release: str) -> None:
    missed = [
        (argv[START[engine] :], answer[-200:])
        for argv, answer in _altered(engine, release)
        if answer and not any(one.severity == "mandatory" for one in _judged(engine, release, argv))
    ]
    assert missed == []


@every_release
def test_what_the_rules_of_the_parser_refuse_the_parser_refuses(engine: str, release: str) -> None:
    invented = [
        (one.message, argv[-3:])
        for argv, answer in _altered(engine, release)
        for one in _judged(engine, release, argv)
        if one.rule in PARSERS_RULES and not answer
    ]
    assert invented == []


@every_release
def test_most_of_the_changed_lines_are_really_broken(engine: str, release: str) -> None:
    assert sum(bool(answer) for _, answer in _altered(engine, release)) >= BROKEN // 2


def test_a_hundred_broken_lines_were_refused_in_all() -> None:
    broken = {
        argv for engine, release in RELEASES for argv, answer in _altered(engine, release) if answer
    }
    assert len(broken) >= 100


def _altered(engine: str, release: str) -> list[tuple[tuple[str, ...], str]]:
    answers = said(engine, release)
    return [(argv, answers[argv]) for argv in altered(engine)]


@cache
def _judged(engine: str, release: str, argv: tuple[str, ...]) -> tuple[Finding, ...]:
    facts = Facts.of_engine_line(argv, image=IMAGES[engine].format(release))
    assert facts
    return judge(facts)
