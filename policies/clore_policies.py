"""The rules of `clore_inference.rules` as Pulumi policies: one policy per rule, same id, same text.

Judged are our deployments, by their component inputs and by what they tell when a preview is
complete, and containers and commands outside our components that start an engine. Mandatory unless the pack's configuration says otherwise, which
takes a reason that every finding then shows (`--policy-pack-config exceptions.json`):

    {"clore-topology-forbid-refused":
        {"enforcementLevel": "advisory", "reason": "two weeks of tests at 8K, ticket 114"}}
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError
from stack_configuration import plain_secrets

from clore_inference.rules import RULES, Facts, Rule

DEPLOYMENT: Final = "clore:index:MistralDeployment"
OURS: Final = "clore:index:"
TOLD: Final = "facts"
"""Output of a deployment in previews; what is in it is said by `Facts.told`."""
CONTAINER: Final = "docker:index/container:Container"
VLLM_IMAGE: Final = "vllm/vllm-openai"
VLLM_ENTRYPOINT: Final = ("vllm", "serve")
"""Of that image, so that a container's command begins with the model and repeats neither word."""
COMMANDS: Final = ("command:local:Command", "command:remote:Command")
LEVELS: Final = {
    "mandatory": EnforcementLevel.MANDATORY,
    "warning": EnforcementLevel.ADVISORY,
}
REASON: Final = PolicyConfigSchema({"reason": {"type": "string", "minLength": 8}})
"""Anything shorter explains nothing; the engine refuses a configuration that breaks this."""
REMEMBERED: Final = 64
"""Resources whose facts are kept: every rule asks for the facts of the same few."""


def policies() -> list[Policy]:
    """Return one policy per rule, in the order of the registry."""
    return [(ToldPolicy if rule.seen == "preview" else RulePolicy)(rule) for rule in RULES]


class RulePolicy(ResourceValidationPolicy):
    """One rule: judges each resource when it is registered."""

    def __init__(self, rule: Rule) -> None:
        Policy.__init__(
            self,
            name=rule.id,
            description=f"{rule.title[0].upper()}{rule.title[1:]}.",
            enforcement_level=LEVELS[rule.severity],
            config_schema=REASON,
            url=rule.why,
            remediation_steps=rule.fix,
        )
        self._rule = rule

    def has_validation(self) -> bool:
        """It has one; the SDK asks."""
        return True

    def has_remediation(self) -> bool:
        """Nothing is changed for anybody."""
        return False

    def validate(  # type: ignore[override] - one name, one configuration, both kinds of looking
        self, args: ResourceValidationArgs | StackValidationArgs, report: ReportViolation
    ) -> None:
        """Report every finding, with the reason of a configured exception."""
        reason = args.get_config().get("reason")
        configured = f" Configured for this rule: {reason}" if reason else ""
        for text, urn in self._found(args):
            report(text + configured, urn)

    def _found(
        self, args: ResourceValidationArgs | StackValidationArgs
    ) -> Iterator[tuple[str, str | None]]:
        if isinstance(args, ResourceValidationArgs):
            facts = facts_of(args)
            yield from ((one.text, None) for one in (self._rule.run(facts) if facts else ()))


class ToldPolicy(RulePolicy, StackValidationPolicy):
    """A rule about what only a preview knows.

    It also judges, once the preview is complete, what the deployments told: see `Facts.told`. The
    engine's own diff does not see it, since it is told as a component's output. The SDK reads every
    resource anew for each policy of a stack, so no other rule is one.
    """

    def _found(
        self, args: ResourceValidationArgs | StackValidationArgs
    ) -> Iterator[tuple[str, str | None]]:
        yield from super()._found(args)
        if isinstance(args, StackValidationArgs):
            yield from self._told(args)

    def _told(self, args: StackValidationArgs) -> Iterator[tuple[str, str]]:
        """What the inputs alone did not show already."""
        for one in args.resources:
            told = _value(one.props[TOLD]) if _is_deployment(one.resource_type, one.props) else None
            if told:
                seen = set(self._rule.run(_facts_of_values(_document(told["spec"]))))
                found = self._rule.run(Facts.of_told(told))
                yield from ((finding.text, one.urn) for finding in found if finding not in seen)


