"""The mark: exact for ever, whole or nothing."""

from __future__ import annotations

import pytest

from clore_inference.errors import ConfigError
from clore_inference.market.ownership import (
    carries,
    carries_part,
    draw_lease_id,
    mark,
    project_port,
    same_image,
)
from clore_inference.market.wire import Order

LEASE = "0123456789abcdef0123456789abcdef"


def order(*ports: int) -> Order:
    return Order(id=1, tcp_ports=tuple(f"{port}:{1200 + n}" for n, port in enumerate(ports)))


def test_the_hashes_never_change() -> None:
    # python3 -c 'from hashlib import sha256 as s; print(20000 + int(s(b"clore-mark-1:...").hexdigest(), 16) % 45536)'
    assert mark("clore-inference", LEASE) == (28859, 30843, 51617)
    assert project_port("clore-inference") == 28859


def test_a_mark_stays_in_the_uncommon_range() -> None:
    ports = [port for n in range(2000) for port in mark("p", str(n))]
    assert min(ports) >= 20000
    assert max(ports) <= 65535


def test_a_drawn_lease_has_ports_of_its_own() -> None:
    for _ in range(200):
        ports = mark("p", draw_lease_id("p", (22, 8000)))
        assert len({*ports, 22, 8000}) == 5


def test_a_lease_id_is_drawn_again_until_no_requested_port_is_among_its_ports() -> None:
    requested = set(range(20000, 65536, 2)) - {project_port("p")}
    assert requested.isdisjoint(mark("p", draw_lease_id("p", requested)))


def test_a_requested_port_that_is_the_projects_own_is_refused() -> None:
    with pytest.raises(ConfigError, match=str(project_port("p"))):
        draw_lease_id("p", (22, project_port("p")))


def test_g3_only_all_three_ports_make_an_order_ours() -> None:
    wanted = mark("p", LEASE)
    assert carries(order(22, *wanted), wanted)
    for missing in wanted:
        assert not carries(order(22, *(set(wanted) - {missing})), wanted)


def test_the_projects_port_alone_is_no_part_of_a_lease() -> None:
    wanted = mark("p", LEASE)
    assert not carries_part(order(22, wanted[0]), wanted)
    assert carries_part(order(22, wanted[1]), wanted)
    assert carries_part(order(wanted[2]), wanted)


def test_an_image_is_the_same_with_and_without_the_name_of_docker_hub() -> None:
    assert same_image("docker.io/vllm/vllm-openai:v1", "vllm/vllm-openai:v1")
    assert same_image("docker.io/library/alpine", "alpine")
    assert not same_image("vllm/vllm-openai:v1", "vllm/vllm-openai:v2")
