from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

import pytest

from clore_inference.rules import RULES, Facts, Rule, judge, rule
from clore_inference.spec import key
from support.rule_examples import EXAMPLES, dropped
from support.wishes import a_spec, values

ID = re.compile(
    r"clore-[a-z]+-(require|forbid|prefer|spell|match|pin|know|keep|limit|leave|use|check|watch|outlast)-[a-z0-9-]+"
)


every_rule = pytest.mark.parametrize("one", RULES, ids=lambda one: one.id)


def test_every_rule_has_a_bad_and_a_good_example_and_no_example_is_left_over() -> None:
    assert set(EXAMPLES) == {one.id for one in RULES}


@every_rule
def test_the_bad_example_breaks_the_rule_and_the_message_says_how(one: Rule) -> None:
    example = EXAMPLES[one.id]
    findings = list(one.run(example.bad))
    assert findings, "the rule is silent where it must speak"
    assert all(finding.rule == one.id and finding.severity == one.severity for finding in findings)
    assert any(example.says in finding.message for finding in findings), findings


@every_rule
def test_the_good_example_satisfies_the_rule(one: Rule) -> None:
    assert list(one.run(EXAMPLES[one.id].good)) == []


@every_rule
def test_a_rule_tells_its_reason_its_source_and_its_fix(one: Rule) -> None:
    assert ID.fullmatch(one.id), "clore-<area>-<verb>-<object>"
    assert one.why.startswith("https://")
    assert one.fix.endswith((".", "…"))
    assert one.title
    for name in one.keys:
        assert key(name).name == name


def test_ids_are_unique() -> None:
    assert len({one.id for one in RULES}) == len(RULES)


@pytest.mark.parametrize("one", [one for one in RULES if one.keys], ids=lambda one: one.id)
def test_a_rule_is_silent_while_its_keys_cannot_be_read(one: Rule) -> None:
    blind = replace(EXAMPLES[one.id].bad, unreadable=frozenset(one.keys))
    assert list(one.run(blind)) == []


@every_rule
def test_a_rule_that_knows_nothing_says_nothing(one: Rule) -> None:
    assert list(one.run(Facts())) == []


@every_rule
def test_messages_are_short_enough_to_read_and_end_in_the_id(one: Rule) -> None:
    for finding in one.run(EXAMPLES[one.id].bad):
        assert finding.text.endswith(f"[{one.id}]")
        assert len(finding.text) < 900, "a finding is a paragraph"


def test_an_unknown_id_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        rule("clore-nothing")


