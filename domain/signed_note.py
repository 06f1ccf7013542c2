"""How is a text signed so that anybody's tool can check it?

A signed note of C2SP (c2sp.org/signed-note): a text that ends in a newline, an empty line, and signature
lines `— name base64(key id ‖ signature)`, here with Ed25519. Keys are written as in Go's `sumdb/note`: a
verifier key `name+key id+base64(0x01 ‖ public key)`, a signing key
`PRIVATE+KEY+name+key id+base64(0x01 ‖ seed)`.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from domain.errors import LedgerError

ED25519 = b"\x01"
MOST_SIGNATURES = 100

_KEY = re.compile(r"([^\s+\x00-\x1f\x7f-\x9f]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")
_SIGNATURE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/=]+)")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class MalformedNote(LedgerError):
    """This is not a signed note, or not a key for one."""


class UntrustedNote(LedgerError):
    """No key that is trusted has signed this note, or a signature of one is wrong."""


@dataclass(frozen=True)
class VerifierKey:
    """Who signs, and the 32 bytes of the Ed25519 public key."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """Return the 4 bytes that stand for the key in a signature line."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{_base64(ED25519 + self.public)}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Return the key that `str` wrote; MalformedNote for anything else."""
        name, key_id, material = _key(text)
        key = cls(name, material)
        if key.id != key_id:
            raise MalformedNote(reason="the key id is not that of the key")
        return key

    def verifies(self, text: str, signature: bytes) -> bool:
        """Return whether the 64 bytes are this key's signature of the text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class SigningKey:
    """Who signs, and the 32 secret bytes from which the Ed25519 key is made."""

    name: str
    seed: bytes = field(repr=False)

    @property
    def verifier(self) -> VerifierKey:
        """Return the public half."""
        return VerifierKey(self.name, self._key().public_key().public_bytes_raw())

    def secret(self) -> str:
        """Return the key as text, to be kept in a file that nobody else can read."""
        return f"PRIVATE+KEY+{self.name}+{self.verifier.id.hex()}+{_base64(ED25519 + self.seed)}"

    @classmethod
    def parse(cls, text: str) -> "SigningKey":
        """Return the key that `secret` wrote; MalformedNote for anything else."""
        name, _, material = _key(text.removeprefix("PRIVATE+KEY+"))
        key = cls(name, material)
        if key.secret() != text:
            raise MalformedNote(reason="the key id is not that of the key")
        return key

    def sign(self, text: str) -> bytes:
        """Return the 64 bytes of the signature; the same for the same text."""
        return self._key().sign(text.encode())

    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


def sign_note(text: str, key: SigningKey) -> str:
    """Return the text as a note with one signature. MalformedNote when it cannot be one."""
    if not text.endswith("\n") or _CONTROL.search(text):
        raise MalformedNote(reason="a note ends in a newline and has no other control characters")
    if not _KEY.fullmatch(str(key.verifier)):
        raise MalformedNote(reason="a key's name has no space and no plus")
    return f"{text}\n— {key.name} {_base64(key.verifier.id + key.sign(text))}\n"


def open_note(note: str, trusted: Sequence[VerifierKey]) -> str:
    """Return the text of a note that at least one trusted key has signed.

    Signatures of other keys are passed over. MalformedNote; UntrustedNote when there is no signature of a
    trusted key, or one of them is wrong.
    """
    text, signatures = _split(note)
    signed = False
    for name, key_id, signature in signatures:
        for key in trusted:
            if (key.name, key.id) == (name, key_id):
                if not key.verifies(text, signature):
                    raise UntrustedNote(key=f"{name}+{key_id.hex()}")
                signed = True
    if not signed:
        raise UntrustedNote(keys=[str(key) for key in trusted])
    return text


def _split(note: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """Return the text, and (name, key id, signature) of each line below the last empty one."""
    text, gap, block = note.rpartition("\n\n")
    lines = block.split("\n")
    if not gap or _CONTROL.search(note) or lines.pop() != "" or not 0 < len(lines) <= MOST_SIGNATURES:
        raise MalformedNote(reason="a note is a text, an empty line and signature lines")
    signatures = []
    for line in lines:
        found = _SIGNATURE.fullmatch(line)
        if found is None:
            raise MalformedNote(reason="a signature line is — name base64")
        raw = unbase64(found[2])
        if len(raw) <= 4:
            raise MalformedNote(reason="a signature has a key id and more")
        signatures.append((found[1], raw[:4], raw[4:]))
    return text + "\n", signatures


def _key(text: str) -> tuple[str, bytes, bytes]:
    """Return the name, the key id and the 32 bytes of a key of either kind."""
    found = _KEY.fullmatch(text)
    if found is None:
        raise MalformedNote(reason="a key is name+id+base64")
    material = unbase64(found[3])
    if len(material) != 33 or not material.startswith(ED25519):
        raise MalformedNote(reason="not an Ed25519 key")
    return found[1], bytes.fromhex(found[2]), material[1:]


def unbase64(text: str) -> bytes:
    """Return the bytes of standard base64, in its one canonical spelling; MalformedNote otherwise."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise MalformedNote(reason="not base64") from error
    if _base64(raw) != text:
        raise MalformedNote(reason="not the canonical spelling of base64")
    return raw


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
