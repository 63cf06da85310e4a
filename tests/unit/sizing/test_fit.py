"""The published tables of fit, reproduced.

Per GPU 4 GiB for activations and graphs; H100 79.65 GiB, H200 140.4 GiB; 133,605,834,656 bytes FP8.
"""

from __future__ import annotations

import pytest

from clore_inference import catalog
from clore_inference.sizing import divides, fit, kv_bytes_per_token
from clore_inference.units import GIB, KIB
from support.wishes import a_spec

MODEL = catalog.model("mistral-medium-3.5")


@pytest.mark.parametrize(
    ("dtype", "kib"),
    [
        ("auto", 352),
        ("bf16", 352),
        ("bfloat16", 352),
        ("f16", 352),
        ("fp8", 176),
        ("fp8_e4m3", 176),
        ("fp8_e5m2", 176),
        ("q8_0", 187),
        ("q4_0", 99),
    ],
)
def test_a_token_takes_what_the_geometry_says(dtype: str, kib: int) -> None:
    assert kv_bytes_per_token(MODEL, dtype) == kib * KIB


@pytest.mark.parametrize(("context", "gib"), [(32768, 11), (65536, 22), (131072, 44), (262144, 88)])
def test_a_context_takes_whole_gibibytes_in_bf16(context: int, gib: int) -> None:
    assert context * kv_bytes_per_token(MODEL, "bf16") == gib * GIB
    assert context * kv_bytes_per_token(MODEL, "fp8") == gib * GIB // 2


@pytest.mark.parametrize(
    ("topology", "pool_gib", "tokens", "tokens_fp8"),
    [("2xH100", 10.9, 32_600, 65_200), ("4xH100", 146, 436_000, 872_000), ("8xH100", 417, 1_242_000, 2_485_000),
     ("1xH200", 0.7, 2_200, 4_400), ("2xH200", 126, 375_000, 750_000)],
)  # fmt: skip
def test_the_table_of_kv_pools(
    topology: str, pool_gib: float, tokens: int, tokens_fp8: int
) -> None:
    plan = fit(a_spec(topology=topology))
    assert plan.pool_bytes / GIB == pytest.approx(pool_gib, rel=0.02, abs=0.05)
    assert plan.pool_tokens == pytest.approx(tokens, rel=0.005)
    assert fit(a_spec(topology=topology, kvCacheDtype="fp8")).pool_tokens == pytest.approx(
        tokens_fp8, rel=0.005
    )


@pytest.mark.parametrize(("topology", "times"), [("4xH100", 1.66), ("2xH200", 1.43)])
def test_the_full_context_fits_more_than_once(topology: str, times: float) -> None:
    plan = fit(a_spec(topology=topology, maxModelLen=262144))
    assert plan.fits
    assert plan.concurrency == pytest.approx(times, abs=0.005)


def test_bf16_on_two_h200_is_refused_with_the_numbers() -> None:
    plan = fit(a_spec(topology="2xH200", precision="bf16", maxModelLen=131072))
    assert not plan.fits
    assert plan.pool_bytes / GIB == pytest.approx(12.5, abs=0.1), "about 12 GiB are left"
    assert plan.pool_tokens == pytest.approx(37_000, rel=0.01)
    text = "\n".join(plan.lines())
    assert "118.9 GiB" in text
    assert "129.2 GiB" in text
    assert "would fit: set maxModelLen 36864" in text
    assert "would fit: set precision fp8, half the weights" in plan.remedies


def test_two_h100_do_not_hold_the_guides_context_and_no_shorter_one_is_offered() -> None:
    plan = fit(a_spec(topology="2xH100"))
    assert not plan.fits
    assert not any("maxModelLen" in remedy for remedy in plan.remedies), (
        "the guide saw it fail past 8K"
    )
    assert "would fit: set topology 4xH100" in plan.remedies


