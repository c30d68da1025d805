"""The form that all artefacts share: frozen values, one way to read and write them, one text for what is wrong.

An artefact may come from a stranger: files are measured before they are read, unknown keys and numbers that are not
finite are errors, and every error says what is wrong, in which file, and how to get a valid one.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from worldstrat_bench.artefacts.durable import write_durably
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.plain_files import read_plain
from worldstrat_bench.toml_text import read_toml

_NUMBER = re.compile(r"-?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,4})?")
_LONGEST_KEY = 60
_LONGEST_REASON = 200


class Part(BaseModel):
    """A value that never changes; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


P = TypeVar("P", bound=Part)


class Artefact(Part):
    """A JSON document of a fixed name.

    Attributes
    ----------
    FILE : its name in a run or a result folder.
    KIND : what messages call it.
    REMEDY : how to get a valid one.
    MAX_BYTES : larger files are refused unread.
    """

    FILE: ClassVar[str]
    KIND: ClassVar[str]
    REMEDY: ClassVar[str]
    MAX_BYTES: ClassVar[int]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the artefact from a file; see :meth:`parse`.

        Raises
        ------
        InvalidArtefactError
            if the file is missing, cannot be read, or is not valid.
        """
        return cls.parse(read_file(path, cls.KIND, cls.MAX_BYTES, cls.REMEDY), where=path)

    @classmethod
    def parse(cls, content: bytes | str, *, where: object = None) -> Self:
        """Read the artefact from the content of its file.

        Raises
        ------
        InvalidArtefactError
            naming the first key that is wrong: too large, not JSON, not of the schema, or not consistent in itself.
        """
        where = cls.FILE if where is None else where
        try:
            # Asked again here: content may come from a repository or an archive, where no file was measured.
            if len(content) > cls.MAX_BYTES:
                raise ValueError(f"larger than {cls.MAX_BYTES:,} bytes")
            document = read_json(content)
            # First: an older schema is told in its own words, not as a list of keys that are unknown today.
            cls._check_document(document)
            found = cls.model_validate(document)
            # Given the document as it was written: a digest over it must not include defaults that were filled in.
            found._check_content(document)
        except ValidationError as error:
            reason = first_problem(error)
        except ValueError as error:
            reason = str(error)
        else:
            return found
        raise InvalidArtefactError(f"not a valid {cls.KIND}: {reason}", where=where, remedy=cls.REMEDY)

    @classmethod
    def parse_if_valid(cls, content: bytes | None) -> Self | None:
        """Return the artefact, or None without a file or if it is not valid, for readers that leave such files out."""
        try:
            return None if content is None else cls.parse(content)
        except InvalidArtefactError:
            return None

    def dump(self) -> str:
        """Return the text of the file: indented, keys sorted, newline at the end."""
        return json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    def save(self, path: Path) -> None:
        """Write the file durably.

        Raises
        ------
        InfrastructureError
            if the disk is full or fails.
        """
        write_durably(path, self.dump().encode())

    @classmethod
    def _check_document(cls, document: object) -> None:
        """Refuse a document before its schema is applied, with a ValueError that says what is wrong."""

    def _check_content(self, document: Any) -> None:
        """Refuse valid content that contradicts itself, with a ValueError that says how."""


def read_file(path: Path, kind: str, max_bytes: int, remedy: str) -> bytes:
    """Return the content of an artefact's file.

    Raises
    ------
    InvalidArtefactError
        if it is missing, cannot be read or is larger than `max_bytes`.
    """
    try:
        content = read_plain(path, max_bytes)
    except FileNotFoundError:
        raise InvalidArtefactError(f"there is no {kind}", where=path, remedy=remedy) from None
    except OSError as error:
        what = f"the {kind} cannot be read: {error.strerror or error}"
        raise InvalidArtefactError(what, where=path, remedy=remedy) from None
    if len(content) > max_bytes:
        what = f"not a valid {kind}: larger than {max_bytes:,} bytes"
        raise InvalidArtefactError(what, where=path, remedy=remedy)
    return content


def decoded(content: bytes | str) -> str:
    """Return the text of a file, without a byte order mark.

    Raises
    ------
    ValueError
        if it is not UTF-8.
    """
    try:
        return content.decode("utf-8-sig") if isinstance(content, bytes) else content
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: {error.reason} at byte {error.start}") from None


def read_json(content: bytes | str) -> Any:
    """Return a JSON document; NaN and infinities, which JSON does not know, are errors.

    Raises
    ------
    ValueError
        if it is not JSON or nested too deep.
    """
    text = decoded(content)
    try:
        # Python's reader takes NaN and keeps the last of two equal keys; another reader of the same file may do
        # otherwise.
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {str(error)[:_LONGEST_REASON]}") from None


def read_csv(text: str, most: int) -> list[list[str]]:
    """Return the rows of a CSV table.

    Parameters
    ----------
    most : rows that there may be: a file of line ends alone has millions.

    Raises
    ------
    ValueError
        if it is not a CSV table, or has more rows.
    """
    try:
        rows = list(islice(csv.reader(io.StringIO(text), strict=True), most + 1))
    except csv.Error as error:
        raise ValueError(f"not a CSV table: {error}") from None
    if len(rows) > most:
        raise ValueError(f"more than {most:,} rows")
    return rows


def finite_number(cell: str) -> float:
    """Return the number in a cell of a table, in digits that every program reads alike.

    Raises
    ------
    ValueError
        if it is spelt otherwise, or not finite.
    """
    try:
        value = float(cell)
    except ValueError:
        raise ValueError(f"{cell[:40]!r} is not a number") from None
    if not math.isfinite(value):
        raise ValueError(f"{cell[:40]!r} is not finite")
    # Python also takes spaces, underscores and digits of other scripts; another reader of the same file finds text.
    if not _NUMBER.fullmatch(cell):
        raise ValueError(f"{cell[:40]!r} is a number to some programs only")
    return value


def parse_toml(kind: type[P], content: bytes | str, *, name: str, where: object, remedy: str) -> P:
    """Return the content of a TOML file that a repository holds.

    Parameters
    ----------
    kind : what it has to be.
    name : what messages call it.

    Raises
    ------
    InvalidArtefactError
        naming the first key that is wrong: not UTF-8, not TOML, or not of the schema.
    """
    try:
        return kind.model_validate(read_toml(decoded(content)))
    except ValidationError as error:
        reason = first_problem(error)
    except ValueError as error:
        reason = str(error)
    raise InvalidArtefactError(f"not a valid {name}: {reason}", where=where, remedy=remedy)


def first_problem(error: ValidationError) -> str:
    """Return "key.of.the.value: what is wrong with it" of the first problem that pydantic found."""
    # One problem, and without the input: a file of a stranger must not fill the terminal or the comment of a check.
    first = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part)[:_LONGEST_KEY] for part in first["loc"])
    return f"{key}: {first['msg']}" if key else first["msg"]


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; a key that comes twice means one thing to this reader and another to the next."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not allowed")
