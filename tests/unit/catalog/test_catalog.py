from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from clore_inference import catalog
from clore_inference.catalog import Row


def tables() -> dict[str, Any]:
    return catalog.catalog().model_dump(mode="json")


def every_row() -> list[tuple[str, Row]]:
    facts = catalog.catalog()
    return [
        (f"{table}-{row.id}", row)
        for table in type(facts).model_fields
        for row in getattr(facts, table)
    ]


@pytest.mark.parametrize(
    "row", [row for _, row in every_row()], ids=[name for name, _ in every_row()]
)
def test_every_row_names_a_public_source_and_a_day(row: Row) -> None:
    assert row.source.startswith("https://"), "a fact without a public source cannot be checked"
    assert date(2026, 1, 1) <= row.seen <= date(2030, 1, 1)


@pytest.mark.parametrize(
    "table", ["gpu", "topology", "requirement", "license", "model", "checkpoint", "engine"]
)
def test_ids_are_unique_in_their_table(table: str) -> None:
    ids = [row.id for row in getattr(catalog.catalog(), table)]
    assert len(ids) == len(set(ids))


def test_a_topology_is_named_by_count_and_a_gpu() -> None:
    for row in catalog.catalog().topology:
        count, _, kind = row.id.partition("x")
        assert int(count) == row.count, f"{row.id} says another count than its row"
        assert row.gpu.startswith(kind.partition("-")[0]), f"{row.id} is made of {row.gpu}"


def test_a_row_that_names_a_missing_row_is_refused() -> None:
    broken = tables()
    broken["topology"][0]["gpu"] = "H900"
    with pytest.raises(ValidationError, match="topology 1xH100"):
        catalog.parse(broken)


@pytest.mark.parametrize(
    ("table", "field", "value"),
    [("checkpoint", "model", "other"), ("checkpoint", "layouts", ["zip"]), ("version", "engine", "tgi"),
     ("topology", "requirement", "none")],
    ids=["model", "layout", "engine", "requirement"],
)  # fmt: skip
def test_every_reference_is_checked(table: str, field: str, value: object) -> None:
    broken = tables()
    broken[table][0][field] = value
    with pytest.raises(ValidationError, match="do not exist"):
        catalog.parse(broken)


def test_a_digest_is_a_digest_or_empty() -> None:
    broken = tables()
    broken["version"][0]["digest"] = "sha256:short"
    with pytest.raises(ValidationError):
        catalog.parse(broken)


def test_every_engine_recommends_exactly_one_version_and_not_below_its_floor() -> None:
    for engine in catalog.catalog().engine:
        chosen = [row for row in catalog.versions(engine.id) if row.status == "recommended"]
        assert len(chosen) == 1, f"{engine.id} recommends {len(chosen)} versions"
        assert _numbers(chosen[0].id) >= _numbers(engine.recommended_floor)


def test_one_release_offers_a_precision_once() -> None:
    seen = [
        (release, row.precision) for row in catalog.catalog().checkpoint for release in row.releases
    ]
    assert len(seen) == len(set(seen)), "two repositories for one wish: which one is fetched?"


def test_the_layouts_of_a_repository_share_no_weights() -> None:
    mistral, huggingface = catalog.layout("mistral"), catalog.layout("huggingface")
    assert "consolidated*" in huggingface.ignore, "SGLang would fetch 267 GB"
    assert "model*" in mistral.ignore
    assert not any("safetensors" in one for one in mistral.allow)


def test_the_guides_repositories_are_the_guide_release() -> None:
    fp8, bf16 = catalog.checkpoint("guide", "fp8"), catalog.checkpoint("guide", "bf16")
    assert fp8
    assert fp8.repository == "mistralai/Mistral-Medium-3.5-FP8"
    assert bf16
    assert bf16.repository == "mistralai/Mistral-Medium-3.5"
    assert catalog.checkpoint("upstream", "bf16") is None, "no such repository was published"


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match="H200-NVL"):
        catalog.gpu("A100")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
