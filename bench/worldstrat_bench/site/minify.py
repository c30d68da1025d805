"""Short names and no spaces for the script that is shipped, so that a page stays within its budget.

This is not a JavaScript parser. It relies on the style of the sources, which Biome and the tests hold: every statement
ends with a semicolon, one name a declaration, no template in a template, no method in an object and no default in
a pattern of one, no label.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import count, product

_TOKEN = re.compile(
    r"""(?P<word>[A-Za-z_$][\w$]*)|(?P<number>\d[\w.]*|\.\d+)
    |(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)
    |(?P<space>\s+)|(?P<mark>=>|\.\.\.|\?\.(?!\d)|[^\w\s"'`])""",
    re.VERBOSE,
)
_REGEX = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\\n])+/\w*")
_BEFORE_REGEX = frozenset("(,=:[!&|?{};") | {"=>", "return"}
_INSERT = re.compile(r"\$\{([^}]*)\}")
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_ENDS = frozenset(_CLOSING.values())
_RESERVED = frozenset(
    re.findall(
        r"\w+",
        "as async await break case catch class const continue default delete do else export extends false finally for "
        "from function get if import in instanceof let new null of return set static super switch this throw true "
        "try typeof undefined var void while with yield",
    )
)
_KEPT = frozenset({"window", "document", "location", "history", "event", "name", "self", "top"})
"""Names of the browser: where a source has a variable of that name, it keeps it."""


def minified(script: str) -> str:
    """Return a script, one function that is called, without comments and with short names; it does the same.

    A variable has one short name in all scopes. Two may share one if no statement of the outer function has both, so
    that what a name is bound to does not change. Properties keep their names.

    Raises
    ------
    ValueError
        if a text or a bracket is not closed.
    """
    read = list(_tokens(script))
    if sum((token in _CLOSING) - (token in _ENDS) for token in read):
        raise ValueError("a bracket is never closed")
    tokens = _arrows(read)
    words, entries = _words(tokens), _entries(tokens)
    bound = {name for name in _bound(tokens) - _KEPT if _gains(name, tokens, words, entries)}
    statements = _statements(tokens)
    outer = {s[1] for s in statements if s[0] in ("const", "let")}
    near: dict[str, set[str]] = {name: set(outer) if name in outer else set() for name in bound}
    for statement in statements:
        together = bound & set(_words(statement))
        for name in together:
            near[name] |= together
    uses = Counter(word for word in words if word in bound)
    taken = _RESERVED | {word for word in words if word not in bound}
    names: dict[str, str] = {}
    for name, _ in sorted(uses.items(), key=lambda use: (-use[1], use[0])):
        used = taken | {names[other] for other in near[name] if other in names}
        names[name] = next(short for short in _short() if short not in used)
    return _joined(tokens, names)


def _statements(tokens: list[str]) -> list[list[str]]:
    """Return the statements of the outer function."""
    found: list[list[str]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token in _CLOSING) - (token in _ENDS)
        found[-1].append(token)
        if token == ";" and depth == 2:
            found.append([])
    found[0] = found[0][found[0].index("=>") + 2 :] if "=>" in found[0] else found[0]
    return [statement for statement in found if statement]


def _tokens(script: str) -> Iterator[str]:
    """Yield the words, numbers, texts and marks of a script, without spaces."""
    at, last = 0, ";"
    while at < len(script):
        regex = _REGEX.match(script, at) if last in _BEFORE_REGEX else None
        match = regex or _TOKEN.match(script, at)
        if match is None:
            raise ValueError(f"not understood: {script[at : at + 40]!r}")
        at = match.end()
        if regex or match.lastgroup != "space":
            last = match[0]
            yield last


def _arrows(tokens: list[str]) -> list[str]:
    """Functions as arrows, which are shorter: the sources call none before its line and use no ``this``."""
    out: list[str] = []
    i = 0
    while i < len(tokens):
        if tokens[i] == "function":
            opened = _closing(tokens, i + 2) + 1
            closed = _closing(tokens, opened)
            start = ["async"] if out and out[-1] == "async" else []
            del out[len(out) - len(start) :]
            head = _arrows([*tokens[i + 2 : opened], "=>"])
            out += ["const", tokens[i + 1], "=", *start, *head, *_body(_arrows(tokens[opened : closed + 1])), ";"]
            i = closed + 1
        elif tokens[i] == "(" and tokens[i + 2 : i + 4] == [")", "=>"] and _is_word(tokens[i + 1]):
            out.append(tokens[i + 1])
            i += 3
        else:
            out.append(tokens[i])
            i += 1
    return out


def _body(block: list[str]) -> list[str]:
    """Return what an arrow leads to: for a block that only returns, the value."""
    inner = block[1:-2]
    if block[1] != "return" or block[-2] != ";" or ";" in inner:
        return block
    return ["(", *inner[1:], ")"] if inner[1] == "{" else inner[1:]


