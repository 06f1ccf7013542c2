"""A ledger of some twenty entries that was signed twice, and what somebody with every right may do to it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg

from domain.signed_note import SigningKey
from projections.checkpoint_folder import CheckpointFolder
from projections.follow import Following
from projections.sign import Signer
from projections.tracking import FollowerRecorder
from projections.verdict import Verdict
from projections.verify import verify
from tests.clinic import Clinic

KEY = SigningKey("patient-ledger-test", bytes(range(32)))
ANN = {"first_name": "Ann", "last_name": "Lee", "date_of_birth": "1980-03-01", "phone_number": "+12125550142"}


class Signed:
    """A clinic's ledger with a signer whose clock is ours."""

    def __init__(self, clinic: Clinic, folder: CheckpointFolder) -> None:
        self.clinic, self.folder = clinic, folder
        self.now = datetime(2026, 11, 23, 12, tzinfo=UTC)
        self.signer = Signer(KEY, folder, lambda: self.now)

    def sign(self) -> None:
        """Follow to the end, a minute after the last time, and copy the checkpoint."""
        self.now += timedelta(seconds=61)
        recorder = FollowerRecorder(self.clinic.url)
        with recorder.connect("checkpoints") as connection:
            following = Following(self.signer, recorder, connection, "test")
            assert following.become_active()
            while following.step():
                pass
            following._next_beat = 0.0
            following.step()

    def verify(self, since: int = 0, *, all_heads: bool = False) -> Verdict:
        verdict = verify(self.clinic.url, KEY.verifier, self.folder, since=since, all_heads=all_heads)
        for named in (each.stream for each in verdict.findings if each.stream is not None):
            assert len([UUID(part) for part in named.split("/")]) == 2
        return verdict

    def replace_checkpoint(self, size: int, note: str) -> None:
        """Put another note in place of both copies of a checkpoint."""
        self.folder._path(size).write_text(note, "utf-8")
        with psycopg.connect(self.clinic.url, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute("UPDATE checkpoints SET note = %s WHERE size = %s", (note, size))

    def tamper(self, *statements: str) -> None:
        """Do as the server's superuser: no trigger fires, no grant is asked for."""
        with psycopg.connect(self.clinic.url, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            for statement in statements:
                connection.execute(statement.encode())


def signed_twice(clinic: Clinic, folder: CheckpointFolder) -> Signed:
    """Return the ledger of four patients, signed once they are there and again when each has an email address."""
    ledger = Signed(clinic, folder)
    for number in range(4):
        clinic.send(**{**ANN, "last_name": f"Lee{number}", "phone_number": f"+1212555010{number}"})
    ledger.sign()
    for number in range(4):
        body = {**ANN, "last_name": f"Lee{number}", "phone_number": f"+1212555010{number}"}
        clinic.send(**body, email=f"ann{number}@example.com")
    ledger.sign()
    return ledger


def found(verdict: Verdict) -> tuple[str, int]:
    """Return what the first finding says happened, and where."""
    first = verdict.findings[0]
    return first.what, first.position
