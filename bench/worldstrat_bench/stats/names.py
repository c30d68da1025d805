"""Rules for titles and names of authors, and which names readers would take for each other.

A name that looks like another's, or that says "verified", is read as what it looks like. So a name uses the letters of
one script, and two names must differ in their *skeleton*: what is left when letters that look alike are made one, after
Unicode's technical standard 39, for the scripts that names may use. The table is stricter than the standard's: it also
ignores case, accents, spaces and punctuation.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from itertools import accumulate
from typing import Final

_SCRIPTS: Final[dict[str, tuple[tuple[int, int], ...]]] = {
    "Latin": ((0x41, 0x5A), (0x61, 0x7A), (0xC0, 0xD6), (0xD8, 0xF6), (0xF8, 0x17E)),
    "Greek": ((0x386, 0x386), (0x388, 0x3CE)),
    "Cyrillic": ((0x400, 0x45F), (0x490, 0x491)),
    "Han": ((0x3005, 0x3005), (0x4E00, 0x9FFF)),
    "Hiragana": ((0x3041, 0x3096),),
    "Katakana": ((0x30A1, 0x30FA), (0x30FC, 0x30FC)),
    "Hangul": ((0xAC00, 0xD7A3),),
}
"""Script to the letters that names may use: those of today's languages, without look-alike variants of them."""

SYMBOLS: Final = "+×"
_PUNCTUATION: Final = " -_.,:/()'&"
RESERVED: Final = ("verified", "maintainer", "official", "self-reported", "certified")
"""Words that only the pages themselves may say of an entry."""

_TICKS: Final = "✓✔☑✅🗸🗹√"

_ALIKE: Final[dict[str, str]] = {
    letter: plain
    for plain, letters in {
        "a": "АаΑα",
        "b": "ВвЬьΒβß",
        "c": "Сс",
        "d": "đðÐĐ",
        "e": "ЕеΕεЄє",
        "h": "НнΗħĦ",
        "j": "Јј",
        "k": "КкΚκĸ",
        "l": "ІіΙιıłŁ1|",
        "m": "МмΜ",
        "n": "ΝηпПŋŊΠπ",
        "o": "ОоΟοσ0øØ",
        "p": "РрΡρþÞ",
        "r": "гГґҐΓ",
        "s": "Ѕѕ",
        "t": "ТтΤτŧŦ",
        "u": "υμиИ",
        "v": "ν",
        "w": "ωшШ",
        "x": "ХхΧχ×",
        "y": "УуΥγ",
        "z": "Ζ",
        "3": "Зз",
        "6": "б",
        "φ": "ΦФф",
        "ae": "æÆ",
        "bl": "Ыы",
        "lo": "Юю",
        "oe": "œŒ",
        "二": "ニ",
        "力": "カ",
        "口": "ロ囗",
        "夕": "タ",
        "卜": "ト",
        "八": "ハ",
        "工": "エ",
        "千": "チ",
        "一": "ー",
        "ヘ": "へ",
        "リ": "り",
        "亻": "イ",
        "/": "ノ丿",
    }.items()
    for letter in letters
}
_LIKE_AN_I: Final = "ІіΙιı"
# Han characters that the standard calls alike, in pairs.
_ALIKE_HAN: Final = (
    "併倂値值啓啟土士塡填墫壿媯嬀帡帲戶戸晚晩朌肦朏胐朐胊朓脁朘脧朣膧杮柿榝樧溈潙研硏絕絶"
    "胼腁蒍蔿蘷虁訮詽讆讏豜豣赿趆跥跺躗躛軿輧郎郞鎭鎮隷隸鹂鹃黑黒"
)
_ALIKE.update(zip(_ALIKE_HAN[1::2], _ALIKE_HAN[::2], strict=True))
_PAIRS: Final = (("rn", "m"), ("vv", "w"))


_LOOSE_STOP: Final = re.compile(r"(?<![0-9])\.|\.(?![0-9])")
"""A full stop that is not between two digits."""

