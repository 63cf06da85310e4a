"""The pull request's comment: before and after, the same bytes, and nothing that a stranger can do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clore_inference.cli.comment import LONGEST, MARKER, Side, Stack, comment
from support.program import Ran, program

GOOD = {"licenseUse": "evaluation", "maxUsdPerDay": "50"}
CANARY = "hf_" + "c4n4ry" * 6


def stack_file(**values: object) -> str:
    rows = {**GOOD, **values}
    return "config:\n" + "".join(
        f"  clore-inference:{key}: {value}\n" for key, value in rows.items()
    )


class Repository:
    """A Git repository with stack files, for as long as a test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "stacks").mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words: str) -> None:
        settings = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "core.hooksPath="]
        subprocess.run(["git", "-C", str(self.directory), *settings, *words], check=True)

    def write(self, stack: str, text: str) -> None:
        (self.directory / "stacks" / f"Pulumi.{stack}.yaml").write_text(text, encoding="utf-8")

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "x")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "repository")
    made.write("one", stack_file())
    made.write("two", stack_file(topology="2xH200"))
    made.commit()
    return made


def commented(capsys: pytest.CaptureFixture[str], repository: Repository, *words: str) -> Ran:
    where = ["--cwd", str(repository.directory)]
    return program("preview-comment", *where, *words, capsys=capsys)


def test_nothing_changed_is_a_short_comment_and_the_same_bytes_on_every_run(
    capsys: pytest.CaptureFixture[str], repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = commented(capsys, repository, "--base", "main")
    assert first.code == 0, first.err
    assert first.out.startswith(MARKER)
    assert (
        "| one | unchanged | 50.00 USD | 6250.73 USD | 6.65 requests | 23 min 32 s | 3 warn |"
        in first.out
    )
    assert "### one" not in first.out
    assert "not looked at" in first.out, "what was not looked at is said"
    monkeypatch.setenv("HF_TOKEN", CANARY)
    monkeypatch.setenv("CLORE_API_KEY", CANARY)
    assert commented(capsys, repository, "--base", "main").out == first.out, "keys change nothing"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"maxUsdPerDay": "45"}, "Nothing that runs is touched."),
        ({"maxModelLen": 32768}, "The engine starts again on the same order."),
        ({"engine": "sglang"}, "Other weights are fetched onto the same order"),
        ({"topology": "2xH200"}, "A NEW ORDER"),
        ({"generation": 2}, "A second order beside the first one"),
    ],
)
def test_a_change_says_what_a_running_deployment_goes_through(
    capsys: pytest.CaptureFixture[str],
    repository: Repository,
    values: dict[str, object],
    says: str,
) -> None:
    repository.write("one", stack_file(**values))
    ran = commented(capsys, repository, "--base", "main")
    assert ran.code == 0, ran.err
    assert says in ran.out
    for name, value in values.items():
        assert f"| {name} |" in ran.out
        assert f"| {value} |" in ran.out
    assert "### two" not in ran.out, "what is unchanged is one row"


def test_a_mandatory_finding_blocks_and_is_marked_as_new(
    capsys: pytest.CaptureFixture[str], repository: Repository
) -> None:
    repository.write("one", stack_file(licenseUse="commercial"))
    ran = commented(capsys, repository, "--base", "main")
    assert ran.code == 1
    assert "REFUSED: one" in ran.out
    assert "| REFUSED | `clore-license-require-evidence` |" in ran.out
    assert "4 finding(s), 1 of them new; 0 gone." in ran.out
    assert "**Refused as it is. If it were not: Nothing that runs is touched.**" in ran.out


def test_a_file_that_cannot_be_read_blocks_with_every_finding(
    capsys: pytest.CaptureFixture[str], repository: Repository
) -> None:
    repository.write("one", stack_file(maxModelLn=1, topology="4xB200"))
    repository.write("two", "config: [")
    ran = commented(capsys, repository, "--base", "main")
    assert ran.code == 1
    assert "Did you mean maxModelLen" in ran.out
    assert "4xB200" in ran.out
    assert "The stack file is not YAML" in ran.out


def test_new_and_removed_stacks_are_told(
    capsys: pytest.CaptureFixture[str], repository: Repository
) -> None:
    (repository.directory / "stacks" / "Pulumi.two.yaml").unlink()
    repository.write("three", stack_file())
    ran = commented(capsys, repository, "--base", "main")
    assert ran.code == 0
    assert "| two | removed |" in ran.out
    assert "pulumi destroy --stack two" in ran.out
    assert "| three | new |" in ran.out
    assert "A new deployment" in ran.out


