"""How is a backup made? One dump of one snapshot while upserts go on, restored into a scratch database, then named.

A folder that has the name of a backup holds a whole one: until then it is called `NAME.partial`.
"""

import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from domain.errors import LedgerError
from domain.signed_note import VerifierKey
from projections.checkpoint_folder import CheckpointFolder
from scripts.backup import manifest as manifests
from scripts.backup import programs, whole
from scripts.backup.manifest import Manifest
from scripts.backup.restore import Restored, try_out

DATA_LEFT_OUT = [f"--exclude-table-data=public.{table}" for table in whole.LEFT_OUT]
STANDBY_LEFT_OUT = ["--exclude-table=ledger_building.*", "--exclude-table=ledger_previous.*"]


class FolderTaken(LedgerError):
    """There is something at this place already; a backup is never written over another."""


class NothingToBackUp(LedgerError):
    """There is no ledger in this database."""


class NotWhole(LedgerError):
    """The backup was restored on trial and is not what it should be; it is left as NAME.partial."""

    def __init__(self, restored: Restored) -> None:
        super().__init__(tables=restored.differing, findings=[each.what for each in restored.verdict.findings])
        self.restored = restored


def back_up(
    url: str, folder: Path, key: VerifierKey | None, checkpoints: CheckpointFolder, *, verified: bool = True
) -> Manifest:
    """Back the ledger up into `folder`, which is made (mode 0700); return what the backup says of itself.

    url: the owner's. NothingToBackUp, FolderTaken, NoScratchDatabase, ProgramFailed, NotWhole.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    if folder.exists():
        raise FolderTaken(folder=str(folder))
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(mode=0o700, parents=True)
    dump = partial / manifests.DUMP
    manifest = _dump(url, dump).with_dump(dump)
    _keep_checkpoints(partial, manifest.position, key, checkpoints)
    manifest.write(partial)
    if verified:
        restored = try_out(url, partial)
        if not restored.passed:
            raise NotWhole(restored)
        manifest = replace(manifest, verified_at=_now())
        manifest.write(partial)
    partial.rename(folder)
    _sync(folder.parent)
    return manifest


def _dump(url: str, dump: Path) -> Manifest:
    """Dump what one snapshot shows, and describe that."""
    with psycopg.connect(url, autocommit=True) as owner, owner.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if cursor.execute("SELECT to_regclass('public.ledger_head')").fetchone() == (None,):
            raise NothingToBackUp
        head = cursor.execute("SELECT position, recorded_at FROM ledger_head").fetchone()
        snapshot = cursor.execute("SELECT pg_export_snapshot()").fetchone()
        assert head is not None
        assert snapshot is not None
        migrations: dict[str, str] = dict(cursor.execute("SELECT name, checksum FROM migrations").fetchall())
        descriptor = os.open(dump, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.close(descriptor)
        programs.run(
            "pg_dump",
            url,
            f"--snapshot={snapshot[0]}",
            "--format=custom",
            "--compress=gzip:4",
            "--no-owner",
            *DATA_LEFT_OUT,
            *STANDBY_LEFT_OUT,
            f"--file={dump}",
        )
        return Manifest(
            made_at=_now(),
            position=head[0],
            recorded_at=head[1].isoformat(),
            server_version=str(owner.info.server_version),
            migrations=migrations,
            roles=whole.roles(cursor),
            fingerprints=whole.fingerprints(cursor),
        )


def _keep_checkpoints(folder: Path, position: int, key: VerifierKey | None, kept: CheckpointFolder) -> None:
    """Copy what was signed up to there, and the public key that it is checked by."""
    if key is None:
        return
    (folder / manifests.PUBLIC_KEY).write_text(f"{key}\n", encoding="utf-8")
    copies = CheckpointFolder(folder / manifests.CHECKPOINTS)
    for size in kept.sizes():
        if size <= position:
            copies.keep(size, kept.read(size))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _sync(folder: Path) -> None:
    """Put the folder's names on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
