"""A true proof is accepted for every leaf of every small tree; a forged one never is."""

from collections.abc import Collection, Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.merkle import EMPTY_ROOT, Frontier, Node, node_hash
from domain.proofs import consistency_proof, inclusion_proofs, verify_consistency, verify_inclusion
from tests.domain import rfc6962

LARGEST = 70
LEAVES = rfc6962.leaves(LARGEST)
ROOTS = [rfc6962.root(LEAVES[:size]) for size in range(LARGEST + 1)]
sizes = pytest.mark.parametrize("size", range(1, LARGEST + 1))


def source_of(leaves: list[bytes]):
    nodes: dict[Node, bytes] = {(0, index): leaf for index, leaf in enumerate(leaves)}
    nodes.update(Frontier().extended(leaves)[1])

    def source(asked: Collection[Node]) -> Mapping[Node, bytes]:
        return {node: nodes[node] for node in asked}

    return source


SOURCE = source_of(LEAVES)


def forged(proof: list[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """Yield what can be done to a proof, with its name."""
    other = b"\x5a" * 32
    yield "extended by a hash", [*proof, other]
    yield "preceded by a hash", [other, *proof]
    for at, step in enumerate(proof):
        yield f"without hash {at}", proof[:at] + proof[at + 1 :]
        yield f"hash {at} twice", [*proof[:at], step, *proof[at:]]
        yield f"one bit of hash {at} flipped", [*proof[:at], flipped(step), *proof[at + 1 :]]
        yield f"hash {at} cut short", [*proof[:at], step[:-1], *proof[at + 1 :]]
        if at and step != proof[at - 1]:
            yield (
                f"hashes {at - 1} and {at} swapped",
                [*proof[: at - 1], step, proof[at - 1], *proof[at + 1 :]],
            )
    if len(proof) > 2:
        yield "only its ends, the middle skipped", [proof[0], proof[-1]]
    if proof:
        yield "empty", []


def flipped(value: bytes) -> bytes:
    return bytes([value[0] ^ 1]) + value[1:]


# ---- inclusion


@sizes
def test_every_leaf_has_the_inclusion_proof_of_the_rfc(size):
    proofs = inclusion_proofs(range(size), size, SOURCE)
    assert proofs == [rfc6962.path(index, LEAVES[:size]) for index in range(size)]
    for index, proof in enumerate(proofs):
        assert verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])


@sizes
def test_a_forged_inclusion_proof_is_refused(size):
    root = ROOTS[size]
    for index, proof in enumerate(inclusion_proofs(range(size), size, SOURCE)):
        for name, bad in forged(proof):
            assert not verify_inclusion(LEAVES[index], index, size, bad, root), name
        for wrong in {-1, *range(size), size, size + 1} - {index}:
            assert not verify_inclusion(LEAVES[index], wrong, size, proof, root), wrong
        assert not verify_inclusion(flipped(LEAVES[index]), index, size, proof, root)
        assert not verify_inclusion(LEAVES[index], index, size, proof, flipped(root))
        assert not verify_inclusion(LEAVES[index][:-1], index, size, proof, root)


@sizes
def test_an_inclusion_proof_is_refused_for_a_tree_of_another_root(size):
    for index, proof in enumerate(inclusion_proofs(range(size), size, SOURCE)):
        for other in set(range(LARGEST + 1)) - {size}:
            assert not verify_inclusion(LEAVES[index], index, other, proof, ROOTS[other]), other


def test_a_leaf_outside_the_tree_is_not_in_it():
    assert verify_inclusion(LEAVES[0], 0, 1, [], LEAVES[0])
    for index in (-1, 1, 2):
        assert not verify_inclusion(LEAVES[0], index, 1, [], LEAVES[0])


def test_a_proof_that_ends_below_the_top_of_the_tree_is_refused():
    assert verify_inclusion(LEAVES[0], 0, 2, [LEAVES[1]], ROOTS[2])
    assert not verify_inclusion(LEAVES[0], 0, 4, [LEAVES[1]], ROOTS[2])
    proof = consistency_proof(2, 4, SOURCE)
    assert verify_consistency(2, 4, ROOTS[2], ROOTS[4], proof)
    assert not verify_consistency(2, 8, ROOTS[2], ROOTS[4], proof)


def test_a_proof_that_goes_on_above_the_top_of_the_tree_is_refused():
    assert not verify_inclusion(LEAVES[1], 0, 1, [LEAVES[0]], ROOTS[2])
    proof = consistency_proof(7, 8, SOURCE)
    assert verify_consistency(7, 8, ROOTS[7], ROOTS[8], proof)
    assert not verify_consistency(3, 4, ROOTS[7], ROOTS[8], proof)


