from __future__ import annotations

import errno
from types import SimpleNamespace

import pytest

from clore_inference.host.travelling.hook import with_line
from clore_inference.host.travelling.refusal import Refusal, cause


class HfHubHTTPError(OSError):
    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.response = SimpleNamespace(status_code=status)


class RepositoryNotFoundError(HfHubHTTPError):
    pass


class GatedRepoError(RepositoryNotFoundError):
    pass


class RevisionNotFoundError(HfHubHTTPError):
    pass


class LocalEntryNotFoundError(FileNotFoundError):
    pass


class ConnectError(OSError):
    pass


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (GatedRepoError("403", 403), "gated"),
        (RepositoryNotFoundError("404", 404), "not_found"),
        (RepositoryNotFoundError("401", 401), "gated"),
        (RevisionNotFoundError("404", 404), "revision_not_found"),
        (HfHubHTTPError("403", 403), "gated"),
        (HfHubHTTPError("429", 429), "network"),
        (HfHubHTTPError("503", 503), "network"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "quota"),
        (ConnectError("refused"), "network"),
        (TimeoutError("late"), "network"),
        (AttributeError("no such thing"), "unexpected"),
        (Refusal("hash_mismatch", "x"), "hash_mismatch"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_every_end_of_a_fetch_has_its_name(error: Exception, kind: str) -> None:
    assert cause(error).kind == kind


def test_what_an_error_was_raised_from_counts() -> None:
    outer = LocalEntryNotFoundError("an error happened while trying to locate the files")
    outer.__cause__ = GatedRepoError("access to model is restricted\nmore", 403)
    assert cause(outer).kind == "gated"
    assert cause(outer).text == "access to model is restricted"


def test_our_line_stands_once_and_what_was_there_stays() -> None:
    theirs = "#!/bin/bash\necho hello\nsleep infinity\n"
    once = with_line(theirs, "sh /x & # clore-inference")
    assert once == "#!/bin/bash\nsh /x & # clore-inference\necho hello\nsleep infinity\n"
    assert with_line(once, "sh /x & # clore-inference") == once
    assert with_line("echo hi\n", "sh /y & # clore-inference").splitlines()[1] == "echo hi"
