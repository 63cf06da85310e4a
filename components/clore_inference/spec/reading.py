"""From flat configured values to a spec, with every reason why not.

A reading is useful even when it failed: each value that could not be read is stood in for by its
default, so that rules can judge the rest in the same run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from ipaddress import ip_address
from urllib.parse import urlsplit

from clore_inference.errors import ConfigError
from clore_inference.spec.deployment import DeploymentSpec
from clore_inference.spec.finding import Finding
from clore_inference.spec.keys import Key, keys, spec_keys
from clore_inference.spec.value import UnreadableError, Value, is_unset, read

UNKNOWN_KEY = "clore-config-know-key"
MISSING_KEY = "clore-config-require-key"
WRONG_TYPE = "clore-config-require-type"
NO_SUCH_CHOICE = "clore-config-require-choice"
OUT_OF_RANGE = "clore-config-require-range"
BAD_URL = "clore-config-require-url"
NOT_LOOPBACK = "clore-clock-require-loopback"

STAND_INS = {"licenseUse": "evaluation", "maxUsdPerDay": Decimal(50)}
"""What stands in for a required key that is missing, so that the other rules can run."""
NO_MARKET = {"maxUsdPerDay": Decimal("0.01")}
"""What a Docker host of one's own need not say: it is not rented, so the least amount stands there."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A spec, as far as it could be read, and what could not be."""

    spec: DeploymentSpec
    findings: tuple[Finding, ...]
    unreadable: frozenset[str]
    """Keys whose value in `spec` is a stand-in; nothing may be concluded from it."""

    def require(self) -> DeploymentSpec:
        """Return the spec; raises ConfigError with all findings if there are any."""
        if self.findings:
            raise ConfigError([finding.text for finding in self.findings])
        return self.spec


def read_values(values: Mapping[str, object]) -> Reading:
    """Read flat camelCase values; never raises for what they say."""
    findings = [*_unknown(values)]
    values = _without_market(values)
    unreadable: set[str] = set()
    fields: dict[str, object] = {}
    for key in spec_keys():
        value, finding = _read(key, values.get(key.name))
        fields[key.field] = value
        if finding:
            findings.append(finding)
            unreadable.add(key.name)
    findings += _urls(fields, unreadable)
    findings += _clock(fields, unreadable)
    spec = DeploymentSpec.model_validate(fields)
    return Reading(spec, tuple(findings), frozenset(unreadable))


def _without_market(values: Mapping[str, object]) -> Mapping[str, object]:
    missing = {name: least for name, least in NO_MARKET.items() if is_unset(values.get(name))}
    return {**values, **missing} if values.get("host") == "docker" else values


def _finding(rule: str, key: str, message: str, fix: str) -> Finding:
    return Finding(rule=rule, severity="mandatory", message=message, fix=fix, keys=(key,))


def _unknown(values: Mapping[str, object]) -> list[Finding]:
    known = [key.name for key in keys()]
    by_lower = {name.lower(): name for name in known}
    findings = []
    for name in sorted(set(values) - set(known)):
        near = get_close_matches(name.lower(), by_lower, n=1)
        fix = f"Did you mean {by_lower[near[0]]}?" if near else "Known keys are in Pulumi.yaml."
        message = f"{name} is not a configuration key, so it has no effect."
        findings.append(_finding(UNKNOWN_KEY, name, message, f"{fix} Else remove it."))
    return findings


def _default(key: Key) -> object:
    return STAND_INS.get(key.name) if key.required else key.default


def _read(key: Key, raw: object) -> tuple[object, Finding | None]:
    if is_unset(raw):
        if not key.required:
            return key.default, None
        message = f"{key.name} is not set and has no default: {key.doc}"
        return _default(key), _finding(MISSING_KEY, key.name, message, _set(key))
    try:
        value = read(key, raw)
    except UnreadableError as error:
        return _default(key), _finding(WRONG_TYPE, key.name, f"{error}: {key.doc}", _set(key))
    finding = _choice(key, value) or _range(key, value)
    return (_default(key), finding) if finding else (value, None)


def _set(key: Key) -> str:
    default = "" if key.default in (None, ()) else str(key.default)
    value = next(iter(key.listed), "") or default
    command = key.example or f"{key.name} {value or 'VALUE'}"
    choices = f" with one of: {', '.join(key.listed)}" if key.choices else ""
    return f"Run `pulumi config set {command}`{choices}."


def _choice(key: Key, value: Value) -> Finding | None:
    if not key.choices or value in key.choices:
        return None
    by_lower = {choice.lower(): choice for choice in key.listed}
    near = get_close_matches(str(value).lower(), by_lower, n=1, cutoff=0.4)
    hint = f"Did you mean {by_lower[near[0]]}? " if near else ""
    message = f"{key.name} is {str(value)[:60]!r}, which does not exist."
    fix = f"{hint}Choose one of: {', '.join(key.listed)}."
    return _finding(NO_SUCH_CHOICE, key.name, message, fix)


def _range(key: Key, value: Value) -> Finding | None:
    if isinstance(value, str | tuple):
        return None
    least, most = key.least, key.most
    exact = Decimal(str(value))  # 0.01 as a float is above 0.01 as an amount
    above = least is None or exact >= Decimal(str(least))
    if above and (most is None or exact <= Decimal(str(most))):
        return None
    message = f"{key.name} is {value}, outside {least:g} to {most:g}: {key.doc}"
    return _finding(OUT_OF_RANGE, key.name, message, _set(key))


def _is_loopback(url: str) -> bool:
    try:
        return ip_address(urlsplit(url).hostname or "").is_loopback
    except ValueError:
        return False


def _urls(fields: dict[str, object], unreadable: set[str]) -> list[Finding]:
    findings = []
    for name in ("apiUrl", "hfEndpoint"):
        key = next(one for one in keys() if one.name == name)
        url = str(fields[key.field])
        try:
            parts = urlsplit(url)
            sound = bool(parts.hostname) and parts.username is None and not parts.query
            safe = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(url))
        except ValueError:
            sound = safe = False
        if sound and safe:
            continue
        message = f"{name} is not an https URL; plain http would carry secrets in clear."
        fix = "Use https://…, or http:// with a loopback address such as 127.0.0.1 (the emulator)."
        findings.append(_finding(BAD_URL, name, message, fix))
        fields[key.field] = key.default
        unreadable.add(name)
    return findings


def _clock(fields: dict[str, object], unreadable: set[str]) -> list[Finding]:
    scale = fields["time_scale"]
    if scale == 1 or unreadable & {"apiUrl", "timeScale"} or _is_loopback(str(fields["api_url"])):
        return []
    message = (
        f"timeScale is {scale:g}, but apiUrl {fields['api_url']} is not on a loopback address: "
        "a fast clock would break the marketplace's rate limits and cut waits short."
    )
    unreadable.add("timeScale")
    fields["time_scale"] = 1.0
    fix = "Remove timeScale, or point apiUrl at an emulator on 127.0.0.1."
    return [_finding(NOT_LOOPBACK, "timeScale", message, fix)]