@pytest.mark.parametrize(
    ("use", "evidence", "broken"),
    [
        ("research", None, False), ("evaluation", None, False), ("commercial", None, True),
        ("commercial", "we asked", True), ("commercial", "mistral-commercial", True), ("commercial", "mistral-commercial: x", True),
        ("commercial", "mistral-commercial: contract 2026-114", False), ("commercial", "mrl: read", True),
        ("commercial", "modified-mit: 3 million USD a month", False), ("commercial", "apache: it is open", True),
        ("research", "mrl: university", False), ("evaluation", "Modified-MIT: below the limit", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("release", ["guide", "upstream"])
def test_license_terms_fail_closed_under_both_releases(
    *, use: str, evidence: str | None, broken: bool, release: str
) -> None:
    spec = a_spec(licenseUse=use, licenseEvidence=evidence or "", release=release)
    found = {one.rule for one in judge(Facts.of_spec(spec)) if one.severity == "mandatory"}
    assert (
        bool(found & {"clore-license-require-evidence", "clore-license-match-evidence"}) is broken
    )


@pytest.mark.parametrize("flag", ["--tokenizer-mode", "--config-format", "--load-format"])
def test_each_of_the_three_mistral_flags_is_missed_by_name(flag: str) -> None:
    line = dropped(flag)
    facts = Facts.of_engine_line(line)
    assert facts
    assert next(
        one.message for one in rule("clore-vllm-require-mistral-format").run(facts)
    ).startswith(flag)


@pytest.mark.parametrize("parser", ["hermes", "auto"])
def test_another_parser_is_as_wrong_as_none(parser: str) -> None:
    facts = Facts.of_engine_line(
        [
            "vllm",
            "serve",
            "m",
            "--reasoning-parser",
            parser,
            "--tool-call-parser",
            parser,
            "--enable-auto-tool-choice",
        ]
    )
    assert facts
    assert list(rule("clore-engine-require-reasoning-parser").run(facts))
    assert list(rule("clore-engine-require-tool-parser").run(facts))


def test_sglang_needs_no_flag_that_only_vllm_has() -> None:
    facts = Facts.of_values(values(engine="sglang"))
    assert [one.rule for one in judge(facts) if one.severity == "mandatory"] == []


@pytest.mark.parametrize(
    ("engine", "value", "right"),
    [
        ("vllm", "fp8", True),
        ("sglang", "fp8", False),
        ("sglang", "fp8_e4m3", True),
        ("llamacpp", "q8_0", True),
    ],
)
def test_a_foreign_lines_cache_type_is_judged_by_its_engine(
    *, engine: str, value: str, right: bool
) -> None:
    start = {
        "vllm": ["vllm", "serve"],
        "sglang": ["-m", "sglang.launch_server"],
        "llamacpp": ["llama-server"],
    }[engine]
    facts = Facts.of_engine_line([*start, "--kv-cache-dtype", value])
    assert facts
    assert (not list(rule("clore-engine-spell-kv-dtype").run(facts))) is right


@pytest.mark.parametrize("version", ["0.8.5", "0.9.2", "0.10.0", "0.20.1"])
def test_versions_below_the_floor_are_refused_whatever_the_guide_says(version: str) -> None:
    assert list(
        rule("clore-engine-require-version").run(Facts.of_values(values(engineVersion=version)))
    )


@pytest.mark.parametrize(
    "version", ["0.20.2", "0.21.0", "0.26.0", "0.32.0", "0.33.0", "0.40.0", "0.32.0+cpu"]
)
def test_versions_from_the_floor_on_are_accepted(version: str) -> None:
    assert not list(
        rule("clore-engine-require-version").run(Facts.of_values(values(engineVersion=version)))
    )


@pytest.mark.parametrize("version", ["0.40.0", "0.32.1", "0.22.0"])
def test_an_unknown_version_is_refused_with_the_known_ones(version: str) -> None:
    found = list(
        rule("clore-engine-know-version").run(Facts.of_values(values(engineVersion=version)))
    )
    assert "0.20.2, 0.21.0, 0.26.0, 0.30.0, 0.32.0, 0.33.0" in found[0].message
    assert "0.8.5" not in found[0].message, "a refused release is no choice"


@pytest.mark.parametrize("version", ["0.20.2", "0.32.0", "0.32.0+cpu", "0.33.0", "0.8.5"])
def test_a_known_version_is_not_and_an_old_one_has_its_own_reason(version: str) -> None:
    assert not list(
        rule("clore-engine-know-version").run(Facts.of_values(values(engineVersion=version)))
    )


def test_a_refused_version_above_the_floor_is_refused_too() -> None:
    facts = Facts.of_values(values(engine="sglang", engineVersion="0.5.13"))
    assert list(rule("clore-engine-require-version").run(facts))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_raw_engine_on_loopback_is_nobodys_business(host: str) -> None:
    facts = Facts.of_engine_line(["vllm", "serve", "m", "--host", host])
    assert facts
    assert not list(rule("clore-exposure-forbid-raw-engine").run(facts))


@pytest.mark.parametrize(
    "argv",
    [
        ["vllm", "serve", "m"],
        ["llama-server", "--host", "0.0.0.0"],
        ["-m", "sglang.launch_server", "--host", "::"],
        ["vllm", "serve", "m", "--host", "box.example"],
    ],
)
def test_a_raw_engine_on_any_other_address_is_refused(argv: list[str]) -> None:
    facts = Facts.of_engine_line(argv)
    assert facts
    assert list(rule("clore-exposure-forbid-raw-engine").run(facts))


@pytest.mark.parametrize("cap", [23, 193])
def test_a_cap_far_from_the_market_is_asked_about(cap: int) -> None:
    assert list(rule("clore-budget-check-cap").run(Facts.of_values(values(maxUsdPerDay=cap))))


@pytest.mark.parametrize("cap", [24, 45, 192])
def test_a_cap_near_the_market_is_not(cap: int) -> None:
    assert not list(rule("clore-budget-check-cap").run(Facts.of_values(values(maxUsdPerDay=cap))))


@pytest.mark.parametrize(
    ("wallet", "short"), [("45.67", False), ("45.66", True), ("0", True), ("0.05", True)]
)
def test_the_wallet_must_last_for_the_worst_case_of_the_term(*, wallet: str, short: bool) -> None:
    facts = replace(Facts.of_values(values(maxUsdPerDay=45)), wallet_usd=Decimal(wallet))
    assert bool(list(rule("clore-wallet-outlast-term").run(facts))) is short


def test_a_wallet_that_is_short_is_told_in_hours_after_the_fees() -> None:
    wish = values(maxUsdPerDay=48, maxReplacements=4)
    facts = replace(Facts.of_values(wish), wallet_usd=Decimal("20.50"))
    (found,) = rule("clore-wallet-outlast-term").run(facts)
    assert "holds 20.50 USD" in found.message
    assert "50.50 USD in all" in found.message, "48 a day, an hour of trials and five fees"
    assert "empty after 10 h," in found.message


@pytest.mark.parametrize(
    ("wish", "broken", "numbers"),
    [
        ({"topology": "2xH200", "precision": "bf16", "maxModelLen": 131072}, "clore-memory-require-fit",
         ("118.9 GiB", "129.2 GiB", "131,072", "maxModelLen 36864")),
        ({"topology": "2xH100"}, "clore-topology-forbid-refused", ("past 8K",)),
        ({"topology": "2xH100", "maxModelLen": 65536}, "clore-memory-require-fit", ("62.2 GiB", "71.7 GiB")),
        ({"topology": "3xH100"}, "clore-topology-require-divisor", ("3 GPUs", "96", "8 KV heads")),
        ({"topology": "6xH100"}, "clore-topology-require-divisor", ("6 GPUs", "96", "8 KV heads")),
        ({"topology": "1xH200"}, "clore-memory-require-fit", ("124.4 GiB",)),
        ({"topology": "1xH100", "engine": "llamacpp", "precision": "q4_k_m", "maxModelLen": 32768},
         "clore-memory-require-fit", ("82.3 GiB", "79.6 GiB", "kvCacheDtype q8_0")),
        ({"topology": "1xH100", "engine": "llamacpp", "precision": "q4_k_m", "maxModelLen": 65536, "kvCacheDtype": "q8_0"},
         "clore-memory-require-fit", ("83.0 GiB", "kvCacheDtype q4_0")),
    ],
    ids=["bf16-2xh200", "2xh100", "2xh100-memory", "tp-3", "tp-6", "1xh200", "1xh100-f16", "1xh100-64k"],
)  # fmt: skip
def test_the_known_misfits_are_refused_with_their_numbers(
    wish: dict[str, object], broken: str, numbers: tuple[str, ...]
) -> None:
    found = [one for one in judge(Facts.of_values(values(**wish))) if one.rule == broken]
    assert found
    assert found[0].severity == "mandatory"
    for number in numbers:
        assert number in found[0].message, found[0].message


@pytest.mark.parametrize("share", ["0.05", "0.98", "1.5", "much"])
def test_a_share_of_memory_outside_reason_is_refused_in_any_line(share: str) -> None:
    facts = Facts.of_engine_line(["-m", "sglang.launch_server", "--mem-fraction-static", share])
    assert facts
    assert list(rule("clore-engine-limit-memory-share").run(facts))


@pytest.mark.parametrize(
    "path",
    ["/root/.cache/huggingface", "/root/.cache/huggingface/hub/", "/home/me/.cache/huggingface"],
)
def test_the_one_cache_is_accepted_under_any_home(path: str) -> None:
    facts = Facts.of_engine_line(
        ["vllm", "serve", "m", "--download-dir", path], environment={"HF_HUB_CACHE": path}
    )
    assert facts
    assert not list(rule("clore-cache-keep-path").run(facts))
