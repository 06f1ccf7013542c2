"""A checkpoint is one of C2SP: published ones are read, ours are read back, everything else is refused."""

import base64
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.checkpoint import (
    Checkpoint,
    ledger_checkpoint,
    open_checkpoint,
    parse_checkpoint,
    sign_checkpoint,
)
from domain.signed_note import MalformedNote, SigningKey, UntrustedNote, sign_note

# The example of c2sp.org/tlog-checkpoint, and the golden text of golang.org/x/mod/sumdb/tlog.
BEHIND_THE_SOFA = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
GO_SUM = "go.sum database tree\n123456789012\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n"

KEY = SigningKey("ledger.example/one", bytes(range(32)))
AT = datetime(2023, 11, 14, 22, 13, 20, 999_999, tzinfo=UTC)
OURS = ledger_checkpoint(KEY.name, 12, bytes(32), b"h" * 32, AT)


def test_published_checkpoints_are_read_and_written():
    sofa = parse_checkpoint(BEHIND_THE_SOFA)
    assert (sofa.origin, sofa.size, sofa.extensions) == ("example.com/behind-the-sofa", 20852163, ())
    assert sofa.text() == BEHIND_THE_SOFA
    go = parse_checkpoint(GO_SUM)
    assert go.root == sha256(b"\x00hello world").digest()
    assert (go.size, go.text()) == (123456789012, GO_SUM)


def test_the_text_of_ours_is_frozen():
    assert OURS.text() == (
        "ledger.example/one\n12\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
        "stream-heads aGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGg=\n"
        "signed-at 2023-11-14T22:13:20Z\n"
    )


@given(st.integers(0, 10**18), st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_what_was_signed_is_read_back(size, root, heads):
    made = ledger_checkpoint(KEY.name, size, root, heads, AT)
    read = open_checkpoint(sign_checkpoint(made, KEY), KEY.verifier)
    assert read == made
    assert (read.size, read.root, read.stream_heads) == (size, root, heads)
    assert read.signed_at == AT.replace(microsecond=0)


def test_an_instant_is_signed_in_utc():
    elsewhere = AT.astimezone(timezone(timedelta(hours=-5)))
    assert ledger_checkpoint(KEY.name, 12, bytes(32), b"h" * 32, elsewhere) == OURS


def test_a_checkpoint_may_go_without_extensions():
    assert parse_checkpoint(GO_SUM).stream_heads is None
    assert parse_checkpoint(GO_SUM).signed_at is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        GO_SUM[:-1],
        GO_SUM + "\n",
        "\n" + GO_SUM,
        "origin\n1\n",
        GO_SUM.replace("123456789012", "0123456789012"),
        GO_SUM.replace("123456789012", "-1"),
        GO_SUM.replace("123456789012", "+1"),
        GO_SUM.replace("123456789012", "1 "),
        GO_SUM.replace("123456789012", "１"),
        GO_SUM.replace("123456789012", "9" * 20),
        GO_SUM.replace("TszzRgjT", "TszzRgj"),
        GO_SUM.replace("Bb0=", "Bb1="),
        GO_SUM.replace("TszzRgjT", ""),
        GO_SUM + "extension\n\nother\n",
    ],
)
def test_what_is_not_a_checkpoint_is_refused(text):
    with pytest.raises(MalformedNote):
        parse_checkpoint(text)


@pytest.mark.parametrize(
    "made",
    [
        Checkpoint("two\nlines", 1, bytes(32)),
        Checkpoint("", 1, bytes(32)),
        Checkpoint("origin", -1, bytes(32)),
        Checkpoint("origin", 1, bytes(31)),
        Checkpoint("origin", 1, bytes(32), ("",)),
        Checkpoint("origin", 1, bytes(32), ("two\nlines",)),
    ],
)
def test_what_does_not_fit_is_not_written(made):
    with pytest.raises(MalformedNote):
        made.text()


@pytest.mark.parametrize(
    "extensions",
    [
        ("stream-heads AAAA",),
        ("stream-heads " + base64.b64encode(bytes(32)).decode(),) * 2,
    ],
)
def test_unclear_stream_heads_are_refused(extensions):
    with pytest.raises(MalformedNote):
        _ = Checkpoint("origin", 1, bytes(32), extensions).stream_heads


@pytest.mark.parametrize("value", ["yesterday", "2023-11-14T22:13:20+01:00", "2023-11-14 22:13:20Z"])
def test_an_unclear_instant_is_refused(value):
    with pytest.raises(MalformedNote):
        _ = Checkpoint("origin", 1, bytes(32), (f"signed-at {value}",)).signed_at


def test_a_ledger_signs_under_its_own_name():
    with pytest.raises(MalformedNote):
        sign_checkpoint(OURS, SigningKey("somebody.example", bytes(32)))


def test_a_checkpoint_of_another_origin_that_the_key_signed_is_not_opened():
    with pytest.raises(MalformedNote):
        open_checkpoint(sign_note(GO_SUM, KEY), KEY.verifier)


def test_a_checkpoint_of_another_ledger_or_key_is_not_opened():
    note = sign_checkpoint(OURS, KEY)
    with pytest.raises(UntrustedNote):
        open_checkpoint(note, SigningKey(KEY.name, bytes(32)).verifier)
    with pytest.raises(UntrustedNote):
        open_checkpoint(note.replace("\n12\n", "\n13\n"), KEY.verifier)
