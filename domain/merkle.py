"""How does the Merkle tree over the ledger grow?

The tree of RFC 6962, section 2.1: leaf i is the `leaf_hash` of position i + 1, an inner node is
SHA-256(0x01 ‖ left ‖ right), the empty tree is SHA-256 of nothing. Node (level, index) covers the 2^level
leaves from index · 2^level on; once these are there it never changes, so it can be stored for good.

Only nodes of every fourth level are stored, one for fifteen leaves: level 0 is the ledger itself, and a node
in between is made from at most eight stored ones that lie side by side.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

STRIDE = 4
EMPTY_ROOT = sha256(b"").digest()

Node: TypeAlias = tuple[int, int]
"""(level, index) of a perfect subtree."""
Source: TypeAlias = Callable[[Collection[Node]], Mapping[Node, bytes]]
"""Answers stored nodes, level 0 included, in one go: `stored` says which those are."""


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def folded(hashes: Sequence[bytes]) -> bytes:
    """Return the root over perfect subtrees that stand side by side, largest first."""
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


def perfect(start: int, end: int) -> list[Node]:
    """Return the perfect subtrees that make up the leaves from start to before end, largest first.

    For the ranges that RFC 6962 cuts a tree into: the largest subtree stands first.
    """
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append((level, start >> level))
        start += 1 << level
    return nodes


@dataclass(frozen=True)
class Frontier:
    """The right edge of a tree of `size` leaves: the roots of its perfect subtrees, largest first.

    All that is needed to append, and to say the root: one hash for each bit set in `size`.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def root(self) -> bytes:
        """Return the RFC 6962 root of the tree."""
        return folded(self.hashes) if self.hashes else EMPTY_ROOT

    def extended(self, leaves: Iterable[bytes]) -> tuple["Frontier", list[tuple[Node, bytes]]]:
        """Return the frontier after these leaf hashes, and the nodes to store that they completed."""
        hashes = list(leaves)
        size = self.size + len(hashes)
        waiting = dict(
            zip((level for level in reversed(range(64)) if self.size >> level & 1), self.hashes, strict=True)
        )
        edge, completed, level, first = [], [], 0, self.size
        while hashes or waiting:
            if level % STRIDE == 0 and level:
                completed += [((level, index), node) for index, node in enumerate(hashes, start=first)]
            if level in waiting:  # a left node whose right one has come, or goes on waiting
                hashes.insert(0, waiting.pop(level))
                first -= 1
            if len(hashes) % 2:
                edge.append(hashes.pop())
            hashes = [
                sha256(b"\x01" + left + right).digest() for left, right in zip(hashes[::2], hashes[1::2], strict=True)
            ]
            level, first = level + 1, first + 1 >> 1
        return Frontier(size, tuple(reversed(edge))), completed


def stored(node: Node) -> list[Node]:
    """Return the stored nodes that a node is made from, left to right: itself, or up to eight below it."""
    level, index = node
    down = level % STRIDE
    return [(level - down, below) for below in range(index << down, (index + 1) << down)]


def made(node: Node, found: Mapping[Node, bytes]) -> bytes:
    """Return a node's hash from the stored ones; KeyError when one of them is not there."""
    row = [found[below] for below in stored(node)]
    while len(row) > 1:
        row = [node_hash(left, right) for left, right in zip(row[::2], row[1::2], strict=True)]
    return row[0]


def hashes_of(ranges: Sequence[Sequence[Node]], source: Source) -> list[bytes]:
    """Return the root of each range of perfect subtrees, asking the source once for all of them."""
    found = source({below for nodes in ranges for node in nodes for below in stored(node)})
    return [folded([made(node, found) for node in nodes]) for nodes in ranges]


def frontier_at(size: int, source: Source) -> Frontier:
    """Return the frontier of the first `size` leaves, as it was when the tree had that size."""
    return Frontier(size, tuple(hashes_of([[node] for node in perfect(0, size)], source)))
