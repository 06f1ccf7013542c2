"""What does the ledger sign, to be held to it later?

A checkpoint of C2SP (c2sp.org/tlog-checkpoint), the text of a signed note: the ledger's origin, how many
entries it has, the root of the Merkle tree over them, and two extension lines of ours:

    stream-heads BASE64     the root over the heads of all streams, see `domain.stream_heads`
    signed-at 2023-11-14T22:13:20Z     the clock of whoever signed

The specification does not recommend extension lines, because those who watch only tree heads cannot audit
them. Ours can be: everybody who holds the entries can say the heads of their streams.
"""

import base64
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from domain.hashing import HASH_SIZE
from domain.signed_note import MalformedNote, SigningKey, VerifierKey, open_note, sign_note, unbase64

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_INSTANT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Checkpoint:
    """A head of the ledger. `extensions` are the lines after the third, in their order."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the text that is signed. MalformedNote when a part does not fit on its line."""
        lines = (self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions)
        text = "".join(f"{line}\n" for line in lines)
        if parse_checkpoint(text) != self:
            raise MalformedNote(reason="a part of the checkpoint does not fit on its line")
        return text

    def extension(self, name: str) -> str | None:
        """Return the value of the extension line of that name; MalformedNote when there are two."""
        values = [line.removeprefix(f"{name} ") for line in self.extensions if line.startswith(f"{name} ")]
        if len(values) > 1:
            raise MalformedNote(reason="an extension line stands twice")
        return values[0] if values else None

    @property
    def stream_heads(self) -> bytes | None:
        """Return the root over the heads of all streams; None where the checkpoint has none."""
        value = self.extension("stream-heads")
        return None if value is None else _hash(value)

    @property
    def signed_at(self) -> datetime | None:
        """Return when it was signed, by the signer's clock, in UTC and whole seconds."""
        value = self.extension("signed-at")
        if value is None:
            return None
        try:
            return datetime.strptime(value, _INSTANT).replace(tzinfo=UTC)
        except ValueError as error:
            raise MalformedNote(reason="signed-at is not an instant") from error


def ledger_checkpoint(origin: str, size: int, root: bytes, stream_heads: bytes, signed_at: datetime) -> Checkpoint:
    """Return the checkpoint that this ledger signs; signed_at with a time zone, cut to whole seconds."""
    return Checkpoint(
        origin,
        size,
        root,
        (
            f"stream-heads {base64.b64encode(stream_heads).decode()}",
            f"signed-at {signed_at.astimezone(UTC).strftime(_INSTANT)}",
        ),
    )


def parse_checkpoint(text: str) -> Checkpoint:
    """Return the checkpoint in the text of a note whose signature was checked; MalformedNote otherwise."""
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() != "" or not all(lines):
        raise MalformedNote(reason="a checkpoint has three lines or more and none is empty")
    origin, size, root, *extensions = lines
    if not _SIZE.fullmatch(size):
        raise MalformedNote(reason="the size is not a decimal number")
    return Checkpoint(origin, int(size), _hash(root), tuple(extensions))


def sign_checkpoint(checkpoint: Checkpoint, key: SigningKey) -> str:
    """Return the signed note. MalformedNote unless the key carries the name of the origin."""
    if key.name != checkpoint.origin:
        raise MalformedNote(reason="a ledger signs under the name of its origin")
    return sign_note(checkpoint.text(), key)


def open_checkpoint(note: str, trusted: VerifierKey) -> Checkpoint:
    """Return the checkpoint that the key has signed under its own name.

    MalformedNote; UntrustedNote when the signature is missing or wrong.
    """
    checkpoint = parse_checkpoint(open_note(note, [trusted]))
    if checkpoint.origin != trusted.name:
        raise MalformedNote(reason="a ledger signs under the name of its origin")
    return checkpoint


def _hash(text: str) -> bytes:
    raw = unbase64(text)
    if len(raw) != HASH_SIZE:
        raise MalformedNote(reason="a root has 32 bytes")
    return raw