def test_two_hashes_cannot_be_cut_apart_elsewhere():
    short, long = LEAVES[0][:-1], LEAVES[0][-1:] + LEAVES[1]
    assert not verify_inclusion(short, 0, 2, [long], ROOTS[2])
    assert not verify_consistency(1, 2, short, ROOTS[2], [long])


def test_an_inner_node_does_not_pass_for_a_leaf():
    # The proof of leaf 0 without its first step, offered as a proof of its parent in a tree half as large.
    proof = inclusion_proofs([0], 8, SOURCE)[0]
    parent = node_hash(LEAVES[0], LEAVES[1])
    for size in (4, 7, 8):
        assert not verify_inclusion(parent, 0, size, proof, ROOTS[8])
        assert not verify_inclusion(parent, 0, size, proof[1:], ROOTS[size])
    # The hash of the bytes of a node, taken for the data of a leaf, is another hash: see `test_hashing`.
    assert verify_inclusion(parent, 0, 4, proof[1:], ROOTS[8])  # why the size has to be signed with the root


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 1), (5, 4)])
def test_no_inclusion_proof_is_made_for_a_leaf_outside_the_tree(index, size):
    with pytest.raises(ValueError, match="not in the tree"):
        inclusion_proofs([index], size, SOURCE)


# ---- consistency


@sizes
def test_every_earlier_tree_has_the_consistency_proof_of_the_rfc(size):
    for first in range(1, size + 1):
        proof = consistency_proof(first, size, SOURCE)
        assert proof == rfc6962.proof(first, LEAVES[:size])
        assert verify_consistency(first, size, ROOTS[first], ROOTS[size], proof)


@sizes
def test_a_forged_consistency_proof_is_refused(size):
    for first in range(1, size + 1):
        proof, old, new = consistency_proof(first, size, SOURCE), ROOTS[first], ROOTS[size]
        for name, bad in forged(proof):
            assert not verify_consistency(first, size, old, new, bad), (first, name)
        assert not verify_consistency(first, size, flipped(old), new, proof)
        assert not verify_consistency(first, size, old, flipped(new), proof)
        assert not verify_consistency(first, size, old[:-1], new, proof)
        if first != size:
            assert not verify_consistency(first, size, new, old, proof)
            assert not verify_consistency(size, first, new, old, proof)


@sizes
def test_a_consistency_proof_is_refused_for_any_other_size(size):
    for first in range(1, size):
        proof, old, new = consistency_proof(first, size, SOURCE), ROOTS[first], ROOTS[size]
        for wrong in set(range(-1, LARGEST + 1)) - {first}:
            root = ROOTS[wrong] if wrong >= 0 else EMPTY_ROOT
            assert not verify_consistency(wrong, size, root, new, proof), wrong
        for wrong in set(range(LARGEST + 1)) - {size}:
            assert not verify_consistency(first, wrong, old, ROOTS[wrong], proof), wrong


@given(st.integers(2, LARGEST), st.data())
def test_a_recomputed_history_is_not_consistent_with_the_one_that_was_signed(size, data):
    first = data.draw(st.integers(1, size))
    edited = data.draw(st.integers(0, first - 1))
    leaves = [*LEAVES[:edited], flipped(LEAVES[edited]), *LEAVES[edited + 1 : size]]
    proof = consistency_proof(first, size, source_of(leaves))
    assert not verify_consistency(first, size, ROOTS[first], rfc6962.root(leaves), proof)


def test_every_tree_continues_the_empty_one():
    assert consistency_proof(0, 5, SOURCE) == []
    assert verify_consistency(0, 5, EMPTY_ROOT, ROOTS[5], [])
    assert verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    assert not verify_consistency(0, 5, ROOTS[1], ROOTS[5], [])
    assert not verify_consistency(0, 5, EMPTY_ROOT, ROOTS[5], [ROOTS[5]])
    assert not verify_consistency(0, 0, EMPTY_ROOT, ROOTS[5], [])


def test_no_tree_continues_a_larger_one():
    assert not verify_consistency(2, 1, ROOTS[1], ROOTS[1], [])
    assert not verify_consistency(-1, 2, ROOTS[1], ROOTS[2], [LEAVES[1]])


@pytest.mark.parametrize(("first", "second"), [(3, 2), (-1, 2)])
def test_no_consistency_proof_is_made_backwards(first, second):
    with pytest.raises(ValueError, match="as large or larger"):
        consistency_proof(first, second, SOURCE)


@given(st.integers(1, 5000), st.data())
def test_a_proof_has_few_hashes(size, data):
    index = data.draw(st.integers(0, size - 1))
    known = dict.fromkeys([(level, place) for level in (0, 4, 8, 12) for place in range(size)], bytes(32))
    proof = inclusion_proofs([index], size, lambda asked: {node: known[node] for node in asked})[0]
    assert len(proof) <= (size - 1).bit_length()
