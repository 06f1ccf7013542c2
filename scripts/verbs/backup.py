"""`backup` and `restore`: a dump that was restored on trial, and a ledger that says what it lost."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from api.settings import read_settings
from scripts.backup.make import NotWhole, back_up
from scripts.backup.restore import Restored, public_key, try_out
from scripts.backup.restore import restore as restore_into
from scripts.data_folder import data_folder
from scripts.signing_key import PUBLIC, SECRET, checkpoint_folder, verifier_key
from scripts.verbs.connection import FINDINGS, database_url, fail, show
from scripts.verbs.rebuild import DIFFERS, WHAT_TO_DO

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of the backup.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def backup(
    folder: Folder,
    unverified: Annotated[bool, typer.Option("--unverified", help="Do not restore it on trial.")] = False,
    as_json: AsJson = False,
) -> None:
    """Back the ledger up into a new folder while it is served, and restore it on trial.

    It holds everything about every patient, readable: keep it like the ledger itself. The signing key is not in it.
    """
    directory = data_folder(read_settings())
    with database_url() as url:
        try:
            manifest = back_up(
                url, folder.absolute(), verifier_key(directory), checkpoint_folder(directory), verified=not unverified
            )
        except NotWhole as error:
            fail(error)
            raise typer.Exit(FINDINGS) from None
    told = {
        name: value for name, value in asdict(manifest).items() if name not in ("fingerprints", "migrations", "roles")
    }
    show({"folder": str(folder), **told}, as_json)


def restore(
    folder: Folder,
    check: Annotated[bool, typer.Option("--check", help="Only try it out, in a scratch database.")] = False,
    as_json: AsJson = False,
) -> None:
    """Restore a backup into an empty ledger, verify it, and say what is missing since.

    Checkpoints that were kept outside of the database (DIR/checkpoints) tell whether entries were lost.
    """
    directory = data_folder(read_settings())
    with database_url() as url:
        if check:
            restored = try_out(url, folder)
        else:
            kept = checkpoint_folder(directory)
            restored = restore_into(url, folder, verifier_key(directory), kept)
            if not kept.sizes():
                print(
                    f"Nothing here can show whether the ledger went back in time: {directory} holds no checkpoints."
                    f" Put checkpoints (with {SECRET} and {PUBLIC}) into {directory} before you restore; with them"
                    " there now, ./scripts/ledger verify says what restore would have said.",
                    file=sys.stderr,
                )
            if public_key(folder) is not None and not (directory / SECRET).exists():
                print(
                    f"Put the ledger's signing key back at {directory / SECRET} before it is served.", file=sys.stderr
                )
    _tell(restored, as_json)
    if not restored.passed:
        raise typer.Exit(FINDINGS)


def _tell(restored: Restored, as_json: bool) -> None:
    verdict, manifest = restored.verdict, restored.manifest
    told: dict[str, Any] = {
        "passed": restored.passed,
        "position": verdict.position,
        "recorded_at": manifest.recorded_at,
        "backed_up_at": manifest.made_at,
    }
    if as_json:
        show(
            {**told, "differing": restored.differing, "findings": [asdict(each) for each in verdict.findings]}, as_json
        )
        return
    for table in restored.differing:
        print(f"{table}: the rows are not those that were backed up")
    for each in verdict.findings:
        print(f"position {each.position}: {each.what}: {each.detail}")
    if any(each.what == DIFFERS for each in verdict.findings):
        print(WHAT_TO_DO)
    show(told, as_json)
