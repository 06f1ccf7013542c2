"""What is left of a text when only what people can read counts?"""

import re
import unicodedata

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]+")
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
_UNREADABLE = re.compile("[\x00\ud800-\udfff]")
_LINES = re.compile("\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")


def unreadable_text(value: object) -> bool:
    """Tell whether NUL or a lone surrogate stands anywhere in a JSON value: it could not be stored."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text if not text.isprintable() and _UNREADABLE.search(text):
                return True
            case dict() as members:
                waiting.extend(members.keys())
                waiting.extend(members.values())
            case list() as items:
                waiting.extend(items)
    return False


def tidy(text: str) -> str:
    """Return text on one line: single spaces for whitespace and controls, no invisible marks, NFC."""
    if not text.isprintable():
        text = _INVISIBLE.sub("", _CONTROLS.sub(" ", text))
    text = " ".join(text.split())
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def tidy_lines(text: str) -> str:
    """Return text whose line breaks are kept, each line tidy, no blank lines at either end."""
    return "\n".join(map(tidy, _LINES.split(text))).strip("\n")


def verbatim(text: str) -> str:
    """Return text trimmed and otherwise as it is: identifiers of other systems are compared literally."""
    return _CONTROLS.sub("", text).strip()
