from __future__ import annotations

from decimal import Decimal

import pytest

from clore_inference.errors import ConfigError
from clore_inference.spec import DeploymentSpec, keys, read_values, reading, spec_keys
from support.wishes import LEAST, a_spec, values

CANARY = "hf_" + "c4n4ry" * 5


def rules_of(**changes: object) -> list[str]:
    return [finding.rule for finding in read_values(values(**changes)).findings]


def test_two_words_are_enough_for_the_guides_default_deployment() -> None:
    spec = DeploymentSpec.parse(LEAST)
    assert (spec.release, spec.precision, spec.topology, spec.engine) == (
        "guide",
        "fp8",
        "4xH100",
        "vllm",
    )
    assert (spec.max_model_len, spec.exposure, spec.max_usd_per_day) == (
        65536,
        "private",
        Decimal(45),
    )


def test_all_findings_come_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        DeploymentSpec.parse(
            {"maxUsdPerDay": 0, "maxmodelLen": 3, "topology": "4xH1000", "maxModelLen": "many",
             "engine": ["vllm"], "timeScale": 60, "countries": "DE", "apiUrl": "http://api.clore.ai"}
        )  # fmt: skip
    text = str(refused.value)
    for word in (
        "licenseUse",
        "maxUsdPerDay",
        "maxmodelLen",
        "topology",
        "maxModelLen",
        "engine",
        "countries",
        "apiUrl",
    ):
        assert f"{word} is" in text, f"{word} is wrong and was not told"
    assert "nothing was bought" in text


def test_an_unknown_key_is_answered_with_the_nearest_known_one() -> None:
    finding = read_values(values(maxUsdPerHour=3)).findings[0]
    assert finding.rule == reading.UNKNOWN_KEY
    assert "Did you mean maxUsdPerDay?" in finding.fix


def test_a_key_in_snake_case_is_answered_with_its_camel_case() -> None:
    assert "Did you mean maxModelLen?" in read_values(values(max_model_len=3)).findings[0].fix


def test_a_key_like_no_other_is_still_told() -> None:
    assert "Pulumi.yaml" in read_values(values(zzz=1)).findings[0].fix


@pytest.mark.parametrize("missing", ["licenseUse", "maxUsdPerDay"])
@pytest.mark.parametrize("absence", [None, ""], ids=["nothing", "empty"])
def test_a_key_without_default_must_be_set(missing: str, absence: object) -> None:
    found = read_values({**LEAST, missing: absence}).findings
    assert [(one.rule, one.keys) for one in found] == [(reading.MISSING_KEY, (missing,))]


def test_an_empty_text_means_not_set() -> None:
    assert a_spec(maxNumSeqs="", revision="", image="").max_num_seqs is None


@pytest.mark.parametrize(
    ("key", "text", "field", "value"),
    [("maxModelLen", "65536", "max_model_len", 65536), ("maxModelLen", 65536.0, "max_model_len", 65536),
     ("gpuMemoryUtilization", "0.92", "gpu_memory_utilization", 0.92), ("maxUsdPerDay", 50.5, "max_usd_per_day", Decimal("50.5")),
     ("countries", '["DE"]', "countries", ("DE",)), ("countries", ["DE", "FI"], "countries", ("DE", "FI")),
     ("generation", "2", "generation", 2), ("topology", " 2xH200 ", "topology", "2xH200")],
)  # fmt: skip
def test_text_as_pulumi_gives_it_reads_like_the_value(
    key: str, text: object, field: str, value: object
) -> None:
    assert getattr(a_spec(**{key: text}), field) == value


