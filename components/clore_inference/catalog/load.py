"""The catalog, read once from its tables and checked as a whole."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, model_validator

from clore_inference.catalog.rows import (
    Checkpoint,
    Engine,
    Gpu,
    Layout,
    License,
    Model,
    Requirement,
    Row,
    Topology,
    Version,
)

TABLES = {
    "gpus": ("gpu",),
    "topologies": ("topology",),
    "requirements": ("requirement",),
    "licenses": ("license",),
    "models": ("model", "layout", "checkpoint"),
    "engines": ("engine", "version"),
}
"""File name to the tables in it."""

R = TypeVar("R", bound=Row)


class Catalog(BaseModel):
    """Every row of every table, by id where ids are unique in their table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gpu: tuple[Gpu, ...]
    topology: tuple[Topology, ...]
    requirement: tuple[Requirement, ...]
    license: tuple[License, ...]
    model: tuple[Model, ...]
    layout: tuple[Layout, ...]
    checkpoint: tuple[Checkpoint, ...]
    engine: tuple[Engine, ...]
    version: tuple[Version, ...]

    @model_validator(mode="after")
    def _names_lead_somewhere(self) -> "Catalog":
        gpus, needs = _ids(self.gpu), _ids(self.requirement)
        models, layouts, engines = _ids(self.model), _ids(self.layout), _ids(self.engine)
        broken = [
            f"topology {row.id}"
            for row in self.topology
            if row.gpu not in gpus or row.requirement not in needs
        ]
        broken += [
            f"checkpoint {row.id}"
            for row in self.checkpoint
            if row.model not in models or not set(row.layouts) <= layouts
        ]
        broken += [f"engine {row.id}" for row in self.engine if row.layout not in layouts]
        broken += [f"version {row.id}" for row in self.version if row.engine not in engines]
        if broken:
            message = f"these rows name rows that do not exist: {', '.join(broken)}"
            raise ValueError(message)
        return self


def _ids(rows: tuple[Row, ...]) -> set[str]:
    return {row.id for row in rows}


def parse(tables: Mapping[str, Any]) -> Catalog:
    """Check tables that came from anywhere; raises pydantic's ValidationError."""
    return Catalog.model_validate(dict(tables))


@cache
def catalog() -> Catalog:
    """Return the catalog of this package."""
    folder = files("clore_inference.catalog")
    tables: dict[str, Any] = {}
    for name, expected in TABLES.items():
        document = tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))
        tables |= {table: document[table] for table in expected}
    return parse(tables)


def row(rows: tuple[R, ...], row_id: str) -> R:
    """Return the row with that id; KeyError names the ones there are."""
    for one in rows:
        if one.id == row_id:
            return one
    message = f"{row_id!r} is not in the catalog; known: {', '.join(one.id for one in rows)}"
    raise KeyError(message)


def topology(topology_id: str) -> Topology:
    """Return a topology by the name a stack uses."""
    return row(catalog().topology, topology_id)


def gpu(gpu_id: str) -> Gpu:
    """Return a GPU kind."""
    return row(catalog().gpu, gpu_id)


def requirement(requirement_id: str) -> Requirement:
    """Return a column of the guide's requirements."""
    return row(catalog().requirement, requirement_id)


def engine(engine_id: str) -> Engine:
    """Return an engine."""
    return row(catalog().engine, engine_id)


def layout(layout_id: str) -> Layout:
    """Return a file layout."""
    return row(catalog().layout, layout_id)


def model(model_id: str) -> Model:
    """Return a model's geometry."""
    return row(catalog().model, model_id)


def release_of(image: str) -> str:
    """Return `vllm-0.32.0` for an engine's own image, by tag or digest; empty for any other."""
    name, _, digest = image.partition("@")
    for one in catalog().version:
        if digest and one.digest == digest:
            return f"{one.engine}-{one.id}"
    for row in catalog().engine:
        start = f"{row.image}:{row.tag_prefix}"
        if name.startswith(start) and len(name) > len(start):
            return f"{row.id}-{name[len(start) :]}"
    return ""


def first_model() -> Model:
    """Return the model that is meant where nothing names one."""
    return catalog().model[0]


def versions(engine_id: str) -> tuple[Version, ...]:
    """Return the versions of an engine that the catalog knows."""
    return tuple(one for one in catalog().version if one.engine == engine_id)


def recommended(engine_id: str) -> Version:
    """Return the version that is used when a stack names none."""
    return next(one for one in versions(engine_id) if one.status == "recommended")


def checkpoint(release: str, precision: str) -> Checkpoint | None:
    """Return what a release offers in a precision; None if it offers nothing."""
    for one in catalog().checkpoint:
        if release in one.releases and precision == one.precision:
            return one
    return None
