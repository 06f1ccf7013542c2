"""`explain` and `rematch`: why two patients match or do not, and what other rules would have decided."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from domain import explain as explaining
from domain.explain import Explanation
from projections import wording
from scripts.verbs.connection import show
from scripts.verbs.organizations import AsJson
from scripts.verbs.streams import ledger_of

One = Annotated[str, typer.Argument(metavar="A", help="A patient's id.")]
Other = Annotated[str, typer.Argument(metavar="B", help="Another patient's id.")]

console = Console(highlight=False, soft_wrap=True)


def explain(one: One, other: Other, as_json: AsJson = False) -> None:
    """Say why two patients match or do not: each is matched as if it were a record that had just come."""
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
