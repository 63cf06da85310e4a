from __future__ import annotations

import pytest

from clore_inference.errors import ConfigError
from clore_inference.spec import read_stack_file

CANARY = "hf_" + "c4n4ry" * 5


def test_only_the_projects_own_keys_are_read() -> None:
    text = "config:\n  clore-inference:topology: 2xH200\n  maxModelLen: 8192\n  docker:host: unix:///x\n"
    assert read_stack_file(text).values == {"topology": "2xH200", "maxModelLen": 8192}


def test_encrypted_secrets_are_fine_and_stay_unread() -> None:
    found = read_stack_file("config:\n  clore-inference:hfToken:\n    secure: v1:abc\n")
    assert (found.values, found.plain_secrets) == ({}, ())


def test_a_secret_in_clear_is_named_and_its_value_dropped() -> None:
    found = read_stack_file(f"config:\n  clore-inference:hfToken: {CANARY}\n")
    assert found.plain_secrets == ("hfToken",)
    assert CANARY not in repr(found)


@pytest.mark.parametrize("text", ["", "config:\n", "encryptionsalt: v1:x\n"])
def test_an_empty_file_has_no_values(text: str) -> None:
    assert read_stack_file(text).values == {}


@pytest.mark.parametrize("text", ["config: [1]", "- 1", "config: {", "a: b: c"])
def test_what_is_no_stack_file_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        read_stack_file(text)
