"""`verify`, `export` and `erase`: is the ledger what it was, what can be proven of a patient, and what has to go."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from api.settings import read_settings
from domain import erasure
from domain.errors import LedgerError, LedgerUnavailable
from domain.ledger import Ledger
from domain.signed_note import VerifierKey
from projections import patients, proven
from projections.inline import PROJECTIONS
from projections.mentions import Mention, mentions
from projections.migrations import migrate
from projections.rebuild import RebuildRunning, alone, rebuild
from projections.rollback import drop_previous
from projections.statements import statements
from projections.verdict import Verdict
from projections.verify import verify as check
from scripts.data_folder import data_folder
from scripts.signing_key import checkpoint_folder, verifier_key
from scripts.verbs.connection import FINDINGS, USAGE, database_url, operator, show
from scripts.verbs.rebuild import DIFFERS, WHAT_TO_DO
from scripts.verbs.streams import ledger_of

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
PatientId = Annotated[str, typer.Argument(metavar="PATIENT", help="The patient's id.")]


class NoVerifierKey(LedgerError):
    """Checkpoints were signed, and the key to check them by is not there; put `verifier-key` back into the folder."""


def verify(
    since: Annotated[int, typer.Option(min=0, metavar="CHECKPOINT", help="Trust this checkpoint (its size).")] = 0,
    all_heads: Annotated[
        bool, typer.Option("--all-heads", help="Work out the stream heads of every checkpoint again, not of the last.")
    ] = False,
    read_model: Annotated[bool, typer.Option(help="Compare the read model with the fold of every stream.")] = True,
    as_json: AsJson = False,
) -> None:
    """Hash everything again, against chains, head, checkpoints and read model; name the first bad position."""
    directory = data_folder(read_settings())
    with database_url() as url:
        migrate(url)
        started = time.monotonic()
        with _bar() as (progress, task):
            verdict = check(
                url,
                _key(url, directory) if since else verifier_key(directory),
                checkpoint_folder(directory),
                since=since,
                all_heads=all_heads,
                progress=lambda done, total: progress.update(task, completed=done, total=total),
            )
        seconds = time.monotonic() - started
        busy = None
        if read_model and verdict.passed:
            try:
                _compare_read_model(url, verdict)
            except RebuildRunning as error:  # what was found of the log is told and noted all the same
                busy, read_model = error, False
        _note(url, verdict, since=since, all_heads=all_heads, read_model=read_model)
    told = {**verdict.to_json(), "seconds": round(seconds, 3), "events_per_s": round(verdict.events / seconds)}
    if as_json:
        print(json.dumps(told))
    else:
        _tell(verdict, seconds)
    if busy is not None:
        raise busy
    if not verdict.passed:
        raise typer.Exit(FINDINGS)


def _key(url: str, directory: Path) -> VerifierKey | None:
    """Return the key that checks what was signed, `None` where nothing was. NoVerifierKey."""
    key = verifier_key(directory)
    if key is None:
        with psycopg.connect(url) as connection:
            if connection.execute(statements("proofs")["last_checkpoint"]).fetchone() is not None:
                raise NoVerifierKey(folder=str(directory))
    return key


def _compare_read_model(url: str, verdict: Verdict) -> None:
    report = rebuild(url, tuple(PROJECTIONS), check=True)
    for difference in report.differences:
        streams = ", ".join(sorted({str(example) for example in difference.examples})) or "see rebuild --check"
        counts = f"{difference.added} missing, {difference.removed} too many, {difference.changed} changed"
        verdict.find(DIFFERS, report.position, f"{difference.table}: {counts} ({streams})")


def _note(url: str, verdict: Verdict, *, since: int, all_heads: bool, read_model: bool) -> None:
    """Leave the result where the History and `status` find it, beside failures that this run does not cover."""
    result = "passed" if verdict.passed else verdict.findings[0].what
    words = ["ledger" if read_model else "log", *["all heads"] * all_heads, *[f"since {since}"] * (since > 0)]
    extent = {"subject": ", ".join(words), "since": since, "all_heads": all_heads, "read_model": read_model}
    row = {"kind": "verify", "position": verdict.position, "passed": verdict.passed, "result": result}
    with psycopg.connect(url) as connection:
        connection.execute(statements("build")["forget_checks"], extent)
        connection.execute(statements("build")["note_check"], {**row, "subject": extent["subject"]})


def _tell(verdict: Verdict, seconds: float) -> None:
    for each in verdict.findings:
        stream = f" in stream {each.stream}" if each.stream else ""
        print(f"position {each.position}: {each.what}{stream}: {each.detail}")
    if any(each.what == DIFFERS for each in verdict.findings):
        print(WHAT_TO_DO)
    rate = f"{verdict.events} events in {seconds:.1f} s, {verdict.erased} of them erased"
    signed = f"{verdict.checkpoints} checkpoints agree, the last over {verdict.last_checkpoint}"
    heads = f"stream heads of {verdict.stream_heads} of them worked out again"
    print(f"{'Passed' if verdict.passed else 'FAILED'}: head {verdict.position}; {rate}; {signed}; {heads}.")


class _bar:  # noqa: N801 - used as a function
    """A progress bar on a terminal, nothing elsewhere."""

    def __enter__(self) -> tuple[Progress, TaskID]:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())
        self._progress.start()
        return self._progress, self._progress.add_task("verify", total=None)

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def export(
    patient: PatientId,
    proof: Annotated[Path, typer.Option("--proof", metavar="FILE", help="Where to write the document.")],
    since: Annotated[
        list[int] | None,
        typer.Option(metavar="SIZE", help="Prove the growth since this checkpoint, too; again for more."),
    ] = None,
    kept: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="The same since a checkpoint that somebody kept; again for more.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write all events of a patient with their proofs, to be checked offline by scripts/verify_export.py.

    It proves that the ledger begins as it was at the first checkpoint, or at those named by --since and --kept.
    """
    directory = data_folder(read_settings())
    with ledger_of(patient) as (_, organization_id, stream_id), database_url() as url:
        key = _key(url, directory)
        if key is None:
            raise proven.NotYetSigned
        document = proven.export(
            url,
            key,
            organization_id,
            stream_id,
            since=since or (),
            kept=[file.read_text("utf-8", "replace") for file in kept or ()],
        )
    with os.fdopen(os.open(proof, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)  # it holds all that is known of the patient
    show(
        {
            "file": str(proof),
            "events": len(document["events"]),
            "verifier_key": str(key),
            "earlier": len(document["earlier"]),
        },
        as_json,
    )


def erase(
    patient: PatientId,
    order: Annotated[str, typer.Option(help="Who ordered it, and under which number.")] = "",
    check: Annotated[
        bool, typer.Option("--check", help="Erase nothing; name where other patients' streams tell of this one.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase what is known of a patient, by order. It cannot be undone; the proofs of everything else stay valid.

    What other patients' streams tell of this one stays, and is named: with exit code 1, for somebody to decide. Tables
    that a rebuild keeps for going back to tell of it too, and are dropped.
    """
    if not check and not order:
        raise typer.BadParameter("an erasure names its order", param_hint="--order")
    with ledger_of(patient) as (opened, organization_id, stream_id):
        with opened.recorder.reading(organization_id) as cursor:  # also of a stream with an entry that nobody can read
            held = patients.get(cursor, organization_id, stream_id)
        before = held or opened.patient_as_of(organization_id, stream_id)
        if check:
            if before.merged_into is not None:
                raise erasure.MergedPatient(survivor=before.merged_into)
            told, left = {}, mentions(opened, before)
        else:
            if not yes:
                _confirm(stream_id)
            left = mentions(opened, before)  # what fails here has erased nothing
            with database_url() as url, alone(url) as connection:  # so that no rebuild keeps what is to go
                dropped = drop_previous(connection, list(PROJECTIONS))
                erased = erasure.erase(opened, stream_id, order, operator(organization_id))
            told = {"streams": list(erased.streams), "events": erased.events, "order": order, "dropped": dropped}
            left = _as_it_was_erased(opened, erased, left)
        show({**told, "told_elsewhere": [each._asdict() for each in left]}, as_json)
    if left:
        raise typer.Exit(FINDINGS)


def _as_it_was_erased(opened: Ledger, erased: erasure.Erased, found: list[Mention]) -> list[Mention]:
    """Return what others tell of the patient as it was at the last moment, when another one may have become part of it.

    Where that cannot be asked any more, what was found before; the erasure is done, and is to be told.
    """
    try:
        return mentions(opened, erased.before)
    except LedgerUnavailable:
        print("Erased. Others may have told of it meanwhile: say erase PATIENT --check as well.", file=sys.stderr)
        return found


def _confirm(stream_id: str) -> None:
    if not sys.stdin.isatty():
        print("Say --yes to erase without being asked.", file=sys.stderr)
        raise typer.Exit(USAGE)
    if not typer.confirm(f"Erase everything that is known of patient {stream_id}?"):
        print("Nothing was erased.", file=sys.stderr)
        raise typer.Exit(USAGE)
