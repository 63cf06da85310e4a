from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import asyncssh
import pytest

from clore_emulator.hosts.descendants import descendants
from support.rented import a_server, an_order, answer_of, hosts_at, in_loop, login, until

pytestmark = pytest.mark.slow

DETACH = "for i in 1 2 3; do setsid sh -c 'sleep 600 & sleep 600' >/dev/null 2>&1 </dev/null & done"


def living(pids: Iterable[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@in_loop
async def test_stop_leaves_no_process_no_port_and_no_file(root: Path, apart: str) -> None:
    before = set(descendants(os.getpid()))
    async with hosts_at(root) as hosts:
        order = an_order()
        address = await hosts.start(order, a_server())
        await hosts.deployed(order["id"])
        async with login(address.ssh_port_public) as connection:
            await connection.run(DETACH, check=True)

        async def nine_more() -> bool:
            return len(set(descendants(os.getpid())) - before) >= 9

        await until(nine_more)
        started = set(descendants(os.getpid())) - before
        await hosts.stop(order["id"])
        assert not living(started)
        with pytest.raises(ConnectionRefusedError):
            await answer_of(address.http_port_public)
        assert not hosts.home(order["id"]).exists()
        assert hosts.status(order["id"]) is None
        await hosts.stop(order["id"])


@in_loop
async def test_stopping_a_host_that_is_still_starting_leaves_nothing(
    root: Path, apart: str
) -> None:
    before = set(descendants(os.getpid()))
    async with hosts_at(root) as hosts:
        for _ in range(3):
            order = an_order()
            await hosts.start(order, a_server())
            await hosts.stop(order["id"])
        assert set(descendants(os.getpid())) == before


@in_loop
async def test_a_stop_in_the_middle_of_a_start_wins(root: Path, apart: str) -> None:
    before = set(descendants(os.getpid()))
    async with hosts_at(root) as hosts:
        for moments in range(6):
            order = an_order()
            starting = asyncio.create_task(hosts.start(order, a_server()))
            for _ in range(moments):
                await asyncio.sleep(0)
            await hosts.stop(order["id"])
            await starting
            await hosts.stop(order["id"])
        assert set(descendants(os.getpid())) == before


@in_loop
async def test_trouble_for_an_order_without_a_host_is_no_error(root: Path) -> None:
    async with hosts_at(root) as hosts:
        hosts.freeze(404)
        hosts.thaw(404)
        await hosts.restart_container(404)
        await hosts.disappear(404)
        await hosts.stop(404)


@in_loop
async def test_a_stop_leaves_other_hosts_alone(root: Path, apart: str) -> None:
    async with hosts_at(root) as hosts:
        ended, kept = an_order(), an_order()
        address = await hosts.start(kept, a_server())
        await hosts.start(ended, a_server())
        await hosts.deployed(kept["id"])
        async with login(address.ssh_port_public) as connection:
            await hosts.stop(ended["id"])
            assert (await connection.run("echo alive")).stdout == "alive\n"


@in_loop
async def test_starting_twice_is_one_host(root: Path) -> None:
    async with hosts_at(root) as hosts:
        order = an_order()
        assert await hosts.start(order, a_server()) == await hosts.start(order, a_server())


@in_loop
async def test_a_restart_keeps_home_and_key_and_runs_onstart_but_not_the_command(
    root: Path, apart: str
) -> None:
    async with hosts_at(root) as hosts:
        order = an_order(command="#!/bin/bash\n[[ 1 ]] && echo once >> commands")
        home = hosts.home(order["id"])
        address = await hosts.start(order, a_server())
        await hosts.deployed(order["id"])
        async with login(address.ssh_port_public) as connection:
            await connection.run("cat > onstart.sh", input="echo ran >> onstarts; sleep 600")
            await connection.run(DETACH, check=True)
        first = await asyncssh.get_server_host_key("127.0.0.1", address.ssh_port_public or 0)
        await hosts.restart_container(order["id"])
        await hosts.deployed(order["id"])
        second = await asyncssh.get_server_host_key("127.0.0.1", address.ssh_port_public or 0)
        assert first is not None
        assert second is not None
        assert first.public_data == second.public_data

        async def has_run() -> bool:
            return (home / "onstarts").exists() and (home / "commands").exists()

        await until(has_run)
        async with login(address.ssh_port_public) as connection:
            text = (await connection.run("cat onstarts commands", check=True)).stdout
        assert text == "ran\nonce\n"


@in_loop
async def test_hosts_come_back_after_the_emulator_on_their_old_ports(
    root: Path, apart: str
) -> None:
    order = an_order(command="echo once >> commands")
    async with hosts_at(root) as hosts:
        first = await hosts.start(order, a_server())
        await hosts.deployed(order["id"])
        async with login(first.ssh_port_public) as connection:
            await connection.run("cat > onstart.sh; sync", input="touch back")
        key = await asyncssh.get_server_host_key("127.0.0.1", first.ssh_port_public or 0)
    async with hosts_at(root) as hosts:
        second = await hosts.bring_back([{**order, "server": a_server()}])
        assert second == {order["id"]: first}
        await hosts.deployed(order["id"])
        again = await asyncssh.get_server_host_key("127.0.0.1", first.ssh_port_public or 0)
        assert key is not None
        assert again is not None
        assert again.public_data == key.public_data

        async def is_back() -> bool:
            return (hosts.home(order["id"]) / "back").exists()

        await until(is_back)
        commands = hosts.home(order["id"]) / "commands"
        assert commands.read_text(encoding="utf-8") == "once\n"


EMULATOR = """
import asyncio, json, pathlib, sys
from support.rented import a_server, an_order, hosts_at, login

async def main():
    async with hosts_at(pathlib.Path(sys.argv[1])) as hosts:
        order = an_order()
        address = await hosts.start(order, a_server())
        await hosts.deployed(order["id"])
        async with login(address.ssh_port_public) as connection:
            await connection.run(sys.argv[2], check=True)
        if sys.argv[3] == "frozen":
            hosts.freeze(order["id"])
        print("up", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.parametrize("state", ["running", "frozen"])
@in_loop
async def test_hosts_end_when_the_emulator_is_killed(root: Path, apart: str, state: str) -> None:
    command = [sys.executable, "-c", EMULATOR, str(root), DETACH, state]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    emulator = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, env=environment
    )
    assert emulator.stdout is not None
    assert await emulator.stdout.readline() == b"up\n"
    below = descendants(emulator.pid)
    assert below
    emulator.kill()
    await emulator.wait()

    async def all_gone() -> bool:
        return not living(below)

    await until(all_gone)


@in_loop
async def test_a_vanished_host_refuses_and_can_still_be_stopped(root: Path, apart: str) -> None:
    async with hosts_at(root) as hosts:
        order = an_order()
        address = await hosts.start(order, a_server())
        await hosts.deployed(order["id"])
        await hosts.disappear(order["id"])
        with pytest.raises(ConnectionRefusedError):
            async with login(address.ssh_port_public):
                pass
        status = hosts.status(order["id"])
        assert status is not None
        assert (status.stage, status.online) == ("gone", False)
        await hosts.stop(order["id"])
        assert not hosts.home(order["id"]).exists()


@in_loop
async def test_a_frozen_host_takes_connections_and_answers_after_the_thaw(
    root: Path, apart: str
) -> None:
    async with hosts_at(root) as hosts:
        order = an_order()
        address = await hosts.start(order, a_server())
        await hosts.deployed(order["id"])
        hosts.freeze(order["id"])
        page = asyncio.create_task(answer_of(address.http_port_public))
        with pytest.raises(asyncssh.Error, match="timeout"):
            async with login(address.ssh_port_public, login_timeout=0.3):
                pass
        assert not page.done()
        status = hosts.status(order["id"])
        assert status is not None
        assert not status.online
        hosts.thaw(order["id"])
        assert (await page)[0] == 502
        async with login(address.ssh_port_public):
            pass


@in_loop
async def test_a_frozen_host_can_be_stopped(root: Path, apart: str) -> None:
    before = set(descendants(os.getpid()))
    async with hosts_at(root) as hosts:
        order = an_order()
        await hosts.start(order, a_server())
        await hosts.deployed(order["id"])
        hosts.freeze(order["id"])
        await hosts.stop(order["id"])
        assert set(descendants(os.getpid())) == before


@in_loop
async def test_a_host_that_dies_by_itself_is_told(root: Path, apart: str) -> None:
    said: list[str] = []
    before = set(descendants(os.getpid()))
    async with hosts_at(root, log=said.append) as hosts:
        order = an_order()
        await hosts.start(order, a_server())
        await hosts.deployed(order["id"])
        keeper = next(iter(set(descendants(os.getpid())) - before))
        os.kill(keeper, signal.SIGTERM)

        async def is_gone() -> bool:
            status = hosts.status(order["id"])
            return status is not None and status.stage == "gone"

        await until(is_gone)
    assert any(f"order {order['id']} ended by itself" in line for line in said)
