"""`events`: the log by position, for who looks for a request, for a key, or at what comes. No value of a patient."""

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC
from typing import Annotated, Any

import psycopg
import typer
from psycopg.rows import dict_row

from domain.entry import instant
from projections.migrations import migrate
from projections.statements import statements
from scripts.verbs.connection import database_url

_SQL = statements("log")

MOST = 10**9
"""More entries than are asked for at once."""


def events(
    request_id: Annotated[str | None, typer.Option(help="Only those of this request.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only those of this actor, such as key:ID.")] = None,
    last: Annotated[int, typer.Option(min=0, max=MOST, metavar="N", help="So many, the newest.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with those that come, until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Tell what was appended to the log, where and by whom, in the order of the log; `history` tells what it says."""
    behind = 0
    with database_url() as url, suppress(KeyboardInterrupt):
        migrate(url)
        with psycopg.connect(url, autocommit=True, row_factory=dict_row) as owner:
            while True:
                head = owner.execute(_SQL["head"]).fetchone()
                assert head is not None
                asked = {"behind": behind, "last": last, "request_id": request_id, "actor": actor, **head}
                for entry in owner.cursor().stream(_SQL["entries"], asked):
                    print(_line(entry, as_json), flush=True)
                if not follow:
                    return
                behind, last = head["position"], MOST
                time.sleep(1)  # to be told instead, each append would have to NOTIFY


def _line(entry: Mapping[str, Any], as_json: bool) -> str:
    at = instant(entry["recorded_at"].astimezone(UTC))
    if as_json:
        return json.dumps({**entry, "recorded_at": at})
    where = f"{entry['stream_id']} version {entry['version']}"
    return f"{entry['position']}  {at}  {entry['event']}  {where}  {entry['actor']}  {entry['request_id']}"
