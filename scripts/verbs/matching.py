"""`explain` and `rematch`: why two patients match or do not, and what other rules would have decided."""

import json
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from psycopg.rows import scalar_row
from rich.console import Console
from rich.markup import escape

from api.bootstrap import build_ledger
from domain import explain as explaining
from domain.entry import Entry
from domain.explain import Explanation
from domain.ledger import Ledger
from domain.matching import RULE_VERSION, Rules
from domain.organization import Organization
from domain.rematch import Difference, Rematch
from domain.upsert import rules_of
from projections import wording
from projections.event_store import Recorder
from projections.migrations import migrate
from scripts.verbs.connection import FINDINGS, database_url, show
from scripts.verbs.organizations import AsJson
from scripts.verbs.streams import canonical, ledger_of

One = Annotated[str, typer.Argument(metavar="A", help="A patient's id.")]
Other = Annotated[str, typer.Argument(metavar="B", help="Another patient's id.")]

CHUNK = 5_000
"""So many entries are read at a time."""

SHOWN = 50
"""So many differences are printed; `--json` has them all."""

console = Console(highlight=False, soft_wrap=True)


def explain(one: One, other: Other, as_json: AsJson = False) -> None:
    """Say why two patients match or do not: each is matched as if it were a record that had just come."""
    other = canonical(other, "B")
    with ledger_of(one) as (ledger, organization_id, stream):
        told = [
            explaining.explain(ledger, organization_id, record, patient)
            for record, patient in ((stream, other), (other, stream))
        ]
    if as_json:
        show({"rule_version": told[0].rule_version, "directions": [_as_json(each) for each in told]}, as_json)
        return
    for each in told:
        console.print(f"[bold]What is known of {each.record_id}, sent as a new record[/]")
        console.print(f"  {escape(_verdict(each))}")
        console.print(f"  {escape(wording.capital(wording.evidence(each.evidence)) or 'Nothing can be compared')}.")


def _as_json(told: Explanation) -> dict[str, Any]:
    return {
        "record": told.record_id,
        "patient": told.patient_id,
        "matches": told.matches,
        "tier": told.tier,
        "reason": told.reason or None,
        "evidence": told.evidence,
        "winner": told.winner_id,
    }


def _verdict(told: Explanation) -> str:
    tier = wording.TIERS.get(told.tier or "", "")
    if told.record_id == told.patient_id:
        return "is one patient with the other."
    if told.matches:
        return f"matches {told.patient_id} by {tier}."
    elsewhere = f"; it matches {told.winner_id}" if told.winner_id else ""
    in_tier = f", in the tier {tier}" if tier else ""
    return f"does not match {told.patient_id}: {told.reason.replace('_', ' ')}{in_tier}{elsewhere}."


def rematch(
    rules: Annotated[
        str, typer.Option("--rules", metavar="current|FILE", help="Rules to judge by; a file is JSON or TOML.")
    ] = "current",
    organization: Annotated[str | None, typer.Option(metavar="ID", help="Only this organization.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make the recorded decisions again and report which would differ; write nothing. Exit code 1 when any would.

    A FILE has some of these: close_variants (true, false), shared_contact_people, candidate_limit. Records that changed
    nothing or were refused are not in the log, and patients that were erased cannot be judged.
    """
    chosen = {} if rules == "current" else _chosen(Path(rules))
    again = Rematch(lambda tenant: _rules(tenant, chosen))
    with database_url() as url:
        migrate(url)
        with psycopg.connect(url, row_factory=scalar_row) as owner:
            tenants = [organization] if organization else owner.execute("SELECT id::text FROM organizations").fetchall()
        with build_ledger(url) as ledger:
            if organization is not None:
                ledger.organization(organization)  # UnknownOrganization
            found = list(again.differences(_log(ledger, tenants)))
    kinds = Counter(f"{each.was.tier} → {each.would_be.tier}" for each in found)
    report = {
        "rules": chosen or "current",
        "rule_version": RULE_VERSION,
        "decisions": again.decisions,
        "different": len(found),
        "not_judged": again.not_judged,
        "kinds": dict(kinds.most_common()),
    }
    if as_json:
        show({**report, "differences": [_difference(each) for each in found]}, as_json)
    else:
        show(report, as_json)
        for each in found[:SHOWN]:
            show(_difference(each), as_json)
    if found:
        raise typer.Exit(FINDINGS)


def _chosen(file: Path) -> dict[str, Any]:
    """Return the fields of `Rules` that a file sets."""
    try:
        text = file.read_text("utf-8")
        chosen = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (OSError, ValueError):
        raise typer.BadParameter("no such file, or neither JSON nor TOML", param_hint="--rules") from None
    types = {each.name: type(each.default) for each in fields(Rules)}
    unfit = [name for name, value in chosen.items() if types.get(name) is not type(value)]
    if unfit:
        known = ", ".join(f"{name} ({kind.__name__})" for name, kind in types.items())
        raise typer.BadParameter(f"{', '.join(unfit)}: a rule set has {known}", param_hint="--rules")
    return dict(chosen)


def _rules(organization: Organization, chosen: dict[str, Any]) -> Rules:
    return replace(rules_of(organization), **chosen)


def _log(ledger: Ledger, organization_ids: list[str]) -> Iterator[Entry]:
    """Yield the entries of these organizations, in order of position."""
    recorder = ledger.recorder
    assert isinstance(recorder, Recorder)
    after = 0
    while True:
        with recorder.reading(*organization_ids) as cursor:
            rows = recorder.select_log(cursor, after=after, limit=CHUNK)
        yield from (ledger.mapper.to_domain_event(row) for row in rows)
        if len(rows) < CHUNK:
            return
        after = rows[-1].position


def _difference(told: Difference) -> dict[str, Any]:
    return {
        "position": told.position,
        "organization": told.organization_id,
        "was": asdict(told.was),
        "would_be": asdict(told.would_be),
        "evidence": told.evidence,
        "rivals": dict(told.rivals),
    }
