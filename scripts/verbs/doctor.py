"""`doctor`: is everything as the ledger needs it, and if not, what is to be done?"""

import json
import shutil
from datetime import UTC, datetime
from typing import Annotated

import psycopg
import typer

from api.settings import Settings, read_settings
from projections.diagnosis import Finding, diagnose
from scripts.data_folder import data_folder
from scripts.verbs.connection import FINDINGS, UNAVAILABLE, database_url

LEAST_FREE = 1 << 30
"""Bytes that should be free where the data lies."""


def doctor(
    quick: Annotated[bool, typer.Option("--quick", help="Leave out what reads all events and rows.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check connection, roles, migrations, tenants, clock, disk and invariants; say what to do. Changes nothing."""
    settings = read_settings()
    findings = [_disk(settings)]
    code = 0
    with database_url(settings) as url:
        try:
            with psycopg.connect(url, autocommit=True, connect_timeout=5) as owner, owner.cursor() as cursor:
                findings += diagnose(cursor, lambda: datetime.now(UTC), thorough=not quick)
        except psycopg.OperationalError as error:
            code = UNAVAILABLE
            advice = "Start the database, or correct LEDGER_DATABASE_URL."
            findings.append(Finding("connection", fine=False, detail=type(error).__name__, advice=advice))
    if as_json:
        print(json.dumps({"findings": [each._asdict() for each in findings]}))
    else:
        for each in findings:
            print(f"{'fine ' if each.fine else 'WRONG'} {each.check}: {each.detail}")
            if not each.fine:
                print(f"      {each.advice}")
    if code or not all(each.fine for each in findings):
        raise typer.Exit(code or FINDINGS)


def _disk(settings: Settings) -> Finding:
    """Look at the disk of the data folder; that of a database elsewhere is out of sight."""
    folder = data_folder(settings)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    where = (
        "here; the database's disk is its own affair" if settings.database_url is not None else "where the data lies"
    )
    advice = "Make room: on a full disk upserts are refused."
    return Finding("disk", free >= LEAST_FREE, f"{free // 2**30:,} GB free {where}", advice)
