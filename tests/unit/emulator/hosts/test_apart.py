from __future__ import annotations

import asyncio
import shutil
import socket
from pathlib import Path

import pytest

from clore_emulator.hosts.hosts import can_isolate
from support.rented import (
    SERVE_HERE,
    a_server,
    an_order,
    answer_of,
    hosts_at,
    in_loop,
    login,
    until,
)

pytestmark = pytest.mark.slow


@in_loop
async def test_two_hosts_listen_on_the_same_port_and_each_name_shows_its_own(
    root: Path, apart: str
) -> None:
    async with hosts_at(root) as hosts:
        ports = {}
        for word in ("one", "two"):
            order = an_order()
            address = await hosts.start(order, a_server())
            await hosts.deployed(order["id"])
            ports[word] = address.http_port_public
            assert (await answer_of(ports[word]))[0] == 502, "nothing listens yet"
            async with login(address.ssh_port_public) as connection:
                script = f"cat > serve.py; python3 serve.py {word} >/dev/null 2>&1 </dev/null &"
                await connection.run(script, input=SERVE_HERE)

        async def both_answer() -> bool:
            return [await answer_of(ports[word]) for word in ports] == [
                (200, b"one"),
                (200, b"two"),
            ]

        await until(both_answer)


@in_loop
async def test_what_listens_on_the_hosts_own_loopback_is_not_reached_by_its_public_name(
    root: Path,
) -> None:
    if not can_isolate():
        pytest.skip("hosts here have no network of their own")
    async with hosts_at(root) as hosts:
        order = an_order()
        address = await hosts.start(order, a_server())
        await hosts.deployed(order["id"])
        async with login(address.ssh_port_public) as connection:
            program = SERVE_HERE.replace("0.0.0.0", "127.0.0.1")
            script = "cat > serve.py; python3 serve.py mine >/dev/null 2>&1 </dev/null &"
            await connection.run(script, input=program)

            async def answers_inside() -> bool:
                fetch = "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/')"
                return (await connection.run(f'python3 -c "{fetch}"')).exit_status == 0

            await until(answers_inside)
        assert (await answer_of(address.http_port_public))[0] == 502


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
@in_loop
async def test_programs_on_a_host_reach_its_own_port(root: Path, apart: str, name: str) -> None:
    url = f"http://{name}:8000/"
    fetch = f"import urllib.request; print(urllib.request.urlopen('{url}').read().decode(), end='')"
    async with hosts_at(root) as hosts:
        order = an_order()
        address = await hosts.start(order, a_server())
        await hosts.deployed(order["id"])
        async with login(address.ssh_port_public) as connection:
            script = "cat > serve.py; python3 serve.py mine >/dev/null 2>&1 </dev/null &"
            await connection.run(script, input=SERVE_HERE)

            async def answers() -> bool:
                return (await connection.run(f'python3 -c "{fetch}"')).stdout == "mine"

            await until(answers)
            if shutil.which("curl", path="/usr/bin:/bin"):
                assert (await connection.run(f"curl -s {url}")).stdout == "mine"


@in_loop
async def test_the_marks_ports_take_connections_and_close_them(root: Path) -> None:
    async with hosts_at(root) as hosts:
        order = an_order()
        address = await hosts.start(order, a_server())
        reader, writer = await asyncio.open_connection("127.0.0.1", address.relay[31234])
        assert await reader.read() == b"", "nothing listens there"
        writer.close()
        await writer.wait_closed()


@in_loop
async def test_a_host_reaches_the_hub_at_its_address_outside(root: Path, apart: str) -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"the hub")
        writer.close()

    hub = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = hub.sockets[0].getsockname()[1]
    code = f"import socket; print(socket.create_connection(('127.0.0.1', {port})).recv(99))"
    async with hub, hosts_at(root, hub_url=f"http://127.0.0.1:{port}") as hosts:
        order = an_order()
        address = await hosts.start(order, a_server())
        await hosts.deployed(order["id"])
        async with login(address.ssh_port_public) as connection:
            result = await connection.run(f'python3 -c "{code}"', check=True)
    assert result.stdout == "b'the hub'\n"


@in_loop
async def test_the_hubs_own_unix_socket_is_used_where_there_is_one(
    root: Path, tmp_path: Path, namespaces: None
) -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"by socket")
        writer.close()

    path = tmp_path / "hub"
    code = "import socket; print(socket.create_connection(('127.0.0.1', 8651)).recv(99))"
    async with (
        await asyncio.start_unix_server(greet, path),
        hosts_at(root, hub_url="http://127.0.0.1:8651", hub_socket=path) as hosts,
    ):
        order = an_order()
        address = await hosts.start(order, a_server())
        await hosts.deployed(order["id"])
        async with login(address.ssh_port_public) as connection:
            result = await connection.run(f'python3 -c "{code}"', check=True)
    assert result.stdout == "b'by socket'\n"


@in_loop
async def test_a_slow_link_slows_what_comes_from_the_hub(root: Path, apart: str) -> None:
    async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x" * 300_000)
        writer.close()

    hub = await asyncio.start_server(pour, "127.0.0.1", 0)
    port = hub.sockets[0].getsockname()[1]
    code = f"""
import socket, time
started = time.monotonic()
connection = socket.create_connection(('127.0.0.1', {port}))
while connection.recv(65536):
    pass
print(time.monotonic() - started)
"""
    async with hub, hosts_at(root, hub_url=f"http://127.0.0.1:{port}") as hosts:
        order = an_order()
        # 8 Mbps at 3600 virtual seconds a second would be 3.6 GB/s: this is 1 MB/s of real time.
        address = await hosts.start(order, a_server(down_mbps=8 / 3600))
        await hosts.deployed(order["id"])
        async with login(address.ssh_port_public) as connection:
            result = await connection.run("python3 -", input=code, check=True)
    assert float(str(result.stdout)) > 0.2


@in_loop
async def test_a_namespace_hides_the_emulators_other_ports(root: Path, namespaces: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as outside:
        port = outside.getsockname()[1]
        code = f"import socket; print(socket.socket().connect_ex(('127.0.0.1', {port})))"
        async with hosts_at(root) as hosts:
            order = an_order()
            address = await hosts.start(order, a_server())
            await hosts.deployed(order["id"])
            async with login(address.ssh_port_public) as connection:
                result = await connection.run(f'python3 -c "{code}"', check=True)
    assert result.stdout != "0\n"