TITLE_SHOWN: Final = 60
"""Characters of a title that pages show."""

_BLANK: Final = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and signs that are drawn as nothing, or as a gap."""

_MARKS: Final = ("Mn", "Me")

_READ, _LOOKED_AT = 12_000, 2_500
"""Characters of a text: more than any page reads, and more than any page shows."""

_LONGEST_READ: Final = 4
"""Letters that one character may be read as: one is drawn as a sentence of eighteen, of which no word is made here."""

_CODES: Final = re.compile(r":(?=[A-Za-z0-9_+-]+:)|#(?=[0-9])|gh-(?=[0-9])", re.IGNORECASE)


def name_fault(name: str) -> str:
    """Return why a name cannot be used as a title or an author, in words; "" if it can."""
    if unicodedata.normalize("NFKC", name) != name:
        return "it holds a character that is a variant of another one: use the plain letter"
    scripts: dict[str, str] = {}
    for place, character in enumerate(name):
        script = _script_of(character)
        if script == "Greek" and _stands_alone(name, place):
            continue
        if script:
            scripts.setdefault(script, character)
        elif not (character in SYMBOLS + _PUNCTUATION or (character.isascii() and character.isdigit())):
            shown = repr(character) if character.isprintable() else f"U+{ord(character):04X}"
            return f"it holds {shown}: letters, digits, + and × are allowed, and {_PUNCTUATION.strip()}"
    if len(scripts) > 1:
        found = " and ".join(f"{script} ({letter!r})" for script, letter in list(scripts.items())[:2])
        return f"it mixes letters of two scripts: {found}; a Greek letter may stand by itself"
    if not any(character.isalnum() for character in name):
        return "it holds neither a letter nor a digit"
    return reserved_fault(name)


def author_fault(name: str) -> str:
    """Return why an author cannot be called so, in words; "" if one can. People's names are written in many ways."""
    hidden = next((c for c in name if not c.isprintable() or c in _BLANK or "\ufe00" <= c <= "\ufe0f"), None)
    if hidden:
        return f"it holds U+{ord(hidden):04X}, which is not shown"
    sign = next((character for character in name if unicodedata.category(character) in ("So", "Sm", "Sk")), None)
    return f"it holds {sign!r}, which is not a letter" if sign else reserved_fault(name)


def reserved_fault(name: str) -> str:
    """Return which word of a text only the pages say of an entry, in words; "" if there is none."""
    # A bar may stand for a letter, and so may a sign stand between two: both are read.
    looks = {_letters(name), _letters("".join(c for c in map(_letter_drawn, name) if c.isalnum() and c not in _BLANK))}
    reserved = next((word for word in RESERVED if any(_looks_like(look, _letters(word)) for look in looks)), None)
    return f"it looks like the word {reserved!r}, which only these pages say of an entry" if reserved else ""


def word_fault(text: str) -> str:
    """Return what of a text only the pages say or show of an entry, in words; "" if there is nothing."""
    sign = next((character for character in text if character in _TICKS), None)
    if sign:
        return f"it holds {sign!r}, which only these pages show"
    # As pages show it: what is not printed, spaces and accents would push the words beyond what is looked at.
    shown = (c for c in text[:_READ] if c.isprintable() and not c.isspace() and unicodedata.category(c) not in _MARKS)
    return reserved_fault("".join(shown)[:_LOOKED_AT])


@lru_cache(maxsize=4096)
def _letter_drawn(character: str) -> str:
    """Return the letter that a small capital, or a sign with one letter in it, is read as; others as they are."""
    words = unicodedata.name(character, "").split() if not character.isascii() else []
    drawn = bool(words) and len(words[-1]) == 1 and ("LATIN" in words or "REGIONAL" in words)
    return words[-1].lower() if drawn else character


def _letters(name: str) -> str:
    """Return the skeleton of a name without anything between its letters."""
    shown = "".join(
        _letter_drawn(c) for c in name if unicodedata.category(c) not in (*_MARKS, "Cf") and c not in _BLANK
    )
    return skeleton(shown).replace(".", "")


