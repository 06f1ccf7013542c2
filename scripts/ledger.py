"""The engineers' and auditors' command line: `./scripts/ledger VERB …`."""

import os
import sys
from pathlib import Path

import psycopg
import typer

from domain.errors import LedgerError, LedgerUnavailable
from scripts.verbs import connection, organizations
from scripts.verbs.backup import backup, restore
from scripts.verbs.bench import bench
from scripts.verbs.doctor import doctor
from scripts.verbs.events import events
from scripts.verbs.follow import follow
from scripts.verbs.history import diff, history, replay
from scripts.verbs.import_ import import_file
from scripts.verbs.matching import explain, rematch
from scripts.verbs.proofs import erase, export, verify
from scripts.verbs.rebuild import rebuild
from scripts.verbs.scorecard import scorecard
from scripts.verbs.staff import staff
from scripts.verbs.status import status

app = typer.Typer(
    help="The patient ledger: tenants, histories, proofs, rebuilds.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(organizations.org, name="org")
app.add_typer(organizations.key, name="key")
app.add_typer(organizations.directory, name="directory")
app.add_typer(staff, name="staff")
for verb in (
    history,
    replay,
    diff,
    events,
    explain,
    rematch,
    follow,
    verify,
    export,
    erase,
    rebuild,
    scorecard,
    status,
    doctor,
    backup,
    restore,
):
    app.command()(verb)
app.command("import")(import_file)
app.add_typer(bench, name="bench")


def main() -> None:
    """Run one verb; what the ledger refuses is a sentence, not a traceback."""
    if sys.stdin is None:  # whoever started us has closed it
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - it stays open
    try:
        app(prog_name="./scripts/ledger")
    except LedgerError as error:
        sys.exit(connection.fail(error))
    except psycopg.OperationalError as error:
        sys.exit(connection.fail(LedgerUnavailable(cause=type(error).__name__)))
    except OSError as error:
        sys.exit(connection.fail(connection.FileUnusable(file=error.filename, reason=error.strerror)))
    except Exception as error:  # noqa: BLE001 - told, and not taken for what a verb found
        sys.exit(connection.fail_by_mistake(error))


if __name__ == "__main__":
    main()
