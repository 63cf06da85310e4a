from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pytest

from support.rented import a_server, an_order, hosts_at, in_loop, login, until

pytestmark = pytest.mark.slow


@contextlib.asynccontextmanager
async def a_host(
    root: Path, **fields: object
) -> AsyncIterator[tuple[asyncssh.SSHClientConnection, Path]]:
    """A connection to a deployed host, and its home seen from outside."""
    async with hosts_at(root) as hosts:
        order = an_order(**fields)
        address = await hosts.start(order, a_server())
        await hosts.deployed(order["id"])
        async with login(address.ssh_port_public) as connection:
            yield connection, hosts.home(order["id"])


@in_loop
async def test_a_session_sees_the_hosts_environment_and_none_of_the_emulators(
    root: Path, apart: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", "secret-of-the-emulator")
    async with a_host(root, env={"MODEL": "a b", "PATH": "/evil"}) as (connection, home):
        text = str((await connection.run("pwd; env", check=True)).stdout)
        where, *lines = text.splitlines()
        environment = dict(line.split("=", 1) for line in lines)
    assert where == environment["HOME"] == str(home)
    assert environment["MODEL"] == "a b"
    assert environment["PATH"].endswith("/bin:/usr/bin:/bin")
    assert "CANARY" not in environment
    ours = {name for name in environment if not name.startswith("CLORE_EMULATOR_")}
    assert ours <= {
        "HOME", "PATH", "USER", "LOGNAME", "SHELL", "LANG", "PYTHONPATH", "MODEL", "PWD", "OLDPWD",
        "_", "SHLVL",
    }  # fmt: skip


@in_loop
async def test_bytes_pass_unchanged_both_ways(root: Path) -> None:
    content = bytes(range(256)) * 4096
    async with a_host(root) as (connection, _):
        result = await connection.run("cat; echo problem >&2", input=content, encoding=None)
    assert result.stdout == content
    assert result.stderr == b"problem\n"


@in_loop
async def test_exit_statuses_and_signals_are_told(root: Path) -> None:
    async with a_host(root) as (connection, _):
        assert (await connection.run("exit 7")).exit_status == 7
        signalled = await connection.run("kill -TERM $$")
        assert signalled.exit_signal is not None
        assert signalled.exit_signal[0] == "TERM"
        process = await connection.create_process("echo up; exec sleep 60")
        assert await process.stdout.readline() == "up\n", "a shell that still forks may miss it"
        process.send_signal("INT")
        await process.wait()
        assert process.exit_signal is not None
        assert process.exit_signal[0] == "INT"


@in_loop
async def test_a_detached_program_outlives_its_session(root: Path, apart: str) -> None:
    script = "(setsid sh -c 'while [ ! -e stop ]; do sleep 0.02; done; touch stopped' & ) >&- 2>&-"
    async with a_host(root) as (connection, home):
        await connection.run(script, check=True)
        connection.close()
        await connection.wait_closed()
        (home / "stop").touch()

        async def stopped() -> bool:
            return (home / "stopped").exists()

        await until(stopped)


@in_loop
async def test_a_session_lasts_as_long_as_someone_holds_its_output(root: Path) -> None:
    async with a_host(root) as (connection, home):
        command = "(while [ ! -e go ]; do sleep 0.02; done; echo late) & echo early"
        process = await connection.create_process(command)
        assert await process.stdout.readline() == "early\n"
        (home / "go").touch()
        assert await process.stdout.read() == "late\n", "as OpenSSH, which waits for the pipes"


@in_loop
async def test_a_lost_client_ends_the_input_and_kills_nobody(root: Path) -> None:
    async with a_host(root) as (connection, home):
        await connection.create_process("cat > received; trap '' PIPE; echo x; touch ended")
        connection.abort()

        async def ended() -> bool:
            return (home / "ended").exists()

        await until(ended)


@in_loop
async def test_forwarding_reaches_the_host_and_nothing_else(root: Path, apart: str) -> None:
    server = (
        "import socket; s = socket.create_server(('127.0.0.1', 9555)); print('up', flush=True); "
        "c = s.accept()[0]; c.sendall(b'inside'); c.close()"
    )
    async with a_host(root) as (connection, _):
        process = await connection.create_process(f'exec python3 -c "{server}"')
        assert await process.stdout.readline() == "up\n"
        reader, writer = await connection.open_connection("127.0.0.1", 9555, encoding=None)
        assert await reader.read() == b"inside"
        writer.close()
        for host, port in (("127.0.0.1", 9556), ("192.0.2.1", 80), ("example.com", 80)):
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.open_connection(host, port)


@in_loop
async def test_a_terminal_is_a_real_one(root: Path) -> None:
    async with a_host(root) as (connection, _):
        process = await connection.create_process(
            "tty; stty size", term_type="xterm", term_size=(99, 33)
        )
        text = str(await process.stdout.read())
        assert text.startswith("/dev/pts/")
        assert "33 99" in text
        shell = await connection.create_process(term_type="xterm")
        shell.stdin.write("echo $((6 * 7)); exit 3\n")
        assert "42" in str(await shell.stdout.read())
        assert shell.exit_status == 3


@in_loop
async def test_files_travel_by_sftp_from_home(root: Path) -> None:
    async with a_host(root) as (connection, home):
        async with connection.start_sftp_client() as sftp, sftp.open("there", "w") as file:
            await file.write("by sftp")
        assert (home / "there").read_text(encoding="utf-8") == "by sftp"


@in_loop
async def test_many_sessions_run_side_by_side(root: Path) -> None:
    async with a_host(root) as (connection, _):
        waiting = [await connection.create_process("cat") for _ in range(9)]
        assert (await connection.run("echo still here")).stdout == "still here\n"
        for number, process in enumerate(waiting):
            process.stdin.write(str(number))
            process.stdin.write_eof()
        texts = await asyncio.gather(*(process.stdout.read() for process in waiting))
    assert texts == [str(number) for number in range(9)]


@in_loop
async def test_the_tools_on_the_path_describe_the_rented_machine(root: Path, apart: str) -> None:
    query = "nvidia-smi --query-gpu=name,memory.total --format=csv,noheader | sort -u"
    async with a_host(root) as (connection, _):
        name = await connection.run(query, check=True)
        assert name.stdout == "NVIDIA H100 80GB HBM3, 81559 MiB\n"
        assert (await connection.run("nproc")).stdout == "128\n"
        refused = await connection.run("nvidia-smi --query-gpu=nonsense --format=csv")
        assert refused.exit_status == 2
        disk = str((await connection.run("df -Pk $HOME", check=True)).stdout).split()
        assert int(disk[-3]) * 1024 == pytest.approx(1200e9, rel=0.001)
        shm = str((await connection.run("df -B1 --output=size /dev/shm", check=True)).stdout)
        assert int(shm.rsplit(maxsplit=1)[-1]) == 300 * 2**30


@in_loop
async def test_python_on_a_host_finds_the_hubs_client_and_its_images_engine_whatever_pythonpath_says(
    root: Path, apart: str
) -> None:
    code = "import huggingface_hub, sys; print(any('shims' in p for p in sys.path))"
    for image, brought in (("lmsysorg/sglang:v0.5.23", True), ("vllm/vllm-openai:v0.32.0", False)):
        async with a_host(root / image.partition("/")[0], image=image) as (connection, _):
            result = await connection.run(f'PYTHONPATH=/elsewhere python3 -c "{code}"', check=True)
        assert result.stdout == f"{brought}\n", "what stands in for SGLang is in its image alone"
