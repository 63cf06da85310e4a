from __future__ import annotations

from pathlib import Path

import asyncssh
import pytest

from support.rented import STRANGERS_KEY, a_server, an_order, hosts_at, in_loop, login

pytestmark = pytest.mark.slow


def files_with(text: str, root: Path) -> list[Path]:
    written = [path for path in root.rglob("*") if path.is_file()]
    return [path for path in written if text.encode() in path.read_bytes()]


@in_loop
async def test_the_renters_key_opens_and_a_strangers_does_not(root: Path, apart: str) -> None:
    async with hosts_at(root) as hosts:
        order = an_order()
        address = await hosts.start(order, a_server())
        await hosts.deployed(order["id"])
        async with login(address.ssh_port_public) as connection:
            assert (await connection.run("echo in")).stdout == "in\n"
        with pytest.raises(asyncssh.PermissionDenied):
            async with login(address.ssh_port_public, STRANGERS_KEY):
                pass
        with pytest.raises(asyncssh.PermissionDenied):
            async with login(address.ssh_port_public, username="ubuntu"):
                pass


@in_loop
async def test_the_password_opens_only_where_one_was_set(root: Path) -> None:
    password = "canary-of-a-password"
    async with hosts_at(root) as hosts:
        order = an_order(ssh_key=None, ssh_password=password)
        address = await hosts.start(order, a_server())
        await hosts.deployed(order["id"])
        async with login(address.ssh_port_public, client_keys=None, password=password) as inside:
            environment = str((await inside.run("env; cat /proc/*/cmdline")).stdout)
        with pytest.raises(asyncssh.PermissionDenied):
            async with login(address.ssh_port_public, client_keys=None, password="another"):
                pass
        assert password not in environment
        assert not files_with(password, root)


@in_loop
async def test_keys_added_on_the_host_open_too(root: Path) -> None:
    async with hosts_at(root) as hosts:
        order = an_order()
        address = await hosts.start(order, a_server())
        await hosts.deployed(order["id"])
        async with login(address.ssh_port_public) as connection:
            line = STRANGERS_KEY.export_public_key().decode()
            await connection.run("cat >> .ssh/authorized_keys", input=line)
        async with login(address.ssh_port_public, STRANGERS_KEY):
            pass


@in_loop
async def test_each_host_has_an_ed25519_key_of_its_own(root: Path) -> None:
    async with hosts_at(root) as hosts:
        keys = set()
        for order in (an_order(), an_order()):
            address = await hosts.start(order, a_server())
            await hosts.deployed(order["id"])
            key = await asyncssh.get_server_host_key("127.0.0.1", address.ssh_port_public or 0)
            assert key is not None
            assert key.get_algorithm() == "ssh-ed25519"
            keys.add(key.public_data)
        assert len(keys) == 2


@pytest.mark.parametrize(
    ("fields", "answers"),
    [
        ({"autossh_entrypoint": "true"}, False),
        ({"autossh_entrypoint": None}, False),
        ({"autossh_entrypoint": None, "image": "cloreai/jupyter:ubuntu24.04-v2"}, True),
    ],
)
@in_loop
async def test_only_some_images_bring_ssh(
    root: Path, fields: dict[str, object], *, answers: bool
) -> None:
    async with hosts_at(root) as hosts:
        order = an_order(**fields)
        address = await hosts.start(order, a_server())
        await hosts.deployed(order["id"])
        if answers:
            async with login(address.ssh_port_public):
                return
        with pytest.raises(ConnectionRefusedError):
            async with login(address.ssh_port_public):
                pass
