"""The drawn flags: of real releases, with a public source, and opened only when asked for."""

from __future__ import annotations

import subprocess
import sys
from datetime import date

import pytest

from clore_inference import catalog, engines
from support.wishes import a_spec

ENGINES = ("vllm", "sglang", "llamacpp")


@pytest.mark.parametrize("engine", ENGINES)
def test_every_table_names_day_way_and_sources(engine: str) -> None:
    table = catalog.flag_table(engine)
    assert date(2026, 1, 1) <= table.day <= date(2030, 1, 1)
    assert table.how
    assert all(one.source.startswith("https://github.com/") for one in table.release)
    ids = [one.id for one in table.release]
    assert all(flag.since in ids and flag.until in ("", *ids) for flag in table.flag)


@pytest.mark.parametrize("engine", ENGINES)
def test_no_release_has_a_name_twice(engine: str) -> None:
    table = catalog.flag_table(engine)
    for release in table.release:
        names = [
            name
            for flag in table.flag
            for name in flag.names
            if flag is table.of(release.id).get(name)
        ]
        assert len(names) == len(set(names)) == len(table.of(release.id))


@pytest.mark.parametrize(
    ("release", "flag"),
    [(release, flag) for release in ("0.20.2", "0.21.0", "0.26.0", "0.32.0", "0.33.0") for flag in
     ("--tool-call-parser", "--enable-auto-tool-choice", "--reasoning-parser", "--tokenizer-mode", "--config-format",
      "--load-format", "--enable-chunked-prefill", "--served-model-name", "--middleware", "-tp")],
)  # fmt: skip
def test_vllm_kept_the_guides_flags(release: str, flag: str) -> None:
    assert flag in catalog.flag_table("vllm").of(release)


@pytest.mark.parametrize("flag", ["--enable-reasoning", "--swap-space", "--speculative-model"])
def test_vllm_lost_these(flag: str) -> None:
    assert not any(flag in one.names for one in catalog.flag_table("vllm").flag)


def test_the_cache_types_of_vllm_are_choices_until_0_32() -> None:
    table = catalog.flag_table("vllm")
    assert "fp8" in table.of("0.32.0")["--kv-cache-dtype"].choices
    assert table.of("0.33.0")["--kv-cache-dtype"].choices == ()


def test_sglang_has_other_words() -> None:
    flags = catalog.flag_table("sglang").of("0.5.23")
    assert "--max-model-len" not in flags
    assert "--enable-auto-tool-choice" not in flags
    assert "mistral" in flags["--tool-call-parser"].choices
    assert "fp8" not in flags["--kv-cache-dtype"].choices


def test_llama_server_has_its_cache_types() -> None:
    flags = catalog.flag_table("llamacpp").of("b11434")
    assert {"f16", "q8_0", "q4_0"} <= set(flags["-ctk"].choices)
    assert flags["-c"] is flags["--ctx-size"]
    assert flags["--jinja"].type == "switch"


@pytest.mark.parametrize(
    ("version", "releases"),
    [("0.32.0", ("0.32.0",)), ("0.32.0+cpu", ("0.32.0",)), ("0.28.0", ("0.26.0", "0.30.0")), ("0.40.0", ("0.33.0",)),
     ("0.8.5", ("0.20.0",))],
)  # fmt: skip
def test_a_release_that_was_not_drawn_lies_between_its_neighbours(
    version: str, releases: tuple[str, ...]
) -> None:
    assert catalog.flag_table("vllm").releases(version) == releases


def test_the_flags_of_every_release_that_we_offer_were_drawn() -> None:
    for version in catalog.catalog().version:
        if version.status != "refused":
            drawn = [one.id for one in catalog.flag_table(version.engine).release]
            hint = f"run `python -m tools.flags {version.engine} --add {version.id}`"
            assert version.id in drawn, hint


def test_an_unknown_version_may_be_any() -> None:
    assert len(catalog.flag_table("vllm").releases("")) > 4


def test_the_parser_of_llama_server_takes_what_we_say() -> None:
    wish = {"engine": "llamacpp", "precision": "q4_k_m", "topology": "1xH100", "maxNumSeqs": 4}
    for word in ("auto", "bf16", "q8_0", "q4_0"):
        assert engines.refusals(engines.command(a_spec(**wish, kvCacheDtype=word))) == ()


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_all_that_we_can_say_is_known_to_every_release_that_we_offer(engine: str) -> None:
    said = engines.command(
        a_spec(
            engine=engine, maxNumSeqs=8, kvCacheDtype="fp8", revision="a" * 40, release="upstream"
        )
    )
    flags = {word for word in said.argv if word.startswith("-") and word != "-m"}
    table = catalog.flag_table(engine)
    for version in catalog.versions(engine):
        if version.status == "refused":
            continue
        for release in table.releases(version.id):
            known = table.of(release)
            assert flags <= set(known), f"{engine} {release} lacks {flags - set(known)}"


def test_a_plan_of_our_own_line_opens_no_table() -> None:
    program = (
        "from clore_inference.rules import construct, plan\n"
        "from clore_inference.catalog.command_line import flag_table\n"
        "plan(construct({'licenseUse': 'evaluation', 'maxUsdPerDay': '45'})[0])\n"
        "assert flag_table.cache_info().currsize == 0, 'a preview pays for tables it does not need'\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
