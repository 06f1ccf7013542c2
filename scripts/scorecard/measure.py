"""How good is a placing? Pairs found, missed and wrong, precision, recall, B-cubed, and by which tier it went wrong."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from scripts.scorecard.placing import Placing
from scripts.scorecard.sets import Expected

Link = frozenset[int]
"""The places of two records that landed on one patient, or are one person's."""


@dataclass(frozen=True)
class Score:
    """The figures of one set; without a pair to find there are no ratios, and B-cubed is of whole sets only.

    unflagged: pairs that landed apart and that nobody was asked to look at: of those missed, or of the pairs of
    different people that were to be told apart. Of a refused record the sender was told.
    """

    records: int
    refused: int
    pairs: int
    found: int
    missed: int
    wrong: int
    unflagged: int
    precision: float | None
    recall: float | None
    b_cubed_precision: float | None
    b_cubed_recall: float | None
    wrong_by_tier: dict[str, int]

    def told(self) -> dict[str, Any]:
        """Return the figures, ratios to five places."""
        return {name: round(value, 5) if isinstance(value, float) else value for name, value in asdict(self).items()}

    def falls_short(self, expected: Expected) -> list[str]:
        """Return what is expected and does not hold."""
        return [
            words
            for words, holds in (
                (f"precision ≥ {expected.precision}", _at_least(self.precision, expected.precision)),
                (f"recall ≥ {expected.recall}", _at_least(self.recall, expected.recall)),
                (f"wrong ≤ {expected.most_wrong}", _at_most(self.wrong, expected.most_wrong)),
                (f"unflagged ≤ {expected.most_unflagged}", _at_most(self.unflagged, expected.most_unflagged)),
            )
            if not holds
        ]


def _at_least(value: float | None, least: float | None) -> bool:
    return least is None or (value is not None and value >= least)


def _at_most(value: int, most: int | None) -> bool:
    return most is None or value <= most


def score(people: Sequence[str], placing: Placing, pairs: Sequence[tuple[int, int]] | None = None) -> Score:
    """Return the score. people: whose each record is, in the order sent. pairs: just these count, otherwise all."""
    watched = None if pairs is None else {frozenset(pair) for pair in pairs}
    truth = _watched(links(people), watched)
    made = _watched(links(placing.patients), watched)
    found, wrong = truth & made, made - truth
    apart = truth - made if watched is None else watched - made
    b_cubed = _b_cubed(people, placing.patients) if pairs is None else (None, None)
    return Score(
        records=len(people),
        refused=placing.patients.count(None),
        pairs=len(truth) if watched is None else len(watched),
        found=len(found),
        missed=len(truth - made),
        wrong=len(wrong),
        unflagged=sum(not _flagged(link, placing) for link in apart),
        precision=len(found) / len(made) if made and truth else None,
        recall=len(found) / len(truth) if truth else None,
        b_cubed_precision=b_cubed[0],
        b_cubed_recall=b_cubed[1],
        wrong_by_tier=dict(Counter(str(placing.tiers[max(link)]) for link in wrong)),
    )


def links(labels: Sequence[str | None]) -> set[Link]:
    """Return every pair of records with the same label; `None` is nobody's."""
    together = defaultdict(list)
    for place, label in enumerate(labels):
        if label is not None:
            together[label].append(place)
    return {frozenset(pair) for places in together.values() for pair in combinations(places, 2)}


def agreement(placings: Iterable[set[Link]], records: int) -> tuple[float, float]:
    """Return (share of all pairs, share of the linked pairs) on which every placing agrees with the first."""
    first, *others = placings
    differing = max((len(first ^ other) for other in others), default=0)
    linked = max((len(first | other) for other in others), default=0)
    pairs = records * (records - 1) // 2
    return 1 - differing / pairs, 1 - differing / linked if linked else 1.0


def _watched(made: set[Link], watched: set[Link] | None) -> set[Link]:
    return made if watched is None else made & watched


def _flagged(link: Link, placing: Placing) -> bool:
    patients = [placing.patients[place] for place in link]
    return None in patients or frozenset(str(each) for each in patients) in placing.flags


def _b_cubed(people: Sequence[str], patients: Sequence[str | None]) -> tuple[float, float]:
    """Return B-cubed precision and recall (Bagga and Baldwin, 1998): the mean over records of how much of a record's
    patient is its person's, and how much of its person is in the patient. A refused record stands alone."""
    clusters = [patient or f"refused {place}" for place, patient in enumerate(patients)]
    of_cluster, of_person = Counter(clusters), Counter(people)
    of_both = Counter(zip(clusters, people, strict=True))
    both = [(of_both[cluster, person], cluster, person) for cluster, person in zip(clusters, people, strict=True)]
    precision = sum(common / of_cluster[cluster] for common, cluster, _ in both)
    recall = sum(common / of_person[person] for common, _, person in both)
    return precision / len(people), recall / len(people)
