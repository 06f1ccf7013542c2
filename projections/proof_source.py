"""Where do hashes of the Merkle tree come from? Leaves from the log, nodes above them from what a follower stored."""

from collections.abc import Collection, Mapping
from typing import Any

from psycopg import Cursor

from domain.merkle import Node, Source
from projections.statements import statements

_SQL = statements("proofs")


def stored_nodes(cursor: Cursor[Any]) -> Source:
    """Return a source that answers from the database as the cursor's transaction sees it."""

    def source(wanted: Collection[Node]) -> Mapping[Node, bytes]:
        above = [node for node in wanted if node[0] > 0]
        leaves = [index + 1 for level, index in wanted if level == 0]
        found: dict[Node, bytes] = {}
        if above:
            columns = {"levels": [level for level, _ in above], "indexes": [index for _, index in above]}
            for level, index, digest in cursor.execute(_SQL["find_nodes"], columns):
                found[level, index] = bytes(digest)
        if leaves:
            for index, digest in cursor.execute(_SQL["find_leaves"], {"positions": leaves}):
                found[0, index] = bytes(digest)
        return found

    return source
