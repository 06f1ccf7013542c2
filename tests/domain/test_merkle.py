"""The tree over the ledger is the tree of RFC 6962, however it was grown."""

from collections.abc import Collection, Mapping
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.merkle import EMPTY_ROOT, STRIDE, Frontier, Node, frontier_at, made, node_hash, perfect, stored
from tests.domain import rfc6962

# The leaves of the Certificate Transparency reference tests, and the root after each of them.
PUBLISHED = [
    ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    (
        "606162636465666768696a6b6c6d6e6f",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ),
]


def grown(leaves: list[bytes], *, batch: int) -> tuple[Frontier, dict[Node, bytes]]:
    """Return the frontier and all stored nodes of a tree that was grown in batches."""
    frontier = Frontier()
    nodes: dict[Node, bytes] = {(0, index): leaf for index, leaf in enumerate(leaves)}
    for start in range(0, len(leaves), batch):
        frontier, completed = frontier.extended(leaves[start : start + batch])
        for node, value in completed:
            assert node not in nodes  # nodes are written once
            nodes[node] = value
    return frontier, nodes


def test_the_tree_has_the_published_roots():
    frontier = Frontier()
    assert frontier.root() == EMPTY_ROOT == sha256(b"").digest()
    for data, root in PUBLISHED:
        frontier, _ = frontier.extended([sha256(b"\x00" + bytes.fromhex(data)).digest()])
        assert frontier.root().hex() == root


def test_an_inner_node_is_the_published_one():
    published = "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"
    assert node_hash(b"N123", b"N456").hex() == published


@pytest.mark.parametrize("size", range(71))
def test_the_root_is_that_of_the_rfc(size):
    leaves = rfc6962.leaves(size)
    frontier, nodes = grown(leaves, batch=max(size, 1))
    assert frontier.root() == rfc6962.root(leaves)
    assert frontier.size == size
    assert len(frontier.hashes) == size.bit_count()
    assert {level % STRIDE for level, _ in nodes} <= {0}


@given(st.integers(0, 600), st.integers(1, 70))
def test_the_batch_size_does_not_matter(size, batch):
    leaves = rfc6962.leaves(size)
    assert grown(leaves, batch=batch) == grown(leaves, batch=max(size, 1))


@given(st.integers(0, 600), st.integers(0, 600))
def test_an_earlier_frontier_is_found_again_from_the_stored_nodes(first, more):
    leaves = rfc6962.leaves(first + more)
    _, nodes = grown(leaves, batch=100)
    before, _ = grown(leaves[:first], batch=100)
    assert frontier_at(first, lambda asked: {node: nodes[node] for node in asked}) == before


def test_a_frontier_is_found_with_one_question_to_the_store():
    _, nodes = grown(rfc6962.leaves(300), batch=300)
    questions = []

    def source(asked: Collection[Node]) -> Mapping[Node, bytes]:
        questions.append(asked)
        return {node: nodes[node] for node in asked}

    frontier_at(299, source)
    assert len(questions) == 1


@given(st.integers(0, 9), st.integers(0, 1 << 40))
def test_a_node_is_made_from_few_stored_ones_that_cover_the_same_leaves(level, index):
    below = stored((level, index))
    assert len(below) <= 8
    assert all(low % STRIDE == 0 for low, _ in below)
    covered = [leaf for low, place in below for leaf in (place << low, (place + 1) << low)]
    assert (covered[0], covered[-1]) == (index << level, (index + 1) << level)
    assert covered[1:-1:2] == covered[2::2]


def test_a_node_that_is_not_stored_is_missed():
    with pytest.raises(KeyError):
        made((1, 0), {(0, 0): bytes(32)})


@given(st.integers(0, 1 << 50))
def test_perfect_subtrees_of_a_tree_are_its_binary_digits(size):
    assert sum(1 << level for level, _ in perfect(0, size)) == size
    assert len(perfect(0, size)) == size.bit_count()