def _is_deployment(kind: str, outputs: Mapping[str, Any]) -> bool:
    return kind == DEPLOYMENT and TOLD in outputs


def facts_of(args: ResourceValidationArgs) -> Facts | None:
    """Return what the rules judge of a resource; None if it is none of theirs."""
    if args.resource_type == DEPLOYMENT:
        return _deployment(args.props)
    if OURS in args.urn:
        return None
    if args.resource_type == CONTAINER:
        return _container(args.props)
    if args.resource_type in COMMANDS:
        return _command(args.props)
    return None


def _deployment(props: Mapping[str, Any]) -> Facts:
    known, unknown = _plain(props)
    facts = replace(_facts_of_values(_document(known)), plain_secrets=plain_secrets())
    if not unknown:
        return facts
    return replace(
        facts,
        unknown=unknown,
        unreadable=facts.unreadable | set(unknown),
        reading=tuple(one for one in facts.reading if not set(one.keys) <= set(unknown)),
    )


def _document(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, default=str)


@lru_cache(maxsize=REMEMBERED)
def _facts_of_values(document: str) -> Facts:
    return Facts.of_values(json.loads(document))


def _container(props: Mapping[str, Any]) -> Facts | None:
    known, unknown = _plain(props)
    image = str(known.get("image") or "")
    words = [*_words(known.get("entrypoints")), *_words(known.get("command"))]
    if VLLM_IMAGE in image and not known.get("entrypoints"):
        words = [*VLLM_ENTRYPOINT, *words]
    environment = dict(
        str(entry).split("=", 1) for entry in known.get("envs") or () if "=" in str(entry)
    )
    facts = _engine_line(words, unknown, image, environment)
    return replace(facts, mounts=_mounts(known)) if facts and "volumes" not in unknown else facts


def _mounts(container: Mapping[str, Any]) -> tuple[str, ...]:
    """Paths in a container that a volume, or the host's own disk, keeps."""
    volumes = [str(one.get("containerPath") or "") for one in container.get("volumes") or ()]
    return (*volumes, *(str(one.get("target") or "") for one in container.get("mounts") or ()))


def _command(props: Mapping[str, Any]) -> Facts | None:
    known, unknown = _plain(props)
    environment = known.get("environment")
    variables = environment if isinstance(environment, dict) else {}
    scripts = [*_words(known.get("create")), ";", *_words(known.get("update"))]
    return _engine_line(scripts, unknown, "", {k: str(v) for k, v in variables.items()})


def _engine_line(
    words: Sequence[str], unknown: tuple[str, ...], image: str, environment: Mapping[str, str]
) -> Facts | None:
    facts = Facts.of_engine_line(words, image=image, environment=environment)
    if facts is None:
        return None
    relevant = {"command", "entrypoints", "create", "update", "envs", "environment"}
    return replace(facts, unknown=tuple(name for name in unknown if name in relevant))


def _words(value: object) -> list[str]:
    if not isinstance(value, str):
        return [str(word) for word in value] if isinstance(value, Sequence) else []
    try:
        return shlex.split(value.replace("\\\n", " ").replace("\n", "\n; "), comments=True)
    except ValueError:
        return value.split()


def _plain(props: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Properties as plain values, and the names of those that are not known yet."""
    known: dict[str, Any] = {}
    unknown: list[str] = []
    for name in props:
        try:
            known[name] = _value(props[name])
        except UnknownValueError:
            unknown.append(name)
    return known, tuple(unknown)


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _value(value[name]) for name in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_value(one) for one in value]
    # Every number travels as a double; construction was given a whole one.
    return int(value) if isinstance(value, float) and value.is_integer() else value