@pytest.mark.parametrize(
    ("key", "value"),
    [("maxModelLen", "many"), ("maxModelLen", 1.5), ("maxModelLen", True), ("maxModelLen", [1]), ("timeScale", "fast"),
     ("maxUsdPerDay", "NaN"), ("maxUsdPerDay", "Infinity"), ("maxUsdPerDay", {}), ("countries", "DE"), ("countries", [1]),
     ("topology", {"gpu": "H100"}), ("engine", True)],
)  # fmt: skip
def test_a_wrong_type_is_a_finding_that_says_what_is_wanted(key: str, value: object) -> None:
    assert rules_of(**{key: value}) == [reading.WRONG_TYPE]


@pytest.mark.parametrize("cap", [0, "0", -5, "0.001", 1_000_000])
def test_a_cap_must_be_above_zero_and_below_the_absurd(cap: object) -> None:
    assert rules_of(maxUsdPerDay=cap) == [reading.OUT_OF_RANGE]


@pytest.mark.parametrize(
    ("key", "value", "near"),
    [
        ("topology", "4xh100", "4xH100"),
        ("engine", "vLLM", "vllm"),
        ("exposure", "pubic", "public"),
        ("licenseUse", "comercial", "commercial"),
    ],
)
def test_a_word_that_does_not_exist_is_answered_with_the_nearest(
    key: str, value: str, near: str
) -> None:
    finding = read_values(values(**{key: value})).findings[0]
    assert finding.rule == reading.NO_SUCH_CHOICE
    assert f"Did you mean {near}?" in finding.fix


@pytest.mark.parametrize(
    "url",
    ["http://api.clore.ai", "http://localhost:8650", "ftp://127.0.0.1", "api.clore.ai", "https://", "https://user:pw@api.clore.ai",
     "https://api.clore.ai?key=1", "http://[::1", "http://10.0.0.1"],
)  # fmt: skip
def test_a_url_that_would_carry_secrets_in_clear_is_refused(url: str) -> None:
    assert rules_of(apiUrl=url) == [reading.BAD_URL]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8650", "http://[::1]:8650", "https://api.clore.ai"]
)
def test_https_and_loopback_are_accepted(url: str) -> None:
    assert rules_of(apiUrl=url) == []


def test_the_clock_runs_fast_only_on_loopback() -> None:
    assert rules_of(timeScale=60) == [reading.NOT_LOOPBACK]
    assert a_spec(timeScale=60, apiUrl="http://127.0.0.1:8650").time_scale == 60


def test_a_bad_url_is_not_blamed_twice() -> None:
    assert rules_of(timeScale=60, apiUrl="nonsense") == [reading.BAD_URL]


def test_what_could_not_be_read_is_stood_in_for_and_named() -> None:
    result = read_values({"topology": "8xB200"})
    assert result.unreadable == {"topology", "licenseUse", "maxUsdPerDay"}
    assert result.spec.topology == "4xH100", "rules can judge the rest"


def test_secrets_among_the_values_are_passed_over_and_never_repeated() -> None:
    result = read_values(values(hfToken=CANARY, cloreApiKey=CANARY, maxModelLen="x"))
    assert CANARY not in repr(result)
    assert [one.rule for one in result.findings] == [reading.WRONG_TYPE]


def test_a_long_wrong_value_is_not_repeated_in_full() -> None:
    assert len(read_values(values(maxModelLen="x" * 5000)).findings[0].text) < 400


def test_a_spec_survives_its_flat_form() -> None:
    spec = a_spec(countries=["DE"], maxNumSeqs=8, revision="a" * 40, maxUsdPerDay="50.50")
    assert DeploymentSpec.parse(spec.flat()) == spec
    assert DeploymentSpec.parse_args(spec.as_args()) == spec
    assert "revision" not in a_spec().flat(), "what is not set is left out"


def test_every_key_is_a_field_and_the_other_way_round() -> None:
    assert {key.field for key in spec_keys()} == set(DeploymentSpec.model_fields)
    assert len({key.name for key in keys()}) == len(keys())


def test_each_default_is_a_legal_value() -> None:
    for key in spec_keys():
        if key.default not in (None, ()):
            assert read_values(values(**{key.name: key.default})).findings == (), key.name
