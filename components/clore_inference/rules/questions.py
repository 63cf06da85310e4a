"""The six questions that a plan answers, as texts: the same for terminal, JSON and Markdown. Pure."""

from typing import Final

from pydantic import BaseModel, ConfigDict

from clore_inference import catalog
from clore_inference.rules.plan import Plan
from clore_inference.sizing import Price, host_requirement_fields, order_request_fields
from clore_inference.spec import DeploymentSpec, Finding
from clore_inference.units import duration, size, usd

LICENSE: Final = "clore-license-"
"""What the ids of the rules about the license begin with."""
REACH: Final = {
    "private": "private: on the host's loopback, reached through SSH",
    "public": "public: Clore's https name, behind the guard and a key",
}
REACH_OF_DOCKER: Final = {
    "private": "private: on the Docker host's loopback",
    "public": "public: on every address of the Docker host, in plain HTTP, behind the guard and a key",
}


class Answer(BaseModel):
    """One question, its answer in a sentence, and what is behind it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: str
    answer: str
    details: tuple[str, ...] = ()


class Answers(BaseModel):
    """Everything that somebody asks before spending money; the field names are stable."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what_will_run: Answer
    on_what: Answer
    for_how_much_at_most: Answer
    until_when: Answer
    may_i_use_it_for_this: Answer
    what_could_go_wrong: Answer

    def in_order(self) -> tuple[Answer, ...]:
        """Return them as they are asked."""
        return tuple(getattr(self, name) for name in type(self).model_fields)


def answers(plan: Plan) -> Answers:
    """Answer the six questions from spec and catalog alone."""
    return Answers(
        what_will_run=_what(plan),
        on_what=_on_what(plan),
        for_how_much_at_most=_how_much(plan),
        until_when=_until(plan),
        may_i_use_it_for_this=_may_i(plan),
        what_could_go_wrong=_wrong(plan),
    )


def _what(plan: Plan) -> Answer:
    spec = plan.spec
    reach = REACH_OF_DOCKER if spec.host == "docker" else REACH
    text = (
        f"{spec.repository_name} ({spec.precision}, release {spec.release}) with {spec.engine} "
        f"{spec.version}, served as {spec.served_model_name}; {reach[spec.exposure]}."
    )
    details = [f"Image {spec.image_name}."]
    if plan.weights:
        details.append(
            f"Weights: {size(plan.weights.total_bytes)} of revision {plan.weights.revision}, files "
            f"{', '.join(plan.weights.allow_patterns)}."
        )
    details.append(_why_release(spec))
    if plan.line:
        added = "Added" if spec.engine == "llamacpp" else "Added to the guide's line"
        details += [f"{added}: {reason}." for reason in plan.line.suffix_reasons]
    return Answer(question="What will run?", answer=text, details=tuple(details))


def _why_release(spec: DeploymentSpec) -> str:
    if spec.release == "guide":
        return "Release guide: names, files and license as in Clore's guide; `release: upstream` is what Mistral published."
    return "Release upstream: names, files and license as Mistral published them; `release: guide` follows Clore's guide."


def _on_what(plan: Plan) -> Answer:
    fit, spec = plan.fit, plan.spec
    where = "a Docker host of your own" if spec.host == "docker" else "one rented server"
    verdict = (
        f"It fits: {fit.concurrency:.2f} requests of {fit.max_model_len:,} tokens at the same time, "
        f"largest context {fit.largest_context:,}."
        if fit.fits
        else f"It does not fit with {fit.max_model_len:,} tokens of context."
    )
    speed = plan.ceiling.lines() if plan.ceiling else ()
    bill = (f"{line[0].upper()}{line[1:]}." for line in fit.lines())
    return Answer(
        question="On what?",
        answer=f"{spec.shape.count}x {spec.gpu.smi_name} in {where}. {verdict}",
        details=(*bill, _machine(spec), *(f"Speed of {one}." for one in speed)),
    )


def _machine(spec: DeploymentSpec) -> str:
    """What the rest of the machine must have, as it is asked of offers and proven on the host."""
    offer, host = order_request_fields(spec), host_requirement_fields(spec)
    shared = f", {host['min_shm_gb']:g} GB of /dev/shm" if host["min_shm_gb"] else ""
    return (
        f"The machine: {offer['min_memory_gb']:g} GiB of memory, {offer['min_disk_gb']:g} GB of disk, a "
        f"link of {offer['min_down_mbps']:g} Mbps, CUDA {offer['min_cuda']}, driver "
        f"{host['min_driver']}{shared}."
    )


