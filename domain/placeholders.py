"""What did somebody type because a field had to be filled?

A *placeholder* says nothing about who the patient is: it yields no match key and no evidence. A *filler* is a
contact that can be nothing but a placeholder, so that nobody loses anything when it is dropped.
The lists are what registries and the literature on disguised missing values name. Words that are also the
real names of many (Na, Child, Blank, Doe) are left out: those patients must be found too.
"""

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TWO_DIGIT_COUNTRIES = _words(
    "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66"
    " 81 82 84 86 90 91 92 93 94 95 98"
)
_COUNTING_UP, _COUNTING_DOWN = "01234567890123456789", "98765432109876543210"
_DIRECTORY_ASSISTANCE = "5551212"

_FILLER_LOCALS = _words(
    """
    na nan none null nil nobody noone noemail noemailaddress nomail nomailaddress noaddress notavailable
    notapplicable notprovided notgiven notknown noemailprovided doesnothave donthave declined refused
    unknown unk unspecified undefined missing tbd noreply donotreply no asdf asdfasdf qwerty
    xx xxx xxxx xxxxx zzz zzzz fake fakeemail dummy dummyemail placeholder patientdeclined patientrefused
    """
)
_FILLER_HOSTS = _words("none noemail nomail unknown null fake asdf test xxx xxxx declined refused noreply nowhere")
_ROLE_LOCALS = _words(
    """
    admin administrator appointments billing careers clinic contact enquiries frontdesk hello help
    hostmaster hr info intake mail medicalrecords nurse office patient patients postmaster reception
    receptionist records referral referrals registration sales scheduling secretary staff support test
    testing tester user webmaster
    """
)
_SAMPLES = _words("abc email example asd mail name")
_NAME_WORDS = _words(
    """
    anon anonymous asdf baby babyboy babygirl boy bb bg client confidential deceased declined donotuse dummy
    example fake female fetus firstname fname fnu foetus girl infant lastname lname lnu male name nb newborn
    nfn nil nln nmn nobody noname none notgiven notknown notprovided null placeholder patient person qwerty
    refused sample stillborn stillbirth surname tbd temp temporary test testing tester trauma triplet twin
    unborn undefined unidentified unk unkn unknown unknwn unnamed unspecified user
    """
)
_INFANT_WORDS = _words("baby bb bg infant newborn nb twin triplet boy girl male female fetus foetus")
_INFANT_REST = _INFANT_WORDS | _words("a b c d i ii iii one two three first second third of mom mother s")
_NEWBORN = re.compile(
    r"""
    .*[a-z][ ] (?: baby | bb | bg | boy | female | girl | infant | male | newborn | twin | triplet ) (?: [ ]?[a-h0-9] )?
    | .*[a-z] (?: baby | boy | girl | male | twin ) (?: [ ]?[a-h0-9] )?
    | (?: baby | boy | girl | infant | (?: fe )? male | newborn | triplet | twin ) [a-c0-9] (?: [ ] .+ )?
    | (?: bebe | gemel[oa] | jumeau | jumelle | melliz[oa] | rn | trilliz[oa] | zwilling )
        (?: [ ]?[a-c0-9] (?: [ ] .+ )? )?
    | (?: boy | girl ) (?: [ ][a-h0-9] )? [ ] .+
    | (?: beta | beti | daughter | hij[oa] | son ) [ ] (?: de | of ) [ ] .+
    """,
    re.VERBOSE,
)
_UNKNOWN_PERSONS = frozenset({("john", "doe"), ("jane", "doe"), ("johnny", "doe"), ("janie", "doe")})
_BIRTH_DATES = _words(
    """
    0001-01-01 1753-01-01 1800-01-01 1850-01-01 1899-12-30 1899-12-31 1900-01-01 1900-01-02 1901-01-01
    1904-01-01 1910-01-01 1911-11-11 9999-12-31
    """
)
_EPOCH = "1970-01-01"
_PUNCTUATION = re.compile("[._-]")
_NO_LETTER_OR_DIGIT = re.compile("[^a-z0-9]")