def test_without_a_base_nothing_is_compared_and_one_stack_can_be_chosen(
    capsys: pytest.CaptureFixture[str], repository: Repository
) -> None:
    ran = commented(capsys, repository, "two")
    assert ran.code == 0
    assert "Not compared" in ran.out
    assert "| one |" not in ran.out


@pytest.mark.parametrize("words", [("--base", "no-such"), ("--base", "--output=x"), ("none",)])
def test_a_commit_or_stack_that_is_not_there_ends_with_2(
    capsys: pytest.CaptureFixture[str], repository: Repository, words: tuple[str, ...]
) -> None:
    ran = commented(capsys, repository, *words)
    assert ran.code == 2
    assert not list(repository.directory.glob("x"))


def test_a_secret_in_clear_is_a_finding_and_is_not_repeated(
    capsys: pytest.CaptureFixture[str], repository: Repository
) -> None:
    repository.write("one", stack_file(hfToken=CANARY, licenseEvidence=CANARY))
    ran = commented(capsys, repository, "--base", "main")
    assert ran.code == 1
    assert "clore-secret-require-encryption" in ran.out
    assert "clore-secret-forbid-in-text" in ran.out
    repository.commit()
    repository.write("one", stack_file())
    mended = commented(capsys, repository, "--base", "main")
    assert mended.code == 0
    for one in (ran, mended):
        assert CANARY not in one.out.replace("\\", "") + one.err


def test_a_link_to_somebody_elses_file_is_not_followed(
    capsys: pytest.CaptureFixture[str], repository: Repository, tmp_path: Path
) -> None:
    (tmp_path / "private").write_text(stack_file(canary=1))
    (repository.directory / "stacks" / "Pulumi.link.yaml").symlink_to(tmp_path / "private")
    ran = commented(capsys, repository)
    assert ran.code == 2
    assert "canary" not in ran.out + ran.err


HOSTILE = "x`\\n\\n```\\n<img src=x onerror=y> [a](http://b) @team | | <!-- clore -->\\n## hi"


@pytest.mark.parametrize(
    "key", ["servedModelName", "licenseEvidence", "repository", "image", "x|y"]
)
def test_what_a_stranger_writes_stays_text(key: str) -> None:
    head = Side(stack_file(**{f'"{key}"' if "|" in key else key: f'"{HOSTILE}"'}))
    text = comment([Stack("s", Side(stack_file()), head)], against="`main`")
    fences = [line for line in text.splitlines() if line.startswith("```")]
    assert len(fences) % 2 == 0
    outside: list[str] = []
    inside = False
    for line in text.splitlines():
        inside = not inside if line.startswith("```") else inside
        if not inside and not line.startswith("```"):
            outside.append(line)
    assert not [line for line in outside[4:] if line.startswith("## ")]
    shown = "\n".join(outside)
    for markup in ("<img", "<!-- clore -->", " @team"):
        assert markup not in _without_code(shown).replace("\\" + markup[:1], ""), markup


def _without_code(text: str) -> str:
    return "".join(part for at, part in enumerate(text.split("`")) if at % 2 == 0)


def test_a_comment_is_never_longer_than_github_takes() -> None:
    many: list[Any] = [Stack(f"s{at}", None, Side(stack_file())) for at in range(60)]
    text = comment(many, against="")
    assert len(text) < LONGEST + 200
    assert "too long for one comment" in text


def _cut_off(repository: Repository, *words: str) -> str:
    """Run the command without any network device but loopback, and without any key."""
    program = Path(sys.executable).with_name("clore-inference")
    command = ["unshare", "--map-root-user", "--net", str(program), "preview-comment", *words]
    keyless = {"PATH": os.environ["PATH"], "XDG_STATE_HOME": str(repository.directory / ".local")}
    done = subprocess.run(command, cwd=repository.directory, env=keyless, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.mark.slow
@pytest.mark.skipif(
    subprocess.run(["unshare", "--map-root-user", "--net", "true"], check=False).returncode != 0
    if shutil.which("unshare")
    else True,
    reason="needs `unshare` and a kernel that lets a user cut its own network",
)
def test_with_the_network_cut_it_is_the_same_but_for_the_offers_and_says_so(
    capsys: pytest.CaptureFixture[str], repository: Repository
) -> None:
    repository.write("one", stack_file(maxModelLen=32768))
    connected = commented(capsys, repository, "--base", "main").out
    assert _cut_off(repository, "--base", "main") == connected
    asked = _cut_off(repository, "--base", "main", "--offers")
    offline = connected.splitlines()[-1]
    assert asked.startswith(connected.removesuffix(f"{offline}\n")), "the same but for the offers"
    rest = asked.removeprefix(connected.removesuffix(f"{offline}\n")).splitlines()
    assert len(rest) == 4, "for each stack its repository and its offers"
    assert all("not looked at" in line for line in rest)
