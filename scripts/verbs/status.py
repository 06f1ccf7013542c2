"""`status`: how far is each projection, who follows, what is parked, what was last checked?"""

import json
from typing import Annotated, Any

import psycopg
import typer

from projections import parking
from projections.migrations import migrate
from projections.status import Projected, Status, read_status
from scripts.verbs.connection import FINDINGS, database_url


def status(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Tell where the ledger and its projections are; exit with 1 when somebody should look after something."""
    with database_url() as url:
        migrate(url)
        with psycopg.connect(url) as owner, owner.cursor() as cursor:
            found = read_status(cursor)
            parked = parking.parked(cursor)
    if as_json:
        rows = [{**each._asdict(), "parked_at": each.parked_at.isoformat()} for each in parked]
        print(json.dumps({**found.to_json(), "parked": rows}, default=str))
    else:
        _tell(found, parked)
    if found.findings:
        raise typer.Exit(FINDINGS)


def _tell(found: Status, parked: list[parking.Parked]) -> None:
    print(f"ledger: position {found.position:,}, last entry {found.recorded_at:%Y-%m-%d %H:%M:%S} UTC")
    for each in found.projections:
        print(_line(each))
    verify = found.last_verify
    if verify is None:
        print("verify: never run")
    else:
        print(f"verify: {verify.result} at position {verify.position:,}, {_ago(verify.age_seconds)}")
    for stream in parked:
        print(
            f"parked in {stream.projection}: stream {stream.originator_id} of organization {stream.organization_id}"
            f" at position {stream.position:,}: {stream.reason}"
        )
    for finding in found.findings:
        print(f"! {finding}")


def _line(each: Projected) -> str:
    told: list[Any] = [f"{each.name}: {each.state}, position {each.position:,}"]
    if each.state != "inline":
        told.append(f"{each.lag_events:,} events behind ({each.lag_seconds:.1f} s)")
        if each.heartbeat_seconds is not None:
            told.append(f"heartbeat {each.heartbeat_seconds:.1f} s ago from {each.instance}")
    elif each.fingerprint is None:
        told.append("never compared with a rebuild")
    else:
        outcome = "equal to" if each.fingerprint.passed else "DIFFERENT from"
        told.append(f"{outcome} a rebuild {_ago(each.fingerprint.age_seconds)} at {each.fingerprint.position:,}")
    if each.parked:
        told.append(f"{each.parked} streams parked")
    return ", ".join(told)


def _ago(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
