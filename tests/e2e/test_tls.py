"""TLS that ends on the host: pinned, proven, and the only way in from outside."""

from __future__ import annotations

import shutil
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from support.market import Market
from support.outside import public_name_answers
from support.rental import MakeRental

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("openssl"), reason="hosts here have no openssl"),
]
CHAT = {"model": "mistral-medium-3.5", "messages": [{"role": "user", "content": "Hello."}]}


def test_tls_ends_on_the_host_and_the_relay_leads_nowhere(
    make_rental: MakeRental, market: Market, tmp_path: Path
) -> None:
    rental = make_rental(exposure="public", tls="host")
    first = rental.up()
    assert first.code == 0, first.text
    known = rental.outputs()
    assert known["endpoint"].startswith("https://")
    trusted = tmp_path / "endpoint.pem"
    trusted.write_text(known["endpointCertificate"], encoding="ascii")
    key = {"Authorization": f"Bearer {known['endpointKey']}"}
    url = f"{known['endpoint']}/v1/chat/completions"
    answer = requests.post(url, json=CHAT, headers=key, verify=str(trusted), timeout=60)
    assert answer.status_code == 200, answer.text
    assert requests.post(url, json=CHAT, verify=str(trusted), timeout=60).status_code == 401
    for route in ("/invocations", "/tokenize", "/metrics", "/docs"):
        shut = requests.post(
            f"{known['endpoint']}{route}", json=CHAT, verify=str(trusted), timeout=60
        )
        assert shut.status_code in (401, 404), f"{route} is open"
    with pytest.raises(requests.exceptions.SSLError):
        requests.post(url, json=CHAT, headers=key, timeout=60)

    door = urlsplit(url)
    shown = ssl.get_server_certificate((str(door.hostname), int(door.port or 0)))
    assert shown.split() == known["endpointCertificate"].split()
    assert not public_name_answers(market), "the only way in is the one whose TLS ends here"

    again = rental.up()
    assert set(again.changes) == {"same"}, again.text
    market.admin("POST", f"/hosts/{rental.order_id()}/restart")
    rental.wait_until_engine_is("running")
    answer = requests.post(url, json=CHAT, headers=key, verify=str(trusted), timeout=60)
    assert answer.status_code == 200, "the same certificate after a restart of the container"
    assert rental.destroy().code == 0
