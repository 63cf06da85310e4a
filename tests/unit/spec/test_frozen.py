"""What was judged stays what it was: no model of the deciding rooms can be changed or widened."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from clore_inference import catalog, engines, rules, sizing, spec

ROOMS = tuple(room.__name__ for room in (catalog, engines, rules, sizing, spec))


def models(parent: type[BaseModel] = BaseModel) -> Iterator[type[BaseModel]]:
    for model in parent.__subclasses__():
        if model.__module__.startswith(ROOMS):
            yield model
        yield from models(model)


@pytest.mark.parametrize("model", sorted(set(models()), key=str), ids=lambda model: model.__name__)
def test_a_model_is_frozen_and_takes_no_other_fields(model: type[BaseModel]) -> None:
    assert model.model_config.get("frozen") is True
    assert model.model_config.get("extra") == "forbid"
