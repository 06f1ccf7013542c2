"""A process that writes records and says on its output which were acknowledged, until it is killed."""

import sys

from tests.clinic import Clinic, open_ledger
from tests.domain.records import EXTERNAL_ID_TYPE


def body(series: str, number: int) -> dict[str, object]:
    """Return record `number` of a series: nobody else's."""
    external_id = {"type_id": EXTERNAL_ID_TYPE, "value": f"{series}-{number}"}
    return {"external_id": external_id, "first_name": "Ann", "phone_number": f"+1212{2_000_000 + number}"}


def write(url: str, organization_id: str, series: str) -> None:
    """Write for ever."""
    with open_ledger(url) as ledger:
        clinic = Clinic(url, ledger, organization_id)
        number = 0
        while True:
            print(f"sent {number}", flush=True)
            clinic.send(**body(series, number))
            print(f"done {number}", flush=True)
            number += 1


if __name__ == "__main__":
    write(*sys.argv[1:])
