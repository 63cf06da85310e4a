"""The guide's three commands, flag by flag, and what we add behind them."""

from __future__ import annotations

import pytest

from clore_inference import catalog, engines
from clore_inference.engines import EngineCommand
from clore_inference.engines.command import EngineName
from clore_inference.errors import ConfigError
from support.wishes import a_spec

COMMIT = "0123456789abcdef0123456789abcdef01234567"

# https://docs.clore.ai/guides/language-models/mistral-medium-35, "Quick Deploy"
GUIDE_4XH100 = r"""
vllm serve mistralai/Mistral-Medium-3.5-FP8 --tensor-parallel-size 4 --max-model-len 65536
--gpu-memory-utilization 0.90 --enable-chunked-prefill --enable-auto-tool-choice --tool-call-parser mistral
--reasoning-parser mistral --tokenizer-mode mistral --config-format mistral --load-format mistral
--served-model-name mistral-medium-3.5 --host 0.0.0.0 --port 8000
"""
GUIDE_2XH200 = r"""
vllm serve mistralai/Mistral-Medium-3.5 --tensor-parallel-size 2 --max-model-len 131072
--gpu-memory-utilization 0.92 --enable-chunked-prefill --enable-auto-tool-choice --tool-call-parser mistral
--reasoning-parser mistral --tokenizer-mode mistral --config-format mistral --load-format mistral
--served-model-name mistral-medium-3.5 --host 0.0.0.0 --port 8000
"""
GUIDE_SGLANG = r"""
python3 -m sglang.launch_server --model-path mistralai/Mistral-Medium-3.5-FP8 --tp-size 4
--tool-call-parser mistral --reasoning-parser mistral --mem-fraction-static 0.88 --context-length 65536
--served-model-name mistral-medium-3.5 --host 0.0.0.0 --port 8000
"""


def line(**changes: object) -> EngineCommand:
    return engines.command(a_spec(**changes))


@pytest.mark.parametrize(
    ("changes", "guide"),
    [({}, GUIDE_4XH100), ({"topology": "2xH200", "precision": "bf16", "maxModelLen": 131072}, GUIDE_2XH200),
     ({"engine": "sglang"}, GUIDE_SGLANG)],
    ids=["4xH100-fp8", "2xH200-bf16", "sglang"],
)  # fmt: skip
@pytest.mark.parametrize("exposure", ["private", "public"])
def test_the_guides_command_comes_out_flag_by_flag(
    changes: dict[str, object], guide: str, exposure: str
) -> None:
    assert line(**changes, exposure=exposure).guide == tuple(guide.split())


def test_what_we_add_stands_behind_and_says_why() -> None:
    ours = line(revision=COMMIT)
    assert ours.suffix == (
        "--middleware", "clore_guard.Guard", "--revision", COMMIT, "--tokenizer-revision", COMMIT, "--host", "127.0.0.1",
        "--shutdown-timeout", "25",
    )  # fmt: skip
    assert len(ours.suffix_reasons) == 4


def test_a_private_engine_listens_on_loopback_and_a_public_one_where_the_guide_says() -> None:
    assert line(exposure="private").value("--host") == "127.0.0.1", "the last --host counts"
    assert line(exposure="public").value("--host") == "0.0.0.0"


@pytest.mark.parametrize("exposure", ["private", "public"])
def test_vllm_is_always_behind_the_guard(exposure: str) -> None:
    assert line(exposure=exposure).value("--middleware") == "clore_guard.Guard"


def test_sglang_runs_through_our_launcher_with_its_flags_unchanged() -> None:
    ours = line(engine="sglang")
    started = engines.host_argv(ours)
    assert started[:3] == ("python3", "-m", "clore_sglang")
    assert started[3:] == ours.argv[3:]
    assert "--skip-server-warmup" in ours.suffix


def test_llamacpp_runs_behind_our_proxy_with_its_line_unchanged() -> None:
    private, public = on_one_h100(), on_one_h100(exposure="public")
    started = engines.host_argv(private)
    assert started == ("python3", "-m", "clore_llamacpp", *private.argv)
    assert private.argv == public.argv, "the engine itself never leaves the loopback"
    assert private.environment["CLORE_INFERENCE_LISTEN"] == "127.0.0.1:8000"
    assert public.environment["CLORE_INFERENCE_LISTEN"] == "0.0.0.0:8000"


def test_vllm_runs_on_the_host_as_it_is() -> None:
    assert engines.host_argv(line()) == line().argv


@pytest.mark.parametrize(("engine", "spelled"), [("vllm", "fp8"), ("sglang", "fp8_e4m3")])
def test_fp8_caches_are_spelled_as_the_engine_wants(engine: str, spelled: str) -> None:
    assert line(engine=engine, kvCacheDtype="fp8").value("--kv-cache-dtype") == spelled
    assert not line(engine=engine).has("--kv-cache-dtype")


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
@pytest.mark.parametrize("word", ["bf16", "bfloat16"])
def test_sixteen_bits_are_translated_too(engine: str, word: str) -> None:
    assert line(engine=engine, kvCacheDtype=word).value("--kv-cache-dtype") == "bfloat16"


