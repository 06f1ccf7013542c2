"""As whom is a patient known? Its identity, and the identities of those who were merged into it.

After a merge partners go on sending what they sent before, for both. Each overwrites what the other said, so what shows
is now one and now the other: both must go on finding the survivor, or the same duplicate is made again the next night.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from domain.evidence import Identity, birth_date_in, mailbox_in, phones_in
from domain.golden_record import IDENTITY
from domain.match_keys import MatchKey, keys_for, match_keys
from domain.names import parse_name
from domain.patient import Patient
from domain.stored_state import made


def identity_of_facts(
    facts: Mapping[str, str],
    external_ids: Iterable[tuple[str, str]],
    created_name: Iterable[str | None] = (None, None),
    former_last_names: Iterable[str] = (),
    refused_phone: str | None = None,
) -> Identity:
    """Return what the matching may know. external_ids: (type, value)."""
    created_first_name, created_last_name = created_name
    additional = facts.get("additional_phone_number")
    return made(
        Identity,
        {
            "first_name": facts.get("first_name"),
            "middle_name": facts.get("middle_name"),
            "last_name": facts.get("last_name"),
            "date_of_birth": facts.get("date_of_birth"),
            "gender": facts.get("gender"),
            "phone": facts.get("phone_number"),
            "additional_phone": additional and _number_alone(additional),
            "refused_phone": refused_phone,
            "email": facts.get("email"),
            "external_ids": tuple(external_ids),
            "created_first_name": created_first_name,
            "created_last_name": created_last_name,
            "former_last_names": tuple(former_last_names),
        },
    )


def _number_alone(phone: str) -> str:
    """Return a number without the extension that is kept behind it (`+12125550143 x7`)."""
    return phone.partition(" x")[0]


def known_as(patient: Patient) -> tuple[dict[str, Any], ...]:
    """Return as whom the patient is known: what shows, its own layer, and at each merge the two who became one.

    JSON-native: `id`, `facts`, `external_ids` (type → value), `created_name`, `former_last_names` and, where a number
    was refused, `refused_phone`.
    """
    external_ids = {kind: held["value"] for kind, held in patient.external_ids.items()}
    now = _known(patient.id, patient.facts, external_ids, patient)
    if patient.own is None:
        return (now,)
    own_ids = {kind: held["value"] for kind, held in patient.own["external_ids"].items()}
    own = [_known(patient.id, patient.own["facts"], own_ids, patient)]
    beside = [_known(patient.id, layer["beside"], {}, patient) for layer in patient.absorbed]
    beneath = [each for layer in patient.absorbed for each in layer["known_as"]]
    return _each_once([now, *own, *beside, *beneath])


def _known(
    patient_id: str, facts: Mapping[str, str], external_ids: Mapping[str, str], patient: Patient
) -> dict[str, Any]:
    refused = {"refused_phone": patient.refused_phone} if patient.refused_phone else {}
    return {
        "id": patient_id,
        "facts": {name: facts[name] for name in IDENTITY if name in facts},
        "external_ids": external_ids,
        "created_name": list(patient.created_name),
        "former_last_names": list(patient.former_last_names),
        **refused,
    }


def _each_once(known: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    return tuple(each for place, each in enumerate(known) if each not in known[:place])


def identities_of_patient(patient: Patient) -> tuple[Identity, ...]:
    """Return what the matching may know of a patient, its own identity first; nothing of one merged into another."""
    kept: tuple[Identity, ...] | None = getattr(patient, "identities", None)
    return _keep(patient, tuple(_identities(patient))) if kept is None else kept


def carry_over(before: Patient, after: Patient) -> None:
    """Let a patient be known as it was before, if nothing changed in that: most changes are of something else."""
    if all(getattr(before, part) == getattr(after, part) for part in _KNOWN_BY) and all(
        before.facts.get(name) == after.facts.get(name) for name in IDENTITY
    ):
        _keep(after, identities_of_patient(before))


_KNOWN_BY = ("external_ids", "created_name", "former_last_names", "refused_phone", "merged_into", "own", "absorbed")


def _keep(patient: Patient, identities: tuple[Identity, ...]) -> tuple[Identity, ...]:
    object.__setattr__(patient, "identities", identities)
    return identities


def _identities(patient: Patient) -> Iterable[Identity]:
    if patient.merged_into is not None:
        return ()
    if patient.own is None:
        external_ids = [(kind, held["value"]) for kind, held in patient.external_ids.items()]
        known = patient.facts, external_ids, patient.created_name, patient.former_last_names
        return (identity_of_facts(*known, patient.refused_phone),)
    return [
        identity_of_facts(
            each["facts"],
            each["external_ids"].items(),
            each["created_name"],
            each["former_last_names"],
            each.get("refused_phone"),
        )
        for each in known_as(patient)
    ]


def keys_of_patient(patient: Patient) -> frozenset[MatchKey]:
    """Return the keys under which the patient is found."""
    if patient.own is None and patient.merged_into is None and getattr(patient, "identities", None) is None:
        return _keys_of_facts(patient)
    identities = identities_of_patient(patient)
    return match_keys(identities[0]) if len(identities) == 1 else frozenset().union(*map(match_keys, identities))


def keys_to_look_for(patient: Patient) -> frozenset[MatchKey]:
    """Return the keys by which somebody who looks for the patient finds it: not by a number that was refused."""
    identities = (replace(each, refused_phone=None) for each in identities_of_patient(patient))
    return frozenset().union(*map(match_keys, identities))


def _keys_of_facts(patient: Patient) -> frozenset[MatchKey]:
    """Return the keys of a patient that is known as itself alone and whom nobody is about to compare."""
    facts = patient.facts
    additional = facts.get("additional_phone_number")
    return keys_for(
        [(kind, held["value"]) for kind, held in patient.external_ids.items()],
        parse_name(facts.get("first_name"), facts.get("middle_name"), facts.get("last_name")),
        birth_date_in(facts.get("date_of_birth")),
        (
            *phones_in(facts.get("phone_number"), additional and _number_alone(additional)),
            *phones_in(patient.refused_phone, None),
        ),
        mailbox_in(facts.get("email")),
    )
