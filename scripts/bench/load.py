"""How long do requests take under load? A client that costs little: raw sockets, keep-alive, bodies made beforehand."""

import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Measured:
    """What a round took: seconds in all, ms of each request, answers by status, processor time by part."""

    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    cpu_us: dict[str, float] = field(default_factory=dict)

    @property
    def per_s(self) -> float:
        """Return requests answered per second."""
        return len(self.latencies_ms) / self.seconds

    def percentile_ms(self, share: float) -> float:
        """Return the latency that this share of the requests stayed below."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Client:
    """One keep-alive connection, one request at a time."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent_at = 0.0
        self.received = b""

    def send(self, request: bytes) -> None:
        """Send a request whose answer has yet to be taken."""
        self.received = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def take(self) -> int | None:
        """Return the status of a complete answer, `None` while more is to come."""
        self.received += self.socket.recv(1 << 16)
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return None
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        return int(head[9:12]) if len(body) >= length else None


def request(path: str, api_key: str, body: bytes) -> bytes:
    """Return the bytes of a POST."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {api_key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def drive(port: int, requests: Sequence[bytes], clients: int) -> Measured:
    """Send the requests over `clients` keep-alive connections, each one request at a time."""
    measured = Measured()
    waiting = iter(requests)
    with selectors.DefaultSelector() as selector:
        for _ in range(clients):
            client = Client(port)
            selector.register(client.socket, selectors.EVENT_READ, client)
        started = time.perf_counter()
        busy = 0
        for key in list(selector.get_map().values()):
            first = next(waiting, None)
            if first is not None:
                key.data.send(first)
                busy += 1
        while busy:
            for key, _ in selector.select():
                client = key.data
                status = client.take()
                if status is None:
                    continue
                measured.latencies_ms.append((time.perf_counter() - client.sent_at) * 1000)
                measured.statuses[status] = measured.statuses.get(status, 0) + 1
                following = next(waiting, None)
                if following is None:
                    busy -= 1
                else:
                    client.send(following)
        measured.seconds = time.perf_counter() - started
        for key in list(selector.get_map().values()):
            key.data.socket.close()
    return measured