@pytest.mark.parametrize("engine", ["vllm", "sglang", "llamacpp"])
def test_every_release_that_we_offer_has_every_cache_type_that_we_spell(
    engine: EngineName,
) -> None:
    table = catalog.flag_table(engine)
    flag = engines.elsewhere(engine, "--kv-cache-dtype") or "--kv-cache-dtype"
    spelled = set(catalog.engine(engine).kv_cache_dtypes.values())
    for version in catalog.versions(engine):
        for release in table.releases(version.id) if version.status != "refused" else ():
            known = table.of(release)[flag].choices
            assert not known or spelled <= set(known), f"{engine} {release}"


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_a_cache_type_that_the_engine_lacks_is_refused(engine: str) -> None:
    with pytest.raises(ConfigError, match="q8_0"):
        line(engine=engine, kvCacheDtype="q8_0")


@pytest.mark.parametrize(
    ("engine", "flag"), [("vllm", "--max-num-seqs"), ("sglang", "--max-running-requests")]
)
def test_the_bound_on_requests_has_each_engines_name(engine: str, flag: str) -> None:
    assert line(engine=engine, maxNumSeqs=8).value(flag) == "8"


@pytest.mark.parametrize(
    ("share", "text"), [(0.9, "0.90"), (0.92, "0.92"), (0.875, "0.875"), (1, "1.00")]
)
def test_shares_are_written_as_the_guide_writes_them(share: float, text: str) -> None:
    assert line(gpuMemoryUtilization=share).value("--gpu-memory-utilization") == text


def test_no_secret_and_no_ampersand_is_in_a_line_or_its_environment() -> None:
    for engine in ("vllm", "sglang"):
        ours = line(engine=engine)
        assert not ours.has("--api-key")
        assert all(
            "&" not in value and "TOKEN" not in name for name, value in ours.environment.items()
        )


def test_the_image_is_the_engines_own_at_its_version() -> None:
    assert line().image == "vllm/vllm-openai:v0.32.0"
    assert line(engine="sglang").image == "lmsysorg/sglang:v0.5.23"
    assert line(engineVersion="0.21.0").image == "vllm/vllm-openai:v0.21.0"
    assert line(image="me/mine:1@sha256:" + "a" * 64).image.startswith("me/mine:1@")


def on_one_h100(**changes: object) -> EngineCommand:
    wish = {"engine": "llamacpp", "precision": "q4_k_m", "topology": "1xH100", "maxModelLen": 32768}
    return engines.command(a_spec(**{**wish, **changes}))


def test_llama_server_is_given_a_file_of_the_snapshot_and_listens_behind_a_proxy() -> None:
    ours = on_one_h100()
    assert ours.argv[:3] == ("llama-server", "-m", "{snapshot}/*Q4_K_M*.gguf")
    assert (ours.value("--host"), ours.value("--port"), ours.port) == ("127.0.0.1", "8080", 8000)
    assert ours.value("--alias") == "mistral-medium-3.5"
    assert ours.value("-c") == "32768"
    assert ours.value("-ngl") == "all"
    assert ours.value("--fit") == "off"
    assert ours.image == "ghcr.io/ggml-org/llama.cpp:full-cuda-b11434"


@pytest.mark.parametrize("word", ["q8_0", "q4_0"])
def test_a_quantized_cache_is_set_for_keys_and_values_with_flash_attention(word: str) -> None:
    ours = on_one_h100(kvCacheDtype=word)
    assert (ours.value("-ctk"), ours.value("-ctv"), ours.value("-fa")) == (word, word, "on")


@pytest.mark.parametrize(("word", "spelled"), [("auto", None), ("f16", None), ("bf16", "bf16")])
def test_a_cache_of_sixteen_bits_needs_no_flash_attention(word: str, spelled: str | None) -> None:
    ours = on_one_h100(kvCacheDtype=word)
    assert (ours.value("-ctk"), ours.value("-fa")) == (spelled, None)


def test_several_requests_share_one_cache_instead_of_dividing_the_context() -> None:
    assert on_one_h100().suffix[3:5] == ("-np", "1")
    assert on_one_h100(maxNumSeqs=4).value("-np") == "4"
    assert on_one_h100(maxNumSeqs=4).has("--kv-unified")
    assert not on_one_h100(maxNumSeqs=1).has("--kv-unified")


@pytest.mark.parametrize(
    ("changes", "says"), [({"precision": "fp8"}, "GGUF"), ({"kvCacheDtype": "fp8"}, "q8_0 or q4_0")]
)
def test_llama_server_cannot_load_or_cache_everything(
    changes: dict[str, object], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        on_one_h100(**changes)


def test_lines_are_read_one_flag_a_row() -> None:
    assert line(engine="sglang").lines()[:3] == (
        "python3 -m sglang.launch_server", "--model-path mistralai/Mistral-Medium-3.5-FP8", "--tp-size 4",
    )  # fmt: skip


@pytest.mark.parametrize("words", [["--a=1", "--a", "2"], ["--a", "1", "--a=2"]])
def test_the_last_of_two_equal_flags_counts(words: list[str]) -> None:
    found = engines.recognise(["vllm", "serve", "m", *words])
    assert found
    assert found.value("--a") == "2"
