"""Behind a trusted proxy a request comes from where the proxy says; nobody else can say where it comes from."""

import falcon
import pytest
from falcon.testing import TestClient

from api.proxies import Proxies


class Where:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.text = req.remote_addr


def seen_from(peer: str, forwarded: str | None) -> str:
    app = falcon.App(middleware=[Proxies("127.0.0.1, ::1,10.0.0.5")])
    app.add_route("/", Where())
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return TestClient(app).simulate_get("/", remote_addr=peer, headers=headers).text


@pytest.mark.parametrize(
    ("peer", "forwarded", "seen"),
    [
        ("127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.7", "203.0.113.7"),  # the client wrote the left one itself
        ("10.0.0.5", "203.0.113.7, 127.0.0.1", "203.0.113.7"),  # two proxies of ours
        ("::1", "2001:db8::7", "2001:db8::7"),
        ("127.0.0.1", None, "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.7,", "127.0.0.1"),
        ("127.0.0.1", "Ann Garcia", "127.0.0.1"),
        ("198.51.100.9", "203.0.113.7", "198.51.100.9"),
        ("198.51.100.9", "127.0.0.1", "198.51.100.9"),
    ],
)
def test_a_request_comes_from_the_last_address_that_is_believed(peer: str, forwarded: str | None, seen: str):
    assert seen_from(peer, forwarded) == seen