def is_filler_phone(e164: str) -> bool:
    """Tell whether a phone number can only have been typed to fill the field.

    `e164` is "+" and digits. Fillers, after the country code: one digit throughout (also as the last seven),
    counting up or down, at most three digits over and over, 111-222-3333, 123-123-1234, directory assistance
    555-1212. Numbers in 555-01xx are kept: they are reserved for examples, and partners test with them.
    """
    code = 2 if e164[1:2] in {"1", "7"} else 3 if e164[1:3] in _TWO_DIGIT_COUNTRIES else 4
    national = e164[code:]
    if len(national) < 5 or (national[-1] == national[-2] and _is_one_letter(national[-7:])):
        return True
    if national[2] == national[0] and national[2:] == national[:-2]:  # two digits over and over
        return True
    if national[3] == national[0] and national[3:] == national[:-3]:  # three
        return True
    if national in _COUNTING_UP or national in _COUNTING_DOWN:
        return True
    if len(national) != 10:
        return False
    if national[3:] == _DIRECTORY_ASSISTANCE or national == "1231231234":
        return True
    if national[0] != national[1]:
        return False
    return _is_one_letter(national[:3]) and _is_one_letter(national[3:6]) and _is_one_letter(national[6:])


def is_filler_email(email: str) -> bool:
    """Tell whether a normalised email address can only have been typed to fill the field.

    So are `noemail@…`, `none@…`, `…@noemail.com`, `a@a.com` and `test@test.com`. Addresses at
    example.com are kept: partners test with them.
    """
    _, bare, host = _parts(email)
    return _is_filler_address(bare, host)


def _parts(email: str) -> tuple[str, str, str]:
    """Return what stands before the @; of that, letters and digits alone; and the first part of the domain."""
    local, _, domain = email.lower().partition("@")
    bare = local.replace(".", "")
    if not (bare.isascii() and bare.isalnum()):
        bare = _NO_LETTER_OR_DIGIT.sub("", bare)
    return local, bare, domain.partition(".")[0]


def _is_filler_address(bare: str, host: str) -> bool:
    if bare in _FILLER_LOCALS or host in _FILLER_HOSTS:
        return True
    if bare == host:
        return _is_one_letter(bare) or bare in _ROLE_LOCALS or bare in _SAMPLES or bare.isdigit()
    return _is_one_letter(host) and _is_one_letter(bare)


def _is_one_letter(text: str) -> bool:
    """Tell whether a text is one letter or digit throughout."""
    return text != "" and text.count(text[0]) == len(text)


def is_placeholder_email(email: str) -> bool:
    """Tell whether an email address is nobody's own: a filler, or the mailbox of a role or an office."""
    local, bare, host = _parts(email)
    return (bare in _ROLE_LOCALS and _PUNCTUATION.sub("", local) == bare) or _is_filler_address(bare, host)


def is_placeholder_name(folded: str) -> bool:
    """Tell whether one folded name component ("baby boy", "unknown", "n a") stands for a missing name.

    "Baby Boy", "Twin A", "Girl 2", "BB Mia" are newborns not yet named on their papers: two of them on one
    phone are siblings, not one person.
    """
    words = folded.split()
    bare = "".join(words)
    if not bare or bare in _NAME_WORDS or words == ["n", "a"] or bare.isdigit():
        return True
    if len(bare) >= 2 and bare == bare[0] * len(bare) and bare[0] in "xyz":
        return True
    if words[0] in {"baby", "bb", "bg", "infant", "newborn", "nb", "twin", "triplet"} and len(words) > 1:
        return True
    return words[0] in _NAME_WORDS and all(w in _NAME_WORDS or w in _INFANT_REST or w.isdigit() for w in words)


def is_newborn_name(folded: str) -> bool:
    """Tell whether a folded given name says whose newborn this is, or which: "judy girl", "hijo de maria", "twina".

    So hospitals name newborns who have no name yet. It is a name, but of two born together only a letter or number
    differs: "judy girl a", "judy girl b".
    """
    return _NEWBORN.fullmatch(folded) is not None


def is_unknown_person(first: str, last: str) -> bool:
    """Tell whether two folded names together are a stand-in for an unknown person: John or Jane Doe."""
    return (first, last) in _UNKNOWN_PERSONS


def is_placeholder_birth_date(iso: str) -> bool:
    """Tell whether a date of birth is the default of some software, or the old stand-in for "unknown".

    They are the epochs of databases and spreadsheets; hardly a living patient was born on one.
    """
    return iso in _BIRTH_DATES


def is_doubtful_birth_date(iso: str) -> bool:
    """Tell whether a date of birth has real bearers but is also a common default: the epoch of Unix.

    It counts as a date of birth, but not against contacts that contradict.
    """
    return iso == _EPOCH
