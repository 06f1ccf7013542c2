"""How is it proven that an entry is in the ledger, and that the ledger only ever grew?

Proofs of RFC 6962, sections 2.1.1 and 2.1.2, verified as RFC 9162, sections 2.1.3.2 and 2.1.4.2, writes it
down. A proof is a list of 32-byte hashes; index = position - 1. `domain.merkle` makes the tree, and
`domain.checkpoint` what is signed; `scripts/verify_export.py` says the verifying half again, for those who do
not trust this program.
"""

from collections.abc import Collection, Iterator, Sequence

from domain.hashing import HASH_SIZE
from domain.merkle import EMPTY_ROOT, Node, Source, hashes_of, node_hash, perfect


def inclusion_proofs(indexes: Collection[int], size: int, source: Source) -> list[list[bytes]]:
    """Return for each leaf index the proof that it is in the tree of `size` leaves, in the order asked.

    ValueError for an index outside the tree.
    """
    plans = [_siblings(index, size) for index in indexes]
    hashes = iter(hashes_of([nodes for plan in plans for nodes in plan], source))
    return [[next(hashes) for _ in plan] for plan in plans]


def consistency_proof(first: int, second: int, source: Source) -> list[bytes]:
    """Return the proof that the tree of `first` leaves is the beginning of the tree of `second` leaves.

    Empty when the two are equal or the first is empty. ValueError when first > second.
    """
    if not 0 <= first <= second:
        raise ValueError("a tree is consistent with one that is as large or larger")
    if first in (0, second):
        return []
    return hashes_of(list(_subproof(first, second)), source)


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Return whether the proof leads from the leaf hash at index to the root of the tree of `size` leaves."""
    if not 0 <= index < size or not _hashes(leaf, root, *proof):
        return False
    place, last, reached = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            reached = node_hash(sibling, reached)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            reached = node_hash(reached, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and reached == root


def verify_consistency(first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]) -> bool:
    """Return whether the proof shows that the second tree begins with the leaves of the first."""
    if not 0 <= first <= second or not _hashes(first_root, second_root, *proof):
        return False
    if first == second:
        return not proof and first_root == second_root
    if first == 0:
        return not proof and first_root == EMPTY_ROOT
    path = [first_root, *proof] if first & (first - 1) == 0 else list(proof)
    if not path:
        return False
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = path[0]
    for step in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, step)
        place, last = place >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def _siblings(index: int, size: int) -> list[list[Node]]:
    """Return PATH(index, D[size]) of RFC 6962 as ranges of perfect subtrees, from the leaf up."""
    if not 0 <= index < size:
        raise ValueError("the leaf is not in the tree")
    start, end, siblings = 0, size, []
    while end - start > 1:
        middle = start + _left_half(end - start)
        if index < middle:
            siblings.append(perfect(middle, end))
            end = middle
        else:
            siblings.append(perfect(start, middle))
            start = middle
    return siblings[::-1]


def _subproof(first: int, second: int) -> Iterator[list[Node]]:
    """Yield SUBPROOF(first, D[second], true) of RFC 6962 as ranges of perfect subtrees."""
    start, end, steps = 0, second, []
    while first != end:
        middle = start + _left_half(end - start)
        if first <= middle:
            steps.append(perfect(middle, end))
            end = middle
        else:
            steps.append(perfect(start, middle))
            start = middle
    if start:  # the first tree is not itself a subtree of the second: the verifier needs its last piece
        yield perfect(start, end)
    yield from reversed(steps)


def _left_half(size: int) -> int:
    """Return the largest power of two smaller than size, for size above 1."""
    return 1 << (size - 1).bit_length() - 1


def _hashes(*values: bytes) -> bool:
    return all(len(value) == HASH_SIZE for value in values)