@pytest.mark.parametrize("gpus", [1, 2, 4, 8, 16, 32])
def test_heads_split_over_powers_of_two(gpus: int) -> None:
    assert divides(MODEL, gpus)


@pytest.mark.parametrize("gpus", [3, 5, 6, 7, 9, 10, 12, 24, 48, 64])
def test_heads_do_not_split_otherwise(gpus: int) -> None:
    assert not divides(MODEL, gpus), f"vLLM lets TP {gpus} through and dies while loading"


@pytest.mark.parametrize("topology", ["3xH100", "6xH100"])
def test_a_count_that_cannot_share_the_heads_never_fits(topology: str) -> None:
    plan = fit(a_spec(topology=topology))
    assert not plan.fits
    assert not plan.divides
    assert plan.largest_context == 0
    assert "cannot be shared" in "\n".join(plan.lines())


@pytest.mark.parametrize(
    ("precision", "cache", "context", "fits", "gib"),
    [("q4_k_m", "q8_0", 32768, True, 77.1), ("q4_k_m", "auto", 32768, False, 82.3), ("q4_k_m", "q8_0", 65536, False, 83.0),
     ("q4_k_m", "q4_0", 65536, True, 77.5), ("q4_k_s", "q8_0", 49152, True, 78.3), ("iq4_xs", "f16", 32768, True, 76.9),
     ("iq4_xs", "q8_0", 65536, True, 77.5), ("q3_k_m", "f16", 49152, True, 77.0)],
)  # fmt: skip
def test_one_h100_with_quantized_weights(
    *, precision: str, cache: str, context: int, fits: bool, gib: float
) -> None:
    plan = fit(
        a_spec(
            topology="1xH100",
            engine="llamacpp",
            precision=precision,
            kvCacheDtype=cache,
            maxModelLen=context,
        )
    )
    assert plan.fits is fits
    assert (plan.bill.weights + plan.bill.reserve + plan.bill.context) / GIB == pytest.approx(
        gib, abs=0.06
    )


def test_one_h100_with_an_f16_cache_is_told_which_cache_fits() -> None:
    plan = fit(a_spec(topology="1xH100", engine="llamacpp", precision="q4_k_m", maxModelLen=32768))
    assert {"would fit: set kvCacheDtype q8_0", "would fit: set kvCacheDtype q4_0"} <= set(
        plan.remedies
    )


def test_one_h100_with_an_f16_cache_is_told_which_files_are_small_enough() -> None:
    """Gentlest first; Q4_K_S and 11 GiB of f16 cache are 80.5 GiB, IQ4_XS and the cache 76.9."""
    wish = {"topology": "1xH100", "engine": "llamacpp", "maxModelLen": 32768}
    told = [one for one in fit(a_spec(**wish, precision="q4_k_m")).remedies if "precision" in one]
    assert told == [
        "would fit: set precision iq4_xs, 69.1 GB",
        "would fit: set precision q3_k_m, 63.3 GB",
    ]
    for remedy in told:
        assert fit(a_spec(**wish, precision=remedy.split()[4].rstrip(","))).fits


def test_every_remedy_really_fits() -> None:
    spec = a_spec(topology="2xH200", precision="bf16", maxModelLen=131072)
    for remedy in fit(spec).remedies:
        _, _, change = remedy.partition("set ")
        key, value = change.split(",")[0].split(" ")[:2]
        mended = a_spec(
            **{"topology": "2xH200", "precision": "bf16", "maxModelLen": 131072, key: value}
        )
        assert fit(mended).fits, remedy


def test_the_largest_context_is_the_edge() -> None:
    base = {"topology": "2xH200", "precision": "bf16"}
    edge = fit(a_spec(**base)).largest_context
    assert fit(a_spec(**base, maxModelLen=edge)).fits
    assert not fit(a_spec(**base, maxModelLen=edge + 1024)).fits


def test_a_release_without_the_precision_never_fits() -> None:
    assert not fit(a_spec(release="upstream", precision="bf16")).fits
