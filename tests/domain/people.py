"""People to match: short ways to say who a record is about, and who is known already."""

from dataclasses import replace

from domain.matching import Candidate, Identity, Match, NoMatch, Rules, classify

PHONE, OTHER_PHONE = "+12125550142", "+12125550199"
EMAIL, OTHER_EMAIL = "lees@example.com", "ann@example.org"
BORN, OTHER_BORN = "1980-03-21", "2015-08-09"

DEFAULT = Rules()
ANN = Identity(first_name="Ann", last_name="Lee", date_of_birth=BORN, phone=PHONE, email=EMAIL)


def person(first: str | None, last: str | None, born: str | None = None, **more: object) -> Identity:
    """Return an identity; `more`: further fields."""
    return replace(Identity(first_name=first, last_name=last, date_of_birth=born), **more)  # type: ignore[arg-type]


def known(*identities: Identity) -> list[Candidate]:
    """Return the identities as patients, created as they are, with the ids "1", "2", …"""
    return [
        Candidate(
            id=str(number),
            identity=replace(
                identity,
                created_first_name=identity.created_first_name or identity.first_name,
                created_last_name=identity.created_last_name or identity.last_name,
            ),
        )
        for number, identity in enumerate(identities, start=1)
    ]


def place(record: Identity, *patients: Identity, rules: Rules = DEFAULT) -> Match | NoMatch:
    """Classify a record against these patients."""
    return classify(record, known(*patients), rules)


def tier(record: Identity, *patients: Identity, rules: Rules = DEFAULT) -> str | None:
    """Return the tier in which a record matches."""
    outcome = place(record, *patients, rules=rules)
    return outcome.tier if isinstance(outcome, Match) else None


def refusal(record: Identity, patient: Identity) -> tuple[str, bool]:
    """Return why a record is not this patient's, and whether the two are flagged; the patient must be a rival."""
    outcome = place(record, patient)
    assert isinstance(outcome, NoMatch)
    (rival,) = outcome.rivals
    return rival.reason, rival.flag


def unremarkable(record: Identity, patient: Identity) -> bool:
    """Tell whether a record neither matches a patient nor calls for a look."""
    return place(record, patient) == NoMatch()
