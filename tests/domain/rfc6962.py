"""RFC 6962, section 2.1, written down word by word: slow, recursive, and nothing of `domain` in it."""

from hashlib import sha256


def leaves(count: int) -> list[bytes]:
    """Return leaf hashes of a log that holds 0, 1, 2 … as 8 bytes."""
    return [sha256(b"\x00" + number.to_bytes(8, "big")).digest() for number in range(count)]


def root(hashes: list[bytes]) -> bytes:
    """MTH(D[n]), from the leaf hashes."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = split(len(hashes))
    return sha256(b"\x01" + root(hashes[:k]) + root(hashes[k:])).digest()


def path(m: int, hashes: list[bytes]) -> list[bytes]:
    """PATH(m, D[n])."""
    if len(hashes) == 1:
        return []
    k = split(len(hashes))
    if m < k:
        return [*path(m, hashes[:k]), root(hashes[k:])]
    return [*path(m - k, hashes[k:]), root(hashes[:k])]


def proof(m: int, hashes: list[bytes]) -> list[bytes]:
    """PROOF(m, D[n])."""
    return subproof(m, hashes, whole=True)


def subproof(m: int, hashes: list[bytes], *, whole: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b)."""
    if m == len(hashes):
        return [] if whole else [root(hashes)]
    k = split(len(hashes))
    if m <= k:
        return [*subproof(m, hashes[:k], whole=whole), root(hashes[k:])]
    return [*subproof(m - k, hashes[k:], whole=False), root(hashes[:k])]


def split(n: int) -> int:
    """Return the largest power of two smaller than n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k
