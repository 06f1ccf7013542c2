"""Notes and keys are those of C2SP and of Go's sumdb/note: their published vectors, and what those refuse."""

import pytest

from domain.signed_note import (
    MalformedNote,
    SigningKey,
    UntrustedNote,
    VerifierKey,
    open_note,
    sign_note,
)

# Published in the tests of golang.org/x/mod/sumdb/note.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
BY_PETER = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
BY_ENOCH = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"

peter, enoch = VerifierKey.parse(PETER), VerifierKey.parse(ENOCH)


def test_a_note_is_signed_as_published():
    assert sign_note(TEXT, SigningKey.parse(PETER_SECRET)) == TEXT + "\n" + BY_PETER


def test_published_notes_are_opened():
    assert open_note(TEXT + "\n" + BY_PETER, [peter]) == TEXT
    assert open_note(TEXT + "\n" + BY_PETER + BY_ENOCH, [peter, enoch]) == TEXT


def test_signatures_of_unknown_keys_are_passed_over():
    assert open_note(TEXT + "\n" + BY_ENOCH + BY_PETER, [peter]) == TEXT
    assert open_note(TEXT + "\n" + BY_PETER + BY_ENOCH[:60] + "ABCD" + BY_ENOCH[60:], [peter]) == TEXT


def test_a_note_may_have_a_hundred_signatures():
    assert open_note(TEXT + "\n" + BY_PETER * 100, [peter]) == TEXT


def test_a_text_may_hold_empty_lines():
    key = SigningKey.parse(PETER_SECRET)
    assert open_note(sign_note("one\n\ntwo\n", key), [peter]) == "one\n\ntwo\n"


def test_keys_are_written_as_they_were_read():
    assert str(peter) == PETER
    assert SigningKey.parse(PETER_SECRET).secret() == PETER_SECRET
    assert SigningKey.parse(PETER_SECRET).verifier == peter


def test_a_secret_is_not_shown():
    assert "seed" not in repr(SigningKey.parse(PETER_SECRET))


@pytest.mark.parametrize(("parse", "text"), [(VerifierKey.parse, PETER), (SigningKey.parse, PETER_SECRET)])
def test_no_part_and_no_misprint_of_a_key_is_a_key(parse, text):
    whole = len(text)
    parts = [text[i:j] for i in range(whole) for j in range(i + 1, whole + 1) if (i, j) != (0, whole)]
    misprints = [text[:i] + chr(ord(text[i]) + 1) + text[i + 1 :] for i in range(whole)]
    for bad in [*parts, *misprints, "", text + "\n", text + "A"]:
        with pytest.raises(MalformedNote):
            parse(bad)


@pytest.mark.parametrize(
    "key",
    [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",  # wrong length
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",  # unknown algorithm
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_a_key_of_another_kind_is_refused(key):
    with pytest.raises(MalformedNote):
        VerifierKey.parse(key)


@pytest.mark.parametrize(
    "note",
    [
        BY_PETER,
        TEXT,
        TEXT + "\n",
        TEXT + "\n" + BY_PETER[:-1],
        "\x01" + TEXT + "\n" + BY_PETER,
        TEXT.replace("\n", "\r\n") + "\n" + BY_PETER,
        TEXT + "\n" + BY_PETER.replace("PeterNeumann", "Bad Name"),
        TEXT + "\n" + BY_PETER + "Unexpected line.\n",
        TEXT + "\n" + BY_PETER.replace("—", "-"),
        TEXT + "\n" + BY_PETER * 101,
        TEXT + "\n— PeterNeumann x08gow==\n",
        TEXT + "\n" + BY_PETER.replace("AM=", "AN="),  # another spelling of the same bytes
        TEXT + "\n" + BY_PETER.replace("AM=", "AM"),
    ],
)
def test_what_is_not_a_note_is_refused(note):
    with pytest.raises(MalformedNote):
        open_note(note, [peter])


@pytest.mark.parametrize(
    ("note", "trusted"),
    [
        (TEXT + "\n" + BY_PETER, []),
        (TEXT + "\n" + BY_PETER, [enoch]),
        (TEXT + "\n" + BY_PETER[:60] + "ABCD" + BY_PETER[60:], [peter]),
        (TEXT + "\n" + BY_ENOCH[:60] + "ABCD" + BY_ENOCH[60:] + BY_PETER, [peter, enoch]),
        (TEXT.replace("cryptography", "Cryptography") + "\n" + BY_PETER, [peter]),
        (TEXT + TEXT + "\n" + BY_PETER, [peter]),
        (TEXT + "\n" + BY_PETER.replace("PeterNeumann", "CarmenSandiego"), [peter]),
        (TEXT + "\n" + BY_PETER.replace("x08g", "xxxx"), [peter]),
    ],
)
def test_a_note_that_no_trusted_key_signed_as_it_stands_is_refused(note, trusted):
    with pytest.raises(UntrustedNote):
        open_note(note, trusted)


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n"])
def test_what_cannot_be_a_note_is_not_signed(text):
    with pytest.raises(MalformedNote):
        sign_note(text, SigningKey.parse(PETER_SECRET))


@pytest.mark.parametrize("name", ["", "two words", "a+b", "\x9bm", "no\u2003break"])
def test_a_key_has_a_plain_name(name):
    with pytest.raises(MalformedNote):
        sign_note(TEXT, SigningKey(name, bytes(32)))
