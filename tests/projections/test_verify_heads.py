"""Is a checkpoint found out that was signed over other heads of streams than the entries leave?

Whoever holds the key could sign such a one, to export a patient without the end of the history.
"""

from dataclasses import replace

import psycopg

from domain.checkpoint import open_checkpoint, sign_checkpoint
from projections.sign import Signer
from tests.projections.signed_ledger import ANN, KEY, Signed, found


def forge_heads(signed: Signed, size: int, other: int) -> None:
    """Sign the checkpoint of a size anew, with the stream heads of another one, and put it in place of both copies."""
    checkpoint, source = (open_checkpoint(signed.folder.read(each), KEY.verifier) for each in (size, other))
    note = sign_checkpoint(replace(checkpoint, extensions=source.extensions[:1] + checkpoint.extensions[1:]), KEY)
    signed.replace_checkpoint(size, note)


def test_stream_heads_are_worked_out_again_for_the_last_checkpoint_and_the_trusted_one(signed: Signed):
    first, last = signed.folder.sizes()
    assert signed.verify().stream_heads == 1
    assert signed.verify(since=first).stream_heads == 2
    assert signed.verify(since=last).stream_heads == 1
    assert signed.verify(all_heads=True).stream_heads == 2


def test_forged_stream_heads_of_the_last_checkpoint_are_found(signed: Signed):
    first, last = signed.folder.sizes()
    forge_heads(signed, last, first)
    assert found(signed.verify()) == ("other stream heads", last)
    assert found(signed.verify(since=first)) == ("other stream heads", last)


def test_forged_stream_heads_of_the_trusted_checkpoint_are_found(signed: Signed):
    first, last = signed.folder.sizes()
    forge_heads(signed, first, last)
    assert found(signed.verify(since=first)) == ("other stream heads", first)


def test_forged_stream_heads_in_between_are_found_when_all_are_asked_for(signed: Signed):
    first, last = signed.folder.sizes()
    forge_heads(signed, first, last)
    assert signed.verify().passed
    assert found(signed.verify(all_heads=True)) == ("other stream heads", first)


def test_a_checkpoint_that_signs_no_stream_heads_is_found(signed: Signed):
    last = signed.folder.sizes()[-1]
    checkpoint = open_checkpoint(signed.folder.read(last), KEY.verifier)
    signed.replace_checkpoint(last, sign_checkpoint(replace(checkpoint, extensions=checkpoint.extensions[1:]), KEY))
    assert found(signed.verify()) == ("other stream heads", last)


def test_a_head_that_was_changed_before_it_was_signed_is_found(signed: Signed):
    """The stored heads of streams are no part of the log: what is exported and signed is made of them."""
    with psycopg.connect(signed.clinic.url) as connection:
        connection.execute(
            "UPDATE stream_buckets SET hash = sha256(hash), rows = overlay(rows PLACING '\\x00' FROM 64)"
        )
    signed.signer = Signer(KEY, signed.folder, lambda: signed.now)
    signed.clinic.send(**ANN)
    signed.sign()
    assert found(signed.verify()) == ("other stream heads", signed.folder.sizes()[-1])


def test_a_chain_that_was_edited_before_the_trusted_checkpoint_is_found(signed: Signed):
    first, _ = signed.folder.sizes()
    signed.tamper(f"UPDATE ledger_events SET chain_hash = sha256(chain_hash) WHERE position = {first}")
    assert found(signed.verify(since=first))[0] == "other stream heads"
