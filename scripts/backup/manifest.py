"""What does a backup say of itself? `manifest.json` beside the dump: nothing of a patient, all to check it by."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self

from domain.errors import LedgerError

FORM = 1
FILE = "manifest.json"
DUMP = "ledger.dump"
CHECKPOINTS = "checkpoints"
PUBLIC_KEY = "verifier-key"

CHUNK = 1 << 20


class NoBackup(LedgerError):
    """There is no backup in this folder."""


class NewerBackup(LedgerError):
    """This backup was made by a newer version of the program; run that version."""


class DamagedBackup(LedgerError):
    """The dump is not the file that the backup's manifest describes."""


@dataclass(frozen=True)
class Manifest:
    """What was backed up. `position` and `recorded_at`: of the head. `fingerprints`: table → of its rows.

    `migrations`: name → checksum. `verified_at` is `None` until the dump was restored and found whole.
    """

    made_at: str
    position: int
    recorded_at: str
    server_version: str
    migrations: dict[str, str]
    roles: list[str]
    fingerprints: dict[str, str]
    dump_bytes: int = 0
    dump_sha256: str = ""
    verified_at: str | None = None
    form: int = field(default=FORM)

    def with_dump(self, dump: Path) -> Self:
        """Return it with the size and hash of the dump."""
        return replace(self, dump_bytes=dump.stat().st_size, dump_sha256=digest(dump))

    def write(self, folder: Path) -> None:
        """Write it into the folder of the backup, complete or not at all."""
        draft = folder / f".{FILE}"
        with draft.open("w", encoding="utf-8") as file:
            json.dump(asdict(self), file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / FILE)


def read(folder: Path) -> Manifest:
    """Return what the backup in this folder says of itself. NoBackup, NewerBackup, DamagedBackup."""
    try:
        told = json.loads((folder / FILE).read_text("utf-8"))
    except FileNotFoundError:
        raise NoBackup(folder=str(folder)) from None
    except ValueError:
        raise DamagedBackup(file=FILE) from None
    if not isinstance(told, dict) or not isinstance(told.get("form"), int):
        raise DamagedBackup(file=FILE)
    if told["form"] > FORM:
        raise NewerBackup
    return Manifest(**told)


def check_dump(folder: Path, manifest: Manifest) -> Path:
    """Return the dump. DamagedBackup when it is not the one of the manifest."""
    dump = folder / DUMP
    if not dump.exists() or dump.stat().st_size != manifest.dump_bytes or digest(dump) != manifest.dump_sha256:
        raise DamagedBackup(file=DUMP)
    return dump


def digest(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            hashed.update(chunk)
    return hashed.hexdigest()