def _how_much(plan: Plan) -> Answer:
    if plan.spec.host == "docker":
        text = "Nothing to a marketplace: the machine is your own, and no order is made."
        return Answer(question="For how much at most?", answer=text)
    price = plan.price
    text = (
        f"At most {usd(price.cap_per_day)} a day ({usd(price.per_hour)} an hour) for the whole server, "
        f"renter fee included; {usd(price.worst_term)} for the shortest lease that is taken "
        f"({float(price.term_hours):g} h), and {usd(price.worst_total)} in all if nobody ends it."
    )
    fees = f"creation fee{'s' if price.orders > 1 else ''} of {usd(price.creation_fee)}"
    details = [
        f"Offers are taken up to {usd(price.listed_cap_per_day)} a day as listed, without the fee.",
        (
            f"Worst case {usd(price.worst_day)} for the first day, with {price.orders} {fees}; a lease "
            f"may begin after {duration(float(price.trial_hours) * 3600)} on servers that prove unfit."
        ),
        f"In all: {price.bound}.",
    ]
    if plan.ceiling:
        per_million = usd(plan.ceiling.usd_per_million_tokens(price.cap_per_day))
        details.append(
            f"{per_million} per million tokens for one request at a time, at the cap and at the "
            "roofline: a slower engine costs more per token, requests side by side cost less."
        )
    return Answer(question="For how much at most?", answer=text, details=tuple(details))


def _until(plan: Plan) -> Answer:
    spec = plan.spec
    stages = ", ".join(f"{one.name} {duration(one.seconds)}" for one in plan.startup.stages)
    ready = f"{duration(plan.startup.seconds)} after the order at {plan.startup.link_mbps:g} Mbps"
    if spec.host == "docker":
        own = "Until `pulumi destroy`; the volume with the weights stays."
        start = f"The first start takes as long as its download: {stages.partition(', ')[2]}."
        return Answer(question="Until when?", answer=own, details=(start,))
    text = (
        "Until `pulumi destroy`, and no longer than the order's term, which is at least "
        f"{spec.min_term_hours:g} h (minTermHours) and at most {_longest(plan.price)}. It bills until "
        "then."
    )
    outbid = "Spot: whoever bids more ends it at once, before any of that."
    details = (
        *((outbid,) if spec.order_type == "spot" else ()),
        f"Ready about {ready}: {stages}.",
        "At the end of the term host and endpoint are gone; raise `generation` before that.",
    )
    return Answer(question="Until when?", answer=text, details=details)


def _longest(price: Price) -> str:
    hours = f"{float(price.last_hours):,.0f} h"
    return hours if price.cap_total is None else f"what maxUsdTotal pays for, {hours} at the cap"


def _may_i(plan: Plan) -> Answer:
    spec = plan.spec
    found = [one for one in plan.findings if one.rule.startswith(LICENSE)]
    refused = [one for one in found if one.severity == "mandatory"]
    if refused:
        text = f"No, not for {spec.license_use}: {refused[0].message}"
    elif spec.license_evidence:
        text = f"Yes, for {spec.license_use}, by your own record: {spec.license_evidence}"
    else:
        text = f"Yes, for {spec.license_use}: {_permission(spec)}"
    details = tuple(f"{one.message} {one.fix}" for one in found[1:] or found)
    return Answer(question="May I use it for this?", answer=text, details=details)


def _permission(spec: DeploymentSpec) -> str:
    for row in catalog.catalog().license:
        if row.release == spec.release:
            needs = f", with {row.needs}" if row.needs else ""
            return f"the {row.name} permits {', '.join(row.permits)}{needs} ({row.source})."
    return "no license of this release forbids it."


def _wrong(plan: Plan) -> Answer:
    warnings = [one for one in plan.findings if one.severity != "mandatory"]
    text = (
        f"{_count(plan.refused, 'finding refuses', 'findings refuse')} it: nothing would be bought."
        if plan.refused
        else f"Nothing refuses it; {_count(warnings, 'warning', 'warnings')}."
    )
    return Answer(
        question="What could go wrong?",
        answer=text,
        details=(*(_told(one) for one in plan.findings), *_standing(plan.spec)),
    )


def _count(found: object, one: str, more: str) -> str:
    number = len(found) if isinstance(found, list | tuple) else 0
    return f"{number or 'no'} {one if number == 1 else more}"


def _told(finding: Finding) -> str:
    return f"{'REFUSED' if finding.severity == 'mandatory' else 'Warning'}: {finding.text}"


def _standing(spec: DeploymentSpec) -> tuple[str, ...]:
    """What no rule can rule out, and what happens then."""
    if spec.host == "docker":
        return (
            "The host can have other GPUs than these: it is attested before anything is fetched.",
            "A container can die: the next `up` starts it again, with the weights of the volume.",
        )
    again = f"up to {spec.max_replacements} more server(s) are tried in the same `up`"
    return (
        f"A host can lie or never answer: it is released, verified, and {again}.",
        "A host can vanish: the next `up` finds out by evidence and rents another one under the cap.",
        "Prices move: between plan and `up` an offer can go; the cap holds always.",
    )
