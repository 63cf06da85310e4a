"""A provider process ends with its engine, and not before its work has."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Iterator

import pytest

from clore_inference import engine_link
from clore_inference.engine_link import Watch, engine_alive, hung_up


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setattr(sys, "argv", ["pulumi.dynamic", address])
        yield server


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_link, "BETWEEN_LOOKS_S", 0.001)


def test_a_pipe_without_a_writer_is_hung_up_and_one_with_a_writer_is_not() -> None:
    read, write = os.pipe()
    assert not hung_up(read)
    os.close(write)
    assert hung_up(read)
    os.close(read)


def test_an_engine_that_listens_is_alive(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_link, "hung_up", lambda _: False)
    assert engine_alive()


def test_another_program_on_a_dead_engines_port_is_no_engine(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_link, "hung_up", lambda _: True)
    assert not engine_alive()


def test_a_process_ends_only_after_several_looks_and_after_its_work() -> None:
    looks = iter([True, False, True, False, False, False])
    ended = threading.Event()
    watch = Watch(lambda: next(looks), ended.set)
    with watch.working():
        watch.begin()
        watch.begin()
        assert not ended.wait(0.05), "work in hand must not be cut off"
    assert ended.wait(5), "nothing keeps the process any more"
    assert next(looks, None) is None, "one failed look must not end a live provider"


def test_nothing_is_watched_outside_of_a_provider_process(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_link._watch, "begin", lambda: pytest.fail("this is pytest"))
    engine_link.end_with_engine()
