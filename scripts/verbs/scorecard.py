"""`scorecard`: how well the matching does on records whose people are known."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from scripts.verbs.connection import FINDINGS, show
from scripts.verbs.organizations import AsJson

console = Console(highlight=False, soft_wrap=True)


def scorecard(
    labelled: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder with uganda.csv and uganda_true_links.csv.")
    ] = None,
    only: Annotated[str | None, typer.Option(metavar="TEXT", help="Only sets with this in their name.")] = None,
    as_json: AsJson = False,
) -> None:
    """Place labelled records by the service's own path and count what went wrong; a naive cascade stands beside it.

    In a PostgreSQL of its own, which is gone afterwards. Exit code 1 when a set falls short of what is expected.
    """
    from scripts.scorecard import run  # generators and their names are not everybody's

    with run.temporary_ledger() as ledger:
        card = run.run(ledger, run.all_sets(labelled or run.DATA), only or "")
    if as_json:
        show(card, as_json)
    else:
        _print(card)
    if not card["holds"]:
        raise typer.Exit(FINDINGS)


COLUMNS = ("set", "records", "pairs", "found", "missed", "wrong", "unflagged", "precision", "recall")


def _print(card: dict[str, Any]) -> None:
    table = Table(*COLUMNS, "B³", "wrong by tier", "naive: wrong", "falls short", box=None, pad_edge=False)
    for each in card["sets"]:
        if "same_pairs" in each:
            told = f"the same for {each['same_pairs']:.4%} of pairs, {each['same_linked_pairs']:.2%} of the linked"
            cells = [each["set"], str(each["records"]), told]
            table.add_row(*cells, *("" for _ in range(len(COLUMNS) - len(cells) + 3)), ", ".join(each["falls_short"]))
            continue
        cubed = [each["b_cubed_precision"], each["b_cubed_recall"]]
        tiers = ", ".join(f"{tier} {count}" for tier, count in each["wrong_by_tier"].items())
        cells = [_cell(each[name]) for name in COLUMNS]
        cells += ["–" if None in cubed else "/".join(f"{value:.3f}" for value in cubed), tiers or "–"]
        table.add_row(*cells, str(each["naive"]["wrong"]), ", ".join(each["falls_short"]) or "–")
    console.print(table)
    for reason in card["skipped"]:
        console.print(f"left out: {reason}", style="dim")


def _cell(value: Any) -> str:
    return "–" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
