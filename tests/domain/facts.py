"""Events as hypothesis draws them: any payload that the types of an event's fields allow."""

import inspect
from typing import Any, get_type_hints

from hypothesis import strategies as st

from domain.events import EVENTS, Event, PatientMerged

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)

_BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    str: texts,
    str | None: st.none() | texts,
    list[str]: st.lists(texts, max_size=3),
    dict[str, str]: st.dictionaries(texts, texts, max_size=3),
    dict[str, str | None]: st.dictionaries(texts, st.none() | texts, max_size=3),
    dict[str, Any]: st.dictionaries(texts, json_values, max_size=3),
    list[dict[str, Any]]: st.lists(st.dictionaries(texts, json_values, max_size=2), max_size=2),
    Any: json_values,
}


_objects = st.dictionaries(texts, json_values, max_size=2)
_known_as = st.fixed_dictionaries(
    {
        "id": texts,
        "facts": st.dictionaries(texts, texts, max_size=2),
        "external_ids": st.dictionaries(texts, texts, max_size=2),
        "created_name": st.lists(st.none() | texts, min_size=2, max_size=2),
        "former_last_names": st.lists(texts, max_size=2),
    }
)
_SHAPED: dict[type[Event], dict[str, st.SearchStrategy[Any]]] = {
    PatientMerged: {
        "referrals": st.lists(st.fixed_dictionaries({"id": texts, "referral": _objects}), max_size=2),
        "payors": st.lists(st.fixed_dictionaries({"id": texts, "payor": _objects}), max_size=2),
        "known_as": st.lists(_known_as, max_size=2),
    }
}
"""Fields whose members have names of their own."""


def events_of(cls: type[Event]) -> st.SearchStrategy[Event]:
    """Return events of one class."""
    hints = get_type_hints(cls)
    by_type = {name: _BY_TYPE[hints[name]] for name in inspect.signature(cls).parameters if hints[name] in _BY_TYPE}
    return st.builds(cls, **{**by_type, **_SHAPED.get(cls, {})})


events = st.sampled_from(sorted(EVENTS)).flatmap(lambda name: events_of(EVENTS[name]))
"""Every event that can be stored."""
