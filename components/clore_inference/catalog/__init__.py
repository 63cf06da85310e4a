"""Facts as data: GPUs, models, engines, licenses, topologies, the guide's requirements.

Each row of the tables beside this file has its public source and the day it was read. Adding a row
is an edit of one table; the package's own checks find a row that names another one wrongly.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from clore_inference.catalog.load import (
    Catalog,
    catalog,
    checkpoint,
    engine,
    first_model,
    gpu,
    layout,
    model,
    parse,
    recommended,
    release_of,
    requirement,
    topology,
    versions,
)
from clore_inference.catalog.lock import EngineLock, engine_lock, locked_versions, parse_lock
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

if TYPE_CHECKING:
    from clore_inference.catalog.command_line import Flag, FlagTable, flag_table

__all__ = [
    "Catalog",
    "Checkpoint",
    "Engine",
    "EngineLock",
    "Flag",
    "FlagTable",
    "Gpu",
    "Layout",
    "License",
    "Model",
    "Requirement",
    "Row",
    "Topology",
    "Version",
    "catalog",
    "checkpoint",
    "engine",
    "engine_lock",
    "first_model",
    "flag_table",
    "gpu",
    "layout",
    "locked_versions",
    "model",
    "parse",
    "parse_lock",
    "recommended",
    "release_of",
    "requirement",
    "topology",
    "versions",
]


def __getattr__(name: str) -> Any:
    if name in ("Flag", "FlagTable", "flag_table"):  # lines of our own never need them
        return getattr(import_module("clore_inference.catalog.command_line"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
