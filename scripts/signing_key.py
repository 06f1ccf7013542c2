"""With which key does this ledger sign? `DIR/signing-key` (mode 0600), made once; `DIR/verifier-key` is public."""

import os
from pathlib import Path
from uuid import uuid4

from domain.signed_note import MalformedNote, SigningKey, VerifierKey
from projections.checkpoint_folder import CheckpointFolder

SECRET, PUBLIC = "signing-key", "verifier-key"


def signing_key(directory: Path) -> SigningKey:
    """Return the ledger's signing key, made and stored when there is none."""
    secret = directory / SECRET
    if not secret.exists():
        made = SigningKey(f"patient-ledger-{uuid4().hex[:12]}", os.urandom(32))
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = directory / f".{SECRET}.{os.getpid()}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(f"{made.secret()}\n")
        try:
            secret.hardlink_to(draft)  # whoever is first wins
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    try:
        key = SigningKey.parse(secret.read_text("utf-8").strip())
    except MalformedNote as error:
        raise MalformedNote(**error.details, file=str(secret)) from None
    public = directory / PUBLIC
    if not public.exists() or not public.stat().st_size:  # the disk may have been full
        public.write_text(f"{key.verifier}\n", encoding="utf-8")
    return key


def verifier_key(directory: Path) -> VerifierKey | None:
    """Return the public half, `None` where nothing was ever signed."""
    public = directory / PUBLIC
    return VerifierKey.parse(public.read_text("utf-8").strip()) if public.exists() else None


def checkpoint_folder(directory: Path) -> CheckpointFolder:
    """Return the folder outside the database where checkpoints are kept."""
    return CheckpointFolder(directory / "checkpoints")
