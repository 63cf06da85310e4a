"""HTTP: one request, the key in one header, and nothing of it in any error."""

from __future__ import annotations

import json
import pickle
import threading
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from clore_inference.clock import WallClock
from clore_inference.errors import ConfigError, ListingFailed
from clore_inference.market.marketplace import Marketplace
from clore_inference.market.transport import Call, HttpTransport, Raw, Unsent
from clore_inference.secret import Secret

CANARY = "canary-" + "0123456789abcdef" * 2


class Handler(BaseHTTPRequestHandler):
    """Notes what came, answers what it was told."""

    seen: ClassVar[list[tuple[str, str, dict[str, str], bytes]]] = []
    answers: ClassVar[list[tuple[int, str, dict[str, str]]]] = []

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        self.seen.append((self.command, self.path, dict(self.headers.items()), body))
        status, text, headers = self.answers.pop(0) if self.answers else (200, '{"code":0}', {})
        if status == 0:
            self.connection.close()
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = _answer  # noqa: N815 - the names that http.server calls

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Handler.seen.clear()
    Handler.answers.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def transport(url: str) -> HttpTransport:
    return HttpTransport(url, Secret(CANARY), WallClock())


def test_the_key_travels_in_the_auth_header_beside_a_name_of_our_own(url: str) -> None:
    body = {"id": 7}
    answer = transport(url).send(Call("POST", "/cancel_order", body=body))
    assert isinstance(answer, Raw)
    ((method, path, headers, sent),) = Handler.seen
    assert (method, path, json.loads(sent)) == ("POST", "/v1/cancel_order", body)
    assert headers["auth"] == CANARY
    assert "Authorization" not in headers
    assert headers["User-Agent"].startswith("clore-inference/")


def test_the_public_list_is_asked_without_the_key(url: str) -> None:
    transport(url).send(Call("GET", "/marketplace", needs_key=False))
    assert "auth" not in Handler.seen[0][2]


def test_an_error_status_is_an_answer_with_its_body_and_the_markets_clock(url: str) -> None:
    Handler.answers.append((500, '{"code":6}', {}))
    answer = transport(url).send(Call("GET", "/wallets"))
    assert isinstance(answer, Raw)
    assert (answer.status, answer.text) == (500, '{"code":6}')
    assert answer.server_time is not None


def test_a_redirect_is_not_followed(url: str) -> None:
    Handler.answers.append((302, "", {"Location": f"{url}/elsewhere"}))
    answer = transport(url).send(Call("GET", "/wallets"))
    assert isinstance(answer, Raw)
    assert answer.status == 302
    assert len(Handler.seen) == 1


def test_a_post_whose_connection_drops_is_sent_once(url: str) -> None:
    Handler.answers.append((0, "", {}))
    answer = transport(url).send(Call("POST", "/create_order", body={}))
    assert isinstance(answer, Unsent)
    assert len(Handler.seen) == 1


def test_plain_http_is_for_loopback_literals_only() -> None:
    for bad in ("http://api.clore.ai", "http://localhost:1", "ftp://127.0.0.1", "api.clore.ai"):
        with pytest.raises(ConfigError):
            transport(bad)
    transport("http://[::1]:8650")


def test_without_a_key_the_error_says_how_to_give_one(url: str) -> None:
    with pytest.raises(ConfigError, match="CLORE_API_KEY"):
        HttpTransport(url, None, WallClock()).send(Call("GET", "/wallets"))


def test_g9_no_error_carries_the_key_or_a_body(url: str, tmp_path: Path) -> None:
    said: list[str] = []
    market = Marketplace.open(
        api_url=url,
        key=Secret(CANARY),
        clock=WallClock(scale=1000),
        engine_alive=lambda: True,
        say=said.append,
        state_root=tmp_path,
    )
    Handler.answers.extend([(500, f'{{"code":3,"echo":"{CANARY}"}}', {})] * 3)
    with pytest.raises(ListingFailed) as caught:
        market.client.orders()
    text = "".join(traceback.format_exception(caught.value)) + repr(market.client.__dict__)
    assert CANARY not in text
    assert CANARY not in "".join(said)
    assert all(CANARY not in str(path) for path in tmp_path.rglob("*"))
    assert all(CANARY not in path.read_text() for path in tmp_path.rglob("*.json"))
    with pytest.raises((TypeError, AttributeError)):
        pickle.dumps(market)
