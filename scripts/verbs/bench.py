"""`bench`: the figures, the floor or limit taken in the same run, and the ratio between them."""

from typing import Annotated

import typer

from scripts.verbs.connection import show

bench = typer.Typer(help="Measure, beside a floor or limit in the same run.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@bench.command("upsert")
def upsert(
    requests: Annotated[int, typer.Option(min=100, help="Requests of a round.")] = 4000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds, alternating between service and floor.")] = 5,
    clients: Annotated[int, typer.Option(min=1, max=256, help="Keep-alive connections.")] = 8,
    list_records: Annotated[int, typer.Option(min=64, help="Records of the list path.")] = 20_000,
    as_json: AsJson = False,
) -> None:
    """Upserts over HTTP beside a hand-written floor, and lists of 32 in two processes."""
    from scripts.bench import upsert as measurement  # the floor's imports are not everybody's

    show(
        measurement.run(requests=requests, rounds=rounds, clients=clients, list_records=list_records),
        as_json,
    )


@bench.command("verify")
def verify(
    events: Annotated[int, typer.Option(min=1000, help="Events in the ledger.")] = 200_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds, alternating with the limit.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Verification of a whole ledger in one process, beside reading and hashing its rows."""
    from scripts.bench import verify as measurement

    show(measurement.run(events=events, rounds=rounds), as_json)


@bench.command("match")
def match(
    patients: Annotated[int, typer.Option(min=10_000, help="Patients of the largest database.")] = 1_000_000,
    requests: Annotated[int, typer.Option(min=50, help="Upserts of a round and database.")] = 500,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds, alternating between the databases.")] = 7,
    as_json: AsJson = False,
) -> None:
    """One upsert at a time at 10,000, 100,000 and 1,000,000 patients, beside the smallest of them."""
    from scripts.bench import match as measurement

    sizes = [size for size in measurement.SIZES if size < patients] + [patients]
    show(measurement.run(sizes=sizes, requests=requests, rounds=rounds), as_json)


@bench.command("rebuild")
def rebuild(
    events: Annotated[int, typer.Option(min=10_000, help="Events in the ledger.")] = 500_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds, alternating with the limit.")] = 3,
    upserts_per_s: Annotated[int, typer.Option(min=1, help="Upserts a second meanwhile.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Rebuild of the patients and the match index, beside COPY of the same rows; and upserts meanwhile."""
    from scripts.bench import rebuild as measurement

    show(measurement.run(events=events, rounds=rounds, upserts_per_s=upserts_per_s), as_json)


@bench.command("import")
def import_file(
    rows: Annotated[int, typer.Option(min=1000, help="Records of a file.")] = 20_000,
    rounds: Annotated[int, typer.Option(min=1, help="Files, each into an organization of its own.")] = 3,
    workers: Annotated[int, typer.Option(min=1, max=32, help="Processes that place records.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Import of a file of records, beside COPY of the rows that it leaves."""
    from scripts.bench import import_ as measurement

    show(measurement.run(rows=rows, rounds=rounds, workers=workers), as_json)


@bench.command("panel")
def panel(
    events: Annotated[int, typer.Option(min=10, help="Events of the patient.")] = 1000,
    rounds: Annotated[int, typer.Option(min=2, help="Page loads, alternating with an almost empty page.")] = 20,
    as_json: AsJson = False,
) -> None:
    """First paint of a long history and a step of its slider in chromium, beside an almost empty page; and `as_of`."""
    try:
        from scripts.bench import panel as measurement
    except ModuleNotFoundError:
        raise typer.BadParameter("this needs playwright, which ./scripts/test sets up") from None

    show(measurement.run(events=events, rounds=rounds), as_json)
