"""Is this the password? scrypt (RFC 7914) with its parameters and salt beside it, and tokens known by their hash.

N = 2^15, r = 8, p = 3 is one of the settings that OWASP's password storage cheat sheet calls equal: 32 MiB a try.
"""

import hashlib
import hmac
import secrets
from threading import BoundedSemaphore

LEAST = 12
"""Characters of a password (NIST SP 800-63B asks for 8 at least, and for no rules about which)."""

_N, _R, _P = 2**15, 8, 3
_AT_ONCE = BoundedSemaphore(2)
"""Tries at once in a process: each takes 32 MiB and a core for a tenth of a second."""


def hash_password(password: str) -> str:
    """Return what is stored: scheme, N, r, p, salt and key, apart by $."""
    salt = secrets.token_bytes(16)
    return f"scrypt${_N}${_R}${_P}${salt.hex()}${_key(password, salt, _N, _R, _P).hex()}"


def is_password(password: str, stored: str | None) -> bool:
    """Return whether `stored` was made from this password. It takes as long when there is none stored."""
    _, n, r, p, salt, key = (stored or _NOBODYS).split("$")
    same = hmac.compare_digest(_key(password, bytes.fromhex(salt), int(n), int(r), int(p)), bytes.fromhex(key))
    return same and stored is not None


def _key(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    with _AT_ONCE:
        return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=2 * 128 * n * r, dklen=32)


_NOBODYS = f"scrypt${_N}${_R}${_P}${bytes(16).hex()}${bytes(32).hex()}"


BY_LINK = "link."
"""How the token of a session begins that a one-time link began."""


def new_token(beginning: str = "") -> str:
    """Return 256 random bits as text for a URL or a cookie."""
    return beginning + secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """Return by what a token is known."""
    return hashlib.sha256(token.encode()).digest()


def form_token(token: str) -> str:
    """Return what a form must carry to be this session's own (CSRF): nobody without the cookie can know it."""
    return hmac.new(token.encode(), b"form", hashlib.sha256).hexdigest()