def _looks_like(look: str, word: str) -> bool:
    """Return whether a word is in a text; a letter that no table here knows may stand for any of its letters.

    At least half of the letters have to be the word's own: a name in another script is not every word.
    """
    # Nearly every text is of plain letters, and strangers decide how many texts there are.
    if look.isascii() or word in look:
        return word in look
    # No word has half of its letters in a place that holds so many unknown ones; they may be all of a long text.
    look = _UNKNOWN.sub(lambda found: found[0][: len(word)], look)
    known = [0, *accumulate(map(str.isascii, look))]
    starts = (found.start() for found in _like(word).finditer(look))
    return any(2 * (known[start + len(word)] - known[start]) >= len(word) for start in starts)


_UNKNOWN: Final = re.compile(r"[^\x00-\x7f]{8,}")


@cache
def _like(word: str) -> re.Pattern[str]:
    """Return what finds a word wherever it begins, with letters that no table knows in place of some of its own."""
    letters = "".join(f"(?:{letter}|[^\\x00-\\x7f])" for letter in word)
    return re.compile(f"(?={letters})")


def skeleton(name: str) -> str:
    """Return what a reader sees of a name: equal for two names that can be taken for each other."""
    # A full stop tells 1.0 from 10; elsewhere it is not seen: "SRNet." would be another name than "SRNet".
    mapped = "".join(_ALIKE.get(character, character) for character in _LOOSE_STOP.sub("", name))
    parts = "".join(map(_parts, mapped.casefold()))
    plain = "".join(_ALIKE.get(c, c) for c in parts if not unicodedata.combining(c))
    plain = "".join(c for c in plain if c == "." or c not in _PUNCTUATION).replace("i", "l")
    for pair, single in _PAIRS:
        plain = plain.replace(pair, single)
    return plain


@lru_cache(maxsize=4096)
def _parts(character: str) -> str:
    """Return what a character is made of, without variants; itself where that is a whole word."""
    parts = unicodedata.normalize("NFKD", character)
    return parts if len(parts) <= _LONGEST_READ else character


def author_key(name: str) -> str:
    """Return an author's name as counting compares it: without case, accents, spaces and punctuation.

    Letters of other scripts are read as the Latin ones that they look like. Latin ones are not: people whose names look
    alike ("Ian Li" and "Lan Li") are two, and may count both.
    """
    latin = "".join(c if c.isascii() else "i" if c in _LIKE_AN_I else _ALIKE.get(c, c) for c in name)
    parts = unicodedata.normalize("NFKD", latin.casefold())
    return "".join(c for c in parts if c.isalnum()) or name


def alike(title: str, other: str) -> bool:
    """Return whether readers would take a title for another one: whole, or as pages cut it."""
    title, other = (" ".join(each.split()) for each in (title, other))
    if max(len(title), len(other)) > TITLE_SHOWN:
        title, other = title[: TITLE_SHOWN - 1], other[: TITLE_SHOWN - 1]
    return skeleton(title) == skeleton(other)


def without_codes(text: str) -> str:
    """Return a text in which a forge finds no code of a sign, such as ``:tada:``, and no number of an issue.

    A forge looks for both after Markdown, so that no escape of Markdown keeps them; a space of no width does.
    """
    return _CODES.sub("\\g<0>\u200b", text)


def _script_of(character: str) -> str:
    """Return the script of a letter that names may use; "" for anything else."""
    code = ord(character)
    inside = (name for name, ranges in _SCRIPTS.items() if any(low <= code <= high for low, high in ranges))
    return next(inside, "") if character.isalpha() or character in "々ー" else ""


def _stands_alone(name: str, place: int) -> bool:
    """Return whether neither neighbour of a character is a letter."""
    around = name[max(0, place - 1) : place] + name[place + 1 : place + 2]
    return not any(character.isalpha() for character in around)
