"""`scorecard`: how well the matching does on records whose people are known."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from scripts.verbs.connection import FINDINGS, show
from scripts.verbs.organizations import AsJson

WIDTH = 160
"""Columns of text that the card takes, whatever the terminal has."""


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


COLUMNS = ("records", "pairs", "found", "missed", "wrong", "unflagged", "precision", "recall")


def _print(card: dict[str, Any]) -> None:
    console = Console(highlight=False, width=max(Console().width, WIDTH))
    table = Table(box=None, pad_edge=False)
    table.add_column("set", no_wrap=True)
    for name in (*COLUMNS, "naive: wrong"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("B-cubed")
    table.add_column("wrong by tier")
    for each in card["sets"]:
        if "naive" in each:
            cubed = [_cell(each["b_cubed_precision"]), _cell(each["b_cubed_recall"])]
            tiers = ", ".join(f"{tier} {count}" for tier, count in each["wrong_by_tier"].items())
            cells = [each["set"], *(_cell(each[name]) for name in COLUMNS), str(each["naive"]["wrong"])]
            table.add_row(*cells, " / ".join(cubed), tiers)
    console.print(table)
    for each in card["sets"]:
        if "same_pairs" in each:
            same = f"{each['same_pairs']:.4%} of all pairs, {each['same_linked_pairs']:.2%} of the linked ones"
            console.print(f"{each['set']}: the same for {same}")
        for short in each["falls_short"]:
            console.print(f"[red]falls short[/] {each['set']}: {short}")
    for reason in card["skipped"]:
        console.print(f"left out: {reason}", style="dim")


def _cell(value: Any) -> str:
    return "–" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
