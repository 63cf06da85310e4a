"""The key table, Pulumi.yaml and args.py say the same."""

from __future__ import annotations

import inspect
import typing
from pathlib import Path

import pytest
import yaml

from clore_inference import args
from clore_inference.spec import Key, key, keys, spec_keys

ROOT = Path(__file__).resolve().parents[3]
PROJECT = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))
WORDS = {
    "string": "Text",
    "integer": "Integer",
    "number": "Number",
    "money": "USD",
    "strings": "List of texts",
}
PLAIN = {"string": str, "integer": int, "number": float, "money": str, "strings": list[str]}


def test_pulumi_yaml_has_every_key_in_the_tables_order() -> None:
    assert list(PROJECT["config"]) == [one.name for one in keys()]


@pytest.mark.parametrize("one", keys(), ids=lambda one: one.name)
def test_pulumi_yaml_documents_a_key_as_the_table_does(one: Key) -> None:
    entry = PROJECT["config"][one.name]
    description = " ".join(entry["description"].split())
    assert description.startswith(f"{WORDS[one.kind]}. "), (
        "the first word of a description is its type"
    )
    assert one.doc in description
    assert all(choice in description for choice in one.listed)
    assert entry.get("secret", False) == one.secret
    if one.kind == "strings":
        assert (entry["default"], "type" in entry) == ([], False)
    else:
        assert entry["default"] == ("" if one.default is None else str(one.default))


def test_pulumi_itself_demands_nothing_that_the_program_reports_better() -> None:
    for name, entry in PROJECT["config"].items():
        assert "default" in entry, (
            f"without a default Pulumi stops at {name} before all findings are told"
        )
        is_plain = not entry.get("secret") and entry["default"] != []
        assert entry.get("type") == ("string" if is_plain else None), (
            f"{name}: Pulumi would stop at it"
        )
        assert not (entry.get("secret") and "type" in entry), (
            f"{name}: Pulumi would refuse an unset secret"
        )


@pytest.mark.parametrize("one", spec_keys(), ids=lambda one: one.name)
def test_the_arguments_have_every_key_in_snake_case(one: Key) -> None:
    hint = args.MistralDeploymentArgs.__annotations__[one.field]
    optional = str(typing.get_origin(hint)) == "typing.NotRequired"
    plain = typing.get_args(hint)[0] if optional else hint
    assert plain == PLAIN[one.kind]
    assert (one.field in args.MistralDeploymentArgs.__required_keys__) == one.required


def test_the_arguments_have_nothing_else_but_the_token() -> None:
    extra = set(args.MistralDeploymentArgs.__annotations__) - {one.field for one in spec_keys()}
    assert extra == {"hf_token"}
    assert "clore_api_key" not in extra, "the Clore key is never an argument, it would be in state"


def test_the_arguments_are_readable_by_pulumis_inference() -> None:
    source = inspect.getsource(args)
    assert "from __future__" not in source.partition('"""\n\n')[2], (
        "postponed annotations break inference"
    )
    assert "Literal[" not in source
    assert "Union[" not in source
    for name in (
        "MistralDeploymentArgs",
        "GpuOrderArgs",
        "HfCacheArgs",
        "InferenceServerArgs",
        "HealthCheckArgs",
    ):
        assert typing.is_typeddict(getattr(args, name))


def test_a_key_is_found_by_its_name() -> None:
    assert key("maxModelLen").field == "max_model_len"
    with pytest.raises(KeyError):
        key("maxmodellen")
