"""`import`: place the records of a file, through the same upsert as everybody's."""

import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated

import typer

from api.bootstrap import build_ledger
from domain.receipt import Caller
from projections import imports
from projections.migrations import migrate
from scripts.bulk_import.importing import Import, Summary
from scripts.bulk_import.mapping import read_mapping
from scripts.bulk_import.rows import BadRow, Row, read_csv, read_ndjson
from scripts.bulk_import.worker_process import Job
from scripts.progress import Shown
from scripts.verbs.connection import FINDINGS, database_url, operator

Format = StrEnum("Format", ["csv", "ndjson"])


def import_file(
    file: Annotated[str, typer.Argument(metavar="FILE", help="CSV or NDJSON; - is standard input.")],
    organization: Annotated[str, typer.Option(metavar="ID", help="Whose records these are.")],
    mapping: Annotated[Path | None, typer.Option(metavar="FILE", help="JSON: column → field.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide and count, write nothing.")] = False,
    workers: Annotated[int, typer.Option(min=1, max=32, help="Processes that place records.")] = 2,
    rejects: Annotated[Path | None, typer.Option(metavar="FILE", help="Where rows that were rejected go.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Begin anew, however far it came before.")] = False,
    file_format: Annotated[Format | None, typer.Option("--format", help="Told by the name otherwise.")] = None,
    encoding: Annotated[str, typer.Option(help="Of a CSV file.")] = "utf-8-sig",
    delimiter: Annotated[str | None, typer.Option(help="Of a CSV file; the header tells otherwise.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Place the records of a file in lists, in the order of the file for each person.

    The same command again goes on where it stopped. Rejected rows are written to FILE.rejects.ndjson with their line
    and the rule. A dry run decides each list as if the ones before had not been placed.
    """
    _check(encoding, delimiter)
    path = rejects or Path("stdin.rejects.ndjson" if file == "-" else f"{file}.rejects.ndjson")
    if path.resolve() == Path(file).resolve():
        raise typer.BadParameter("it is the file to import", param_hint="--rejects")
    columns = read_mapping(mapping)
    kind = file_format or _format(file)
    with database_url() as url:
        migrate(url)
        with build_ledger(url) as ledger, _opened(file) as (source, total):
            ledger.organization(organization)  # UnknownOrganization now rather than later
            digest = None if file == "-" else _digest(Path(file), mapping)
            name = "stdin" if digest is None else digest.hex()[:12]
            caller = Caller(organization, operator(organization).actor, f"import_{name}", source="bulk_import")
            after = 0
            if digest is not None and not again and not dry_run:
                with ledger.recorder.reading(organization) as cursor:
                    after = imports.landed(cursor, organization, digest)
            rows: Iterator[Row | BadRow]
            if kind == "csv":
                rows = read_csv(source, columns, encoding=encoding, delimiter=delimiter)
            else:
                rows = read_ndjson(source, columns)
            job = Job(url, caller, workers=1 if dry_run else workers, dry_run=dry_run, digest=digest)
            with Shown("rows") as shown:
                label = "dry run" if dry_run else "import"
                with Import(ledger, job, path, lambda done: shown(label, done, total)) as running:
                    summary = running.run(rows, after)
    _tell(summary, path, dry_run=dry_run, as_json=as_json)
    if summary.rejected:
        raise typer.Exit(FINDINGS)


def _check(encoding: str, delimiter: str | None) -> None:
    try:
        "".encode(encoding)
    except LookupError:
        raise typer.BadParameter("no such encoding", param_hint="--encoding") from None
    if delimiter is not None and len(delimiter) != 1:
        raise typer.BadParameter("a delimiter is one character", param_hint="--delimiter")


def _format(file: str) -> str:
    if file == "-":
        raise typer.BadParameter("say --format csv or --format ndjson for standard input", param_hint="--format")
    return "ndjson" if file.endswith((".ndjson", ".jsonl", ".json")) else "csv"


@contextmanager
def _opened(file: str) -> Iterator[tuple[IO[bytes], int]]:
    """Yield the file and the number of its lines, 0 where that is not known."""
    if file == "-":
        yield sys.stdin.buffer, 0
        return
    total = _lines(Path(file))
    with Path(file).open("rb") as source:
        yield source, total


def _lines(file: Path) -> int:
    try:
        with file.open("rb") as counted:
            return sum(block.count(b"\n") for block in iter(lambda: counted.read(1 << 20), b""))
    except OSError as error:
        raise typer.BadParameter(str(error.strerror), param_hint="FILE") from None


def _digest(file: Path, mapping: Path | None) -> bytes:
    """Return what names the file and its mapping: other columns are another import."""
    with file.open("rb") as source:
        digest = hashlib.file_digest(source, "sha256")
    if mapping is not None:
        digest.update(hashlib.sha256(mapping.read_bytes()).digest())
    return digest.digest()


def _tell(summary: Summary, rejects: Path, *, dry_run: bool, as_json: bool) -> None:
    told = summary.to_json()
    if as_json:
        print(json.dumps({**told, "dry_run": dry_run, "rejects": str(rejects) if summary.rejected else None}))
        return
    if summary.resumed_after_line:
        print(f"Went on behind line {summary.resumed_after_line:,}.")
    print(
        f"{'Would place' if dry_run else 'Placed'} {told['placed']:,} of {summary.rows:,} rows"
        f" in {summary.seconds:.1f} s: {summary.created:,} created, {sum(summary.matched.values()):,} matched"
        f" ({summary.unchanged:,} of them unchanged)."
    )
    for heading, counted in (
        ("matched by", summary.matched),
        ("dropped", summary.dropped),
        ("rejected", summary.rejected),
    ):
        for name, count in counted.most_common():
            print(f"  {heading} {name}: {count:,}")
    if summary.rejected:
        print(f"Rejected rows, with the rule: {rejects}")
