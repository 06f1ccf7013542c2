"""`follow`: keep what is not written with every upsert up to date, such as the signed checkpoints."""

import signal
import threading
from datetime import UTC, datetime

from api import logs
from api.settings import read_settings
from projections.follow import run_all
from projections.migrations import migrate
from projections.sign import Signer
from scripts.data_folder import data_folder
from scripts.signing_key import checkpoint_folder, signing_key
from scripts.verbs.connection import database_url


def follow() -> None:
    """Follow the ledger until a signal: grow the Merkle tree and sign checkpoints. `serve` does this by itself."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    settings = read_settings()
    logs.set_up(settings.log_level)
    directory = data_folder(settings)
    signer = Signer(signing_key(directory), checkpoint_folder(directory), lambda: datetime.now(UTC))
    with database_url(settings) as url:
        migrate(url)
        run_all([signer], url, stop)
