"""The service as it runs: granian with its worker processes on a port of its own."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from api.settings import Settings
from scripts.workers import Workers, base_url


@contextmanager
def serving(database_url: str, **settings: Any) -> Iterator[str]:
    """Yield the URL of a service on this database, with two workers unless `settings` say otherwise."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    chosen = Settings.model_validate({"workers": 2, **settings, "port": port, "database_url": database_url})
    with Workers(chosen, database_url):
        yield base_url(chosen)
