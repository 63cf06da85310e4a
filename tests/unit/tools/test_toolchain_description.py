"""Which Pulumi is preferred, and what the description of it says."""

from __future__ import annotations

import os
from pathlib import Path

import ensure
import go_module
import official
import pytest
import toolchain
from toolchain import Part, Toolchain


@pytest.mark.parametrize(
    ("text", "usable"),
    [
        ("v3.259.0", True),
        ("3.260.1", True),
        ("3.259.0-dev.0+ab12", True),
        ("v3.258.9", False),
        ("", False),
        ("4.0", True),
    ],
)
def test_a_cli_is_usable_from_3_259_on(text: str, *, usable: bool) -> None:
    assert toolchain.new_enough(text) is usable


def test_the_newest_kept_version_wins_and_rubbish_is_ignored() -> None:
    assert toolchain.newest(["3.259.0", "3.261.2", "3.260.9", "making-x"]) == "3.261.2"
    assert toolchain.newest(["3.200.0", "making-x"]) is None


def test_stand_ins_come_last_on_path_and_the_own_cli_first() -> None:
    found = Toolchain((), before_path=("/own",), after_path=("/stand",))
    path = found.search_path(os.pathsep.join(["/usr/bin", "/stand", "", "/bin"]))
    assert path.split(os.pathsep) == ["/own", "/usr/bin", "/bin", "/stand"]


def test_the_description_survives_its_file() -> None:
    parts = (Part("cli", "go-module", "3.259.0", "/x/pulumi"), Part("p", "stand-in", "", "/y"))
    found = Toolchain(parts, ("/x",), ("/y",))
    assert toolchain.from_json(found.to_json()) == found
    assert found.stand_ins() == ("p",)
    assert "compiled on this machine" in str(found.part("cli"))


def test_the_cache_follows_the_xdg_variable() -> None:
    assert toolchain.cache_dir({"XDG_CACHE_HOME": "/c"}) == Path("/c/clore-inference")
    assert toolchain.cache_dir({"HOME": "/h"}) == Path("/h/.cache/clore-inference")


def fake(directory: Path, name: str, says: str = "") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    program = directory / name
    program.write_text(f"#!/bin/sh\necho {says}\n", encoding="utf-8")
    program.chmod(0o755)
    return program


def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> official.Reachability:
    monkeypatch.setattr(official, "installer_script", lambda: None)
    return official.Reachability(tmp_path / "cache")


def test_a_new_cli_on_path_wins_over_one_that_was_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = offline(tmp_path, monkeypatch)
    environment = {"PATH": str(tmp_path / "bin"), "XDG_CACHE_HOME": str(tmp_path / "c")}
    kept = fake(tmp_path / "c/clore-inference/pulumi/compiled/3.259.0/bin", "pulumi", "v3.259.0")
    old = fake(tmp_path / "bin", "pulumi", "v3.200.0")
    assert ensure.find_cli(environment, servers).path == str(kept), "3.200 is too old"
    fake(tmp_path / "bin", "pulumi", "v3.300.0")
    found = ensure.find_cli(environment, servers)
    assert (found.path, found.origin, found.version) == (str(old), "official", "3.300.0")


def test_official_parts_win_wherever_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = offline(tmp_path, monkeypatch)
    monkeypatch.setattr(ensure, "command_version", lambda: "1.2.1")
    cli = Part("cli", "official", "3.260.0", str(fake(tmp_path / "cli", "pulumi")))
    environment = {"PATH": str(ensure.STAND_INS / "command"), "PULUMI_HOME": str(tmp_path / "home")}
    assert ensure.find_language_host(cli, environment).origin == "stand-in"
    assert ensure.find_command_plugin(cli, environment, servers).origin == "stand-in"
    fake(tmp_path / "cli", "pulumi-language-python")
    plugin = fake(tmp_path / "home/plugins/resource-command-v1.2.1", "pulumi-resource-command")
    assert ensure.find_language_host(cli, environment).origin == "official"
    assert ensure.find_command_plugin(cli, environment, servers).path == str(plugin)


def test_unreachable_servers_are_not_asked_again_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(official, "installer_script", lambda: asked.append(1))
    assert official.Reachability(tmp_path).script() is None
    assert official.Reachability(tmp_path).script() is None
    assert len(asked) == 1


def test_a_killed_build_leaves_nothing_behind_for_long(tmp_path: Path) -> None:
    (tmp_path / "making-old" / "modules").mkdir(parents=True)
    with ensure.scratch(tmp_path) as place:
        assert not (tmp_path / "making-old").exists()
        (place / "file").touch()
    assert list(tmp_path.iterdir()) == []


def test_go_mod_fixes_the_version_that_is_named() -> None:
    assert toolchain.new_enough(go_module.module_version())
    assert go_module.go_of_module() >= go_module.OLDEST_GO
    sums = (go_module.HERE / "go.sum").read_text(encoding="utf-8")
    assert f"github.com/pulumi/pulumi/pkg/v3 v{go_module.module_version()} h1:" in sums


def test_a_go_that_is_too_old_is_not_used(tmp_path: Path) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\nprintf 'go1.20.3\\nauto\\n'\n", encoding="utf-8")
    go.chmod(0o755)
    assert go_module.usable_go({"PATH": str(tmp_path)}) is None
    go.write_text("#!/bin/sh\nprintf 'go1.22.0\\nauto\\n'\n", encoding="utf-8")
    assert go_module.usable_go({"PATH": str(tmp_path)}) == str(go), (
        "it fetches what go.mod asks for"
    )
    go.write_text("#!/bin/sh\nprintf 'go1.22.0\\nlocal\\n'\n", encoding="utf-8")
    assert go_module.usable_go({"PATH": str(tmp_path)}) is None, "this one may not"
