from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from clore_emulator.hosts.address import Doors, open_doors, recall, recorded, remember

PORTS = {"22": "tcp", "8000": "http", "31234": "tcp"}


@contextlib.contextmanager
def opened(remembered: dict[int, int] | None = None, http: int | None = None) -> Iterator[Doors]:
    doors = open_doors(PORTS, remembered or {}, http, "seed")
    try:
        yield doors
    finally:
        doors.close()


def test_every_tcp_port_has_a_public_one_and_http_its_own() -> None:
    with opened() as doors:
        address = doors.address
    assert set(address.relay) == {22, 31234}
    assert address.ssh_port_public == address.relay[22]
    assert address.http_port_public not in address.relay.values()


def test_ssh_refuses_until_the_host_listens_while_other_ports_take_connections() -> None:
    with opened() as doors:
        address = doors.address
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", address.relay[22]), timeout=1)
        socket.create_connection(("127.0.0.1", address.relay[31234]), timeout=1).close()


def test_an_address_survives_on_disk(tmp_path: Path) -> None:
    with opened() as doors:
        first = doors.address
    remember(tmp_path / "address.json", first)
    with opened(*recall(tmp_path / "address.json")) as doors:
        assert doors.address == first


def test_a_remembered_port_is_ours_again_while_old_connections_still_close() -> None:
    with opened() as doors:
        first = doors.address
        with socket.create_connection(("127.0.0.1", first.relay[31234])) as client:
            accepted, _ = doors.relay[31234].accept()
            accepted.close()
            assert client.recv(1) == b""
    with opened(dict(first.relay)) as doors:
        assert doors.address.relay == first.relay, "our side closed first: TIME_WAIT stays here"


def test_a_remembered_port_that_is_taken_gives_way() -> None:
    with opened() as first, opened(dict(first.address.relay)) as second:
        assert not set(first.address.relay.values()) & set(second.address.relay.values())


def test_the_markets_record_of_an_address_serves_too() -> None:
    assert recorded({"relay": {"22": 10022}, "http": 10080}) == ({22: 10022}, 10080)
    assert recorded(None) == ({}, None)


@pytest.mark.parametrize("text", ["", "[]", '{"relay": 3}', '{"relay": {"22": "x"}}'])
def test_an_illegible_address_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "address.json").write_text(text, encoding="utf-8")
    assert recall(tmp_path / "address.json") == ({}, None)


def test_an_order_without_ports_has_no_address() -> None:
    address = open_doors({}, {}, None, "seed").address
    assert (address.ssh_port_public, address.http_port_public, dict(address.relay)) == (
        None,
        None,
        {},
    )
