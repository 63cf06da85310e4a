"""What another configuration does to a running deployment; tests/e2e holds it to the real engine."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from clore_inference.lifecycle.difference import PARTS, Fate, difference, in_short
from support.changes import CHANGES, Change
from support.wishes import a_spec


def fates(base: Mapping[str, object], head: Mapping[str, object]) -> dict[str, Fate]:
    return {step.part: step.fate for step in difference(a_spec(**base), a_spec(**head))}


def test_the_same_wishes_keep_everything() -> None:
    assert set(fates({}, {}).values()) == {"keep"}
    assert in_short(difference(a_spec(), a_spec())) == "Nothing that runs is touched."


def test_a_new_stack_creates_every_part() -> None:
    steps = difference(None, a_spec())
    assert [(step.part, step.fate) for step in steps] == [(part, "create") for part in PARTS]


@pytest.mark.parametrize("change", CHANGES, ids=lambda one: one.name)
def test_a_change_replaces_no_more_than_it_must(change: Change) -> None:
    found = fates({}, change.settings)
    replaced = {part for part, fate in found.items() if fate == "replace"}
    assert replaced == change.replaced


def test_a_successor_is_built_beside_the_old_one() -> None:
    found = fates({}, {"generation": 2})
    assert found["keys"] == "keep"
    assert {found[part] for part in PARTS[1:]} == {"succeed"}


def test_more_that_is_asked_of_a_host_may_replace_it_and_less_does_not() -> None:
    bigger = {"topology": "8xH100", "precision": "bf16"}
    steps = difference(a_spec(topology="8xH100"), a_spec(**bigger))
    lease = next(step for step in steps if step.part == "lease")
    assert lease.fate == "keep if it fits"
    assert "free disk" in lease.because
    assert fates(bigger, {"topology": "8xH100"})["lease"] == "keep"


def test_another_kind_of_host_is_another_deployment() -> None:
    moved = fates({}, {"host": "docker"})
    assert set(moved.values()) == {"keep", "replace"}
    assert [part for part, fate in moved.items() if fate == "keep"] == ["keys"]


def test_another_docker_host_is_another_machine() -> None:
    box = {"host": "docker", "dockerHost": "ssh://me@a"}
    moved = fates(box, {**box, "dockerHost": "ssh://me@b"})
    assert [part for part, fate in moved.items() if fate == "keep"] == ["keys"]


def test_a_generation_means_nothing_on_a_docker_host() -> None:
    raised = fates({"host": "docker"}, {"host": "docker", "generation": 2})
    assert set(raised.values()) == {"keep"}


def test_another_engine_says_the_install_and_its_size_and_that_it_is_the_same_order() -> None:
    said = in_short(difference(a_spec(), a_spec(engine="sglang")))
    assert said.startswith("sglang 0.5.23 is installed beside the image's vllm 0.32.0 first: ")
    assert "4.3 GB to fetch" in said
    assert said.endswith("fetched onto the same order, and the engine starts again.")


def test_another_version_is_an_install_and_a_restart_and_moves_no_weights() -> None:
    steps = difference(a_spec(), a_spec(engineVersion="0.30.0"))
    assert {step.part for step in steps if step.fate == "replace"} == {"engine", "health"}
    said = in_short(steps)
    assert "vllm 0.30.0 is installed beside" in said
    assert said.endswith("The engine starts again on the same order.")


def test_tls_that_ends_on_the_host_needs_an_order_that_was_bought_with_its_port() -> None:
    steps = difference(a_spec(exposure="public"), a_spec(exposure="public", tls="host"))
    assert in_short(steps) == (
        "The order stays as it is: it was bought without port 8443, so `pulumi up` refuses: raise "
        "generation."
    )


def test_another_engine_on_a_docker_host_is_another_container_and_no_install() -> None:
    mine = {"host": "docker"}
    steps = difference(a_spec(**mine), a_spec(**mine, engine="sglang"))
    assert "installed" not in "".join(step.because for step in steps)
