from __future__ import annotations

import asyncio
from pathlib import Path

import asyncssh
import pytest

from support.rented import a_server, an_order, answer_of, hosts_at, in_loop, login, until

pytestmark = pytest.mark.slow


@in_loop
async def test_the_stages_of_a_deployment_follow_virtual_time(root: Path) -> None:
    waits: asyncio.Queue[float] = asyncio.Queue()
    go_on = asyncio.Semaphore(0)

    async def wait(seconds: float) -> None:
        await waits.put(seconds)
        await go_on.acquire()

    async with hosts_at(root, sleep=wait) as hosts:
        order = an_order()
        await hosts.start(order, a_server())
        seen, waited = [], 0.0
        for _ in range(2):
            waited += await waits.get()
            status = hosts.status(order["id"])
            assert status is not None
            seen.append(status.mon_container)
            go_on.release()
        await hosts.deployed(order["id"])
        status = hosts.status(order["id"])
        assert status is not None
        assert [*seen, status.mon_container] == [0, 1, 2]
    assert 45 <= waited <= 150


@in_loop
async def test_a_host_that_never_deploys_refuses_for_ever(root: Path) -> None:
    async with hosts_at(root) as hosts:
        order = an_order(command="touch ran")
        address = await hosts.start(order, a_server(deploys=False, ssh=False))

        async def starting() -> bool:
            status = hosts.status(order["id"])
            return status is not None and status.stage == "starting"

        await until(starting)
        with pytest.raises(ConnectionRefusedError):
            async with login(address.ssh_port_public):
                pass
        assert (await answer_of(address.http_port_public))[0] == 502
        assert not (hosts.home(order["id"]) / "ran").exists()


@in_loop
async def test_a_container_can_run_without_ssh(root: Path) -> None:
    async with hosts_at(root) as hosts:
        order = an_order(command="touch ran")
        address = await hosts.start(order, a_server(ssh=False))
        await hosts.deployed(order["id"])

        async def has_run() -> bool:
            return (hosts.home(order["id"]) / "ran").exists()

        await until(has_run)
        with pytest.raises(ConnectionRefusedError):
            async with login(address.ssh_port_public):
                pass


@in_loop
async def test_ssh_can_reset_connections_for_a_while(root: Path) -> None:
    over = asyncio.Event()

    async def wait(seconds: float) -> None:
        if seconds == 1234.0:
            await over.wait()

    async with hosts_at(root, sleep=wait) as hosts:
        order = an_order()
        address = await hosts.start(order, a_server(), {"ssh_resets_s": 1234.0})
        await hosts.deployed(order["id"])
        with pytest.raises((ConnectionResetError, asyncssh.ConnectionLost)):
            async with login(address.ssh_port_public):
                pass
        over.set()

        async def answers() -> bool:
            try:
                async with login(address.ssh_port_public):
                    return True
            except (OSError, asyncssh.Error):
                return False

        await until(answers)


@in_loop
async def test_a_host_key_can_change_with_a_restart(root: Path) -> None:
    async with hosts_at(root) as hosts:
        order = an_order()
        address = await hosts.start(order, a_server(), {"host_key_changes": True})
        keys = []
        for _ in range(2):
            await hosts.deployed(order["id"])
            key = await asyncssh.get_server_host_key("127.0.0.1", address.ssh_port_public or 0)
            assert key is not None
            keys.append(key.public_data)
            await hosts.restart_container(order["id"])
        assert keys[0] != keys[1]


@pytest.mark.parametrize(("name", "status", "word"), [
    ("502", 502, b"error code: 502"),
    ("proxy_not_found", 404, b"Proxy Not Found"),
])  # fmt: skip
@in_loop
async def test_a_public_name_can_be_broken_for_ever(
    root: Path, name: str, status: int, word: bytes
) -> None:
    async with hosts_at(root) as hosts:
        order = an_order()
        address = await hosts.start(order, a_server(http=name))
        await hosts.deployed(order["id"])
        seen, body = await answer_of(address.http_port_public)
    assert seen == status
    assert word in body


@in_loop
async def test_faults_set_before_the_host_starts_are_kept(root: Path) -> None:
    async with hosts_at(root) as hosts:
        order = an_order()
        hosts.set_engine_faults(order["id"], '["drops_reasoning"]')
        address = await hosts.start(order, a_server())
        await hosts.deployed(order["id"])
        async with login(address.ssh_port_public) as connection:
            result = await connection.run('cat "$CLORE_EMULATOR_FAULTS"', check=True)
    assert result.stdout == '["drops_reasoning"]'


@in_loop
async def test_engines_see_the_faults_that_were_set_for_them(root: Path) -> None:
    async with hosts_at(root) as hosts:
        order = an_order()
        address = await hosts.start(order, a_server())
        await hosts.deployed(order["id"])
        hosts.set_engine_faults(order["id"], '[{"do": "out_of_memory"}]')
        async with login(address.ssh_port_public) as connection:
            result = await connection.run('cat "$CLORE_EMULATOR_FAULTS"', check=True)
    assert result.stdout == '[{"do": "out_of_memory"}]'
