"""The last version of every stream is committed to, and no other last version can be shown."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.stream_heads import (
    BUCKETS,
    Heads,
    HeadsTree,
    bucket_hash,
    bucket_of,
    head_hash,
    stream_key,
    verify_head,
    with_heads,
)
from tests.domain import rfc6962

ORGANIZATION = UUID(int=7)
heads = st.dictionaries(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32), max_size=40)
# All in one bucket.
crowded = st.dictionaries(
    st.binary(min_size=30, max_size=30).map(lambda tail: bytes(2) + tail),
    st.binary(min_size=32, max_size=32),
    max_size=12,
)


def committed(streams: dict[bytes, bytes]) -> tuple[dict[int, bytes], HeadsTree]:
    """Return the rows of each bucket, and the tree over them."""
    rows: dict[int, bytes] = {}
    for key, head in streams.items():
        rows[bucket_of(key)] = with_heads(rows.get(bucket_of(key), b""), {key: head})
    return rows, HeadsTree({bucket: bucket_hash(held) for bucket, held in rows.items()})


def test_the_bytes_are_frozen():
    # echo -n 000…07 000…08 | xxd -r -p | sha256sum, and likewise for the head
    key = stream_key(ORGANIZATION, UUID(int=8))
    assert key.hex() == "c4be38adf3ec28b6be7138aee5c215d599f0d63fd8ac47dfe4582099df248bc5"
    assert head_hash(3, b"c" * 32).hex() == "718fa47a465f562d010aac490428834a69a6f2be0f3d61313782ddadd11d09ec"
    assert bucket_of(key) == int("c4be", 16)
    assert HeadsTree().root().hex() == "d83389ac9a207fb7dbdc492fbb56b9482f19170699e224be64694cc885a3a2a2"


def test_the_tree_is_that_of_the_rfc_over_all_buckets():
    rows, tree = committed({stream_key(ORGANIZATION, UUID(int=n)): head_hash(n, bytes(32)) for n in range(50)})
    hashes = [bucket_hash(rows.get(bucket, b"")) for bucket in range(BUCKETS)]
    assert tree.root() == rfc6962.root(hashes)
    assert tree.path(12_345) == rfc6962.path(12_345, hashes)


@given(heads | crowded)
def test_every_head_is_proven_and_no_other(streams):
    rows, tree = committed(streams)
    for key, head in streams.items():
        held, path = rows[bucket_of(key)], tree.path(bucket_of(key))
        assert verify_head(key, head, held, path, tree.root())
        assert not verify_head(key, bytes(31) + b"x", held, path, tree.root())
        assert not verify_head(key, None, held, path, tree.root())


@given(heads, st.binary(min_size=32, max_size=32))
def test_a_stream_without_events_is_proven_not_to_be_there(streams, key):
    streams.pop(key, None)
    rows, tree = committed(streams)
    held, path = rows.get(bucket_of(key), b""), tree.path(bucket_of(key))
    assert verify_head(key, None, held, path, tree.root())
    assert not verify_head(key, bytes(32), held, path, tree.root())


@given(heads | crowded, st.data())
def test_streams_may_come_in_any_order_and_change(streams, data):
    order = data.draw(st.permutations(list(streams)))
    rows: dict[int, bytes] = {}
    tree = HeadsTree()
    for key in order:
        for head in (bytes(32), streams[key]):  # an earlier head, then the last
            bucket = bucket_of(key)
            rows[bucket] = with_heads(rows.get(bucket, b""), {key: head})
            tree.update({bucket: bucket_hash(rows[bucket])})
    assert (rows, tree.root()) == (committed(streams)[0], committed(streams)[1].root())


@given(crowded.filter(lambda streams: len(streams) > 1))
def test_rows_that_are_not_those_of_the_checkpoint_are_refused(streams):
    rows, tree = committed(streams)
    key = next(iter(streams))
    held, path, root = rows[bucket_of(key)], tree.path(bucket_of(key)), tree.root()
    for forged in (
        held[:-64],
        held[64:],
        held + held[-64:],
        held[:-1],
        held[64:128] + held[:64] + held[128:],
        b"",
    ):
        assert not verify_head(key, streams[key], forged, path, root)
    for bad in (path[:-1], [*path, root], path[1:], [], [path[0], *path]):
        assert not verify_head(key, streams[key], held, bad, root)


def test_a_signed_bucket_with_two_heads_for_one_stream_is_refused():
    key = bytes(32)
    for rows in (key + b"1" * 32 + key + b"2" * 32, b"\x00" * 31 + b"\x01" + b"1" * 32 + key + b"2" * 32):
        tree = HeadsTree({0: bucket_hash(rows)})
        assert not verify_head(key, b"2" * 32, rows, tree.path(0), tree.root())
        assert not verify_head(key, b"1" * 32, rows, tree.path(0), tree.root())


def test_rows_of_another_bucket_prove_nothing():
    key, other = b"\x00\x01" + bytes(30), b"\x00\x02" + bytes(30)
    rows, tree = committed({key: b"1" * 32, other: b"2" * 32})
    assert not verify_head(key, None, rows[2], tree.path(2), tree.root())
    assert not verify_head(key, b"1" * 32, rows[1], tree.path(2), tree.root())


def test_a_signed_bucket_with_half_a_row_is_refused():
    key, half = bytes(32), b"1" * 31
    tree = HeadsTree({0: bucket_hash(key + half)})
    assert not verify_head(key, half, key + half, tree.path(0), tree.root())


@given(heads, heads, crowded)
def test_heads_that_are_worked_out_again_in_any_steps_have_the_root_that_is_signed(first, second, third):
    ours = Heads()
    for step in (first, second, third):
        ours.put(step.items())
    _, tree = committed({**first, **second, **third})
    assert ours.root() == tree.root()
