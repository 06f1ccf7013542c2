"""Which records may be placed at the same time?

A person's records must be placed in the order of the file, or an old address replaces a new one. Records of one
person share a match key, so a record goes to the lane where its keys are already; one whose keys are in two lanes
waits until they have drained. Everything else goes where the least waits.
"""

from collections import Counter
from collections.abc import Collection, Hashable


class Lanes:
    """The keys under way in each lane."""

    def __init__(self, count: int) -> None:
        self._keys: list[Counter[Hashable]] = [Counter() for _ in range(count)]
        self._loads = [0] * count

    def lane_for(self, keys: Collection[Hashable]) -> int | None:
        """Return the lane for a record with these keys; `None` while two lanes have some of them."""
        taken = [lane for lane, held in enumerate(self._keys) if any(key in held for key in keys)]
        if len(taken) > 1:
            return None
        return taken[0] if taken else min(range(len(self._loads)), key=self._loads.__getitem__)

    def enter(self, lane: int, keys: Collection[Hashable]) -> None:
        """Note that a record with these keys is under way in this lane."""
        self._keys[lane].update(keys)
        self._loads[lane] += 1

    def leave(self, lane: int, keys: Collection[Hashable]) -> None:
        """Note that it has been placed."""
        held = self._keys[lane]
        for key in keys:
            held[key] -= 1
            if not held[key]:
                del held[key]
        self._loads[lane] -= 1
