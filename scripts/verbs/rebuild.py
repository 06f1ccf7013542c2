"""`rebuild`: make a projection anew beside the live one, while upserts go on, and put it in place."""

import gc
import json
import os
import sys
from typing import Annotated

import typer

from projections import rebuild as rebuilding
from projections import rollback as previous
from projections.crew import GARBAGE_THRESHOLD
from projections.gaps import EntriesSkipped
from projections.inline import PROJECTIONS
from projections.migrations import migrate
from projections.rebuild import Report
from scripts.progress import Shown
from scripts.verbs.connection import FINDINGS, database_url, fail, show

NAMES = ", ".join(PROJECTIONS)
DIFFERS = "read model differs"
WHAT_TO_DO = (
    "./scripts/ledger rebuild --all --check tells in what the read model differs, --accept makes it anew. After an"
    " upgrade it may be match_keys, and the names that patients are searched by: they are read otherwise."
)
"""Said beside the finding that the read model differs."""


def rebuild(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help=f"Of {NAMES}.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Build, compare, drop: nothing is changed.")] = False,
    accept: Annotated[bool, typer.Option("--accept", help="Put it in place although rows differ.")] = False,
    rollback: Annotated[bool, typer.Option("--rollback", help="Put the tables from before back in place.")] = False,
    drop_previous: Annotated[bool, typer.Option("--drop-previous", help="Drop the tables from before.")] = False,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that build.")] = 1,
    throttle: Annotated[int | None, typer.Option(min=1, metavar="N", help="Events a second at most.")] = None,
    patience: Annotated[float, typer.Option(help="Seconds that long transactions may keep it from flipping.")] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Build projections anew beside the live ones, compare, and put them in place if they are equal.

    Upserts go on meanwhile. Ctrl-C, or worse, at any moment leaves what is live as it is.
    """
    wanted = _names(names or [], every)
    if sum((check, rollback, drop_previous)) > 1 or (accept and (check or rollback or drop_previous)):
        raise typer.BadParameter("choose one of --check, --accept, --rollback and --drop-previous")
    with database_url() as url:
        migrate(url)
        if drop_previous:
            with rebuilding.alone(url) as connection:
                show({"dropped": previous.drop_previous(connection, wanted)}, as_json)
            return
        if rollback:
            _tell(previous.rollback(url, wanted), as_json)
            return
        os.nice(10)  # and no further: for the flip it holds locks that upserts wait for
        gc.set_threshold(GARBAGE_THRESHOLD)
        try:
            with Shown("events") as shown:
                report = rebuilding.rebuild(
                    url,
                    wanted,
                    workers=workers,
                    throttle=throttle,
                    accept=accept,
                    check=check,
                    patience=patience,
                    progress=shown,
                )
        except EntriesSkipped as error:
            fail(error)
            raise typer.Exit(FINDINGS) from None
    _tell(report, as_json)
    if report.parked or not (report.equal or report.flipped):
        raise typer.Exit(FINDINGS)


def _names(names: list[str], every: bool) -> list[str]:
    unknown = sorted(set(names) - set(PROJECTIONS))
    if unknown:
        raise typer.BadParameter(f"no such projection: {', '.join(unknown)}; there are {NAMES}", param_hint="NAME")
    if bool(names) == every:
        raise typer.BadParameter(f"name projections ({NAMES}), or say --all", param_hint="NAME")
    return list(PROJECTIONS) if every else names


def _tell(report: Report, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report.to_json()))
        return
    for difference in report.differences:
        print(
            f"{difference.table}: {difference.added} rows more than live, {difference.removed} fewer,"
            f" {difference.changed} changed"
        )
        for field, count in difference.fields.items():
            print(f"  {field}: {count}")
        for example in difference.examples:
            print(f"  {example['row']}: stream {example['stream_id']} of organization {example['organization_id']}")
    for poison in report.parked:
        print(f"parked: stream {poison.stream_id} at position {poison.position}: {poison.reason}")
    for name, fingerprint in report.rebuilt.items():
        live = report.live[name]
        print(f"{name}: fingerprint {fingerprint}{'' if live == fingerprint else f', live {live}'}")
    print(_outcome(report))
    sys.stdout.flush()


def _outcome(report: Report) -> str:
    names, position = ", ".join(report.projections), report.position
    if report.flipped:
        return f"In place as of position {position}: {names}. The tables from before stay for --rollback."
    if report.equal:
        return f"Equal as of position {position}: {names}."
    names = ", ".join(name for name in report.projections if report.live[name] != report.rebuilt[name])
    return f"Different as of position {position}: {names}. Nothing was changed; --accept puts the new ones in place."