def _words(tokens: list[str]) -> list[str]:
    """All names in variable places, those in templates included."""
    found = [t for i, t in enumerate(tokens) if _is_word(t) and not _is_property(tokens, i)]
    for token in tokens:
        if token.startswith("`"):
            for part in _INSERT.findall(token):
                found += _words(list(_tokens(part)))
    return found


def _is_word(token: str) -> bool:
    return token[0].isalpha() or token[0] in "_$"


def _is_property(tokens: list[str], i: int) -> bool:
    """Return whether a word is what stands after a dot, or the key of an object."""
    before = tokens[i - 1] if i else ""
    after = tokens[i + 1] if i + 1 < len(tokens) else ""
    return before in (".", "?.") or (after == ":" and before in ("{", ","))


def _bound(tokens: list[str]) -> set[str]:
    """Return the names that the script declares."""
    found = set()
    for i, token in enumerate(tokens):
        if token in ("const", "let"):
            found |= _pattern(tokens, i + 1) if tokens[i + 1] in _CLOSING else {tokens[i + 1]}
        elif token == "=>" and _is_word(tokens[i - 1]):
            found.add(tokens[i - 1])
        elif token == "=>":
            found |= _pattern(tokens, _opening(tokens, i - 1))
    return {word for word in found if _is_word(word)} - _RESERVED


def _entries(tokens: list[str]) -> set[int]:
    """Return where a word is an entry of an object that has its value's name, as in {view}."""
    found, stack = set(), [""]
    for i, token in enumerate(tokens):
        if token in _CLOSING:
            stack.append(token)
        elif token in _ENDS:
            stack.pop()
        elif stack[-1] == "{" and _is_word(token) and tokens[i - 1] in ("{", ",") and tokens[i + 1] in (",", "}"):
            found.add(i)
    return found


def _gains(name: str, tokens: list[str], words: list[str], entries: set[int]) -> bool:
    """Return whether a short name saves more than it costs where {view} becomes {view:v}."""
    dear = sum(tokens[i] == name for i in entries)
    return (words.count(name) - dear) * (len(name) - 1.5) > 2.5 * dear


def _opening(tokens: list[str], end: int) -> int:
    """Return where the bracket opens that closes at `end`."""
    depth = 0
    for i in range(end, -1, -1):
        depth += (tokens[i] in _ENDS) - (tokens[i] in _CLOSING)
        if depth == 0:
            return i
    raise ValueError("a bracket is never opened")


def _closing(tokens: list[str], start: int) -> int:
    """Return where the bracket closes that opens at `start`."""
    depth = 0
    for i in range(start, len(tokens)):
        depth += (tokens[i] in _CLOSING) - (tokens[i] in _ENDS)
        if depth == 0:
            return i
    raise ValueError("a bracket is never closed")


def _pattern(tokens: list[str], start: int) -> set[str]:
    """Return the names that a pattern or a list of parameters binds."""
    return {
        tokens[i]
        for i in range(start, _closing(tokens, start))
        if _is_word(tokens[i]) and tokens[i - 1] in ("(", "[", "{", ",", ":", "...") and not _is_property(tokens, i)
    }


def _short() -> Iterator[str]:
    for length in count(1):
        yield from map("".join, product(_LETTERS, repeat=length))


def _joined(tokens: list[str], names: dict[str, str]) -> str:
    """Return the tokens with short names; a space only where needed, and one ``let`` for many in a row."""
    out: list[str] = []
    entries = _entries(tokens)
    declared = [False]  # by depth: whether the statement that ends next declares
    for i, token in enumerate(tokens):
        text = "let" if token == "const" else token
        if text == "let":
            if declared[-1] and tokens[i - 1] == ";":
                out[-1] = ","
                continue
            declared[-1] = True
        elif i and tokens[i - 1] in (";", "}"):
            declared[-1] = declared[-1] and tokens[i - 1] == "}" and token in (";", ",")
        if token.startswith("`"):
            text = _INSERT.sub(lambda m: "${" + _joined(list(_tokens(m[1])), names) + "}", token)
        elif token in names and not _is_property(tokens, i):
            text = names[token]
            # {view} is short for {view: view}, and the key keeps its name.
            if i in entries:
                text = f"{token}:{text}"
        elif token in _CLOSING:
            declared.append(False)
        elif token in _ENDS:
            declared.pop()
        if out and _clash(out[-1], text):
            out.append(" ")
        if text == "}" and out[-1] == ";":
            out.pop()  # the last statement of a block needs no semicolon
        out.append(text)
    return "".join(out)


def _clash(before: str, after: str) -> bool:
    word = re.compile(r"[\w$]")
    return bool(word.match(before[-1]) and word.match(after[0])) or (before[-1] == after[0] and after[0] in "+-/")
