"""References in BibTeX: a model, the data, this benchmark."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from worldstrat_bench.artefacts.record import Record

WORLDSTRAT = r"""@inproceedings{worldstrat2022,
  title = {Open High-Resolution Satellite Imagery: The {WorldStrat} Dataset -- With Application to Super-Resolution},
  author = {Cornebise, Julien and Or{\v{s}}oli{\'c}, Ivan and Kalaitzis, Freddie},
  booktitle = {Advances in Neural Information Processing Systems, Datasets and Benchmarks Track},
  year = {2022},
  eprint = {2207.06418},
  archiveprefix = {arXiv},
}
"""

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "–": "--",
    "°": r"$^\circ$",
    "±": r"$\pm$",
    "≤": r"$\leq$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "×": r"$\times$",
    "…": r"\dots{}",
    "−": r"$-$",
}


@dataclass(frozen=True)
class About:
    """A submission's description of its model; a run without a submission has none."""

    title: str
    authors: tuple[str, ...]
    paper: str | None = None
    code: str | None = None


def latex_text(text: str) -> str:
    """Return text with every character that LaTeX would read as a command replaced; control characters are spaces."""
    return "".join(_LATEX.get(c, c if c.isprintable() else " ") for c in text)


def citation_key(text: str) -> str:
    """Return a key of letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "model"


def model_entry(key: str, record: Record, about: About | None, *, page: str = "", standing: str = "") -> str:
    """Return the reference of a model; without a submission it is named as its record does.

    Parameters
    ----------
    page : address of its page on a site, for a model without a paper and without code.
    standing : on which board it is and who computed its numbers, in words.
    """
    model = record.model
    fields = {"title": f"{{{latex_text(about.title if about else model.submission or model.name)}}}"}
    if about is not None:
        # Braces keep the name of an organisation whole; "and" parts authors.
        fields["author"] = " and ".join(f"{{{latex_text(author)}}}" for author in about.authors)
    fields["year"] = _year(record)
    fields["url"] = _address(((about.paper or about.code) if about else None) or page)
    package = f"{model.distribution} {model.version or ''}".strip() if model.distribution else model.version or ""
    notes = [standing, package, f"record {record.record_id[:16]}", f"evaluated {record.created[:10]}"]
    fields["note"] = latex_text(", ".join(note for note in notes if note))
    return _entry("misc", key, fields)


def _address(url: str) -> str:
    """Return an address that ends no field of BibTeX: braces and backslashes are written as their codes."""
    return url.replace("{", "%7B").replace("}", "%7D").replace("\\", "%5C")


def _year(record: Record) -> str:
    """Return the year of a record; "" if its authors wrote no date."""
    year = record.created[:4]
    return year if year.isascii() and year.isdigit() else ""


def harness_entry(record: Record, *, page: str = "", standing: str = "", repository: str = "", doi: str = "") -> str:
    """Return the reference of this benchmark, as it made a record.

    Parameters
    ----------
    page : address of the board that is cited.
    standing : which board that is, in words.
    repository : address of the repository; it is the reference's address where there is no page.
    doi : of the benchmark.
    """
    harness = record.harness
    commit = f", commit {harness.commit[:12]}" if harness.commit else ""
    protocol = f"protocol {record.protocol.id}, sha256 {record.protocol.sha256[:16]}{commit}"
    fields = {
        "title": "{worldstrat-bench}: a fixed, shift-aware benchmark of {Sentinel-2} super-resolution on {WorldStrat}",
        "author": "{The worldstrat-bench maintainers}",
        "year": _year(record),
        "doi": doi,
        "url": page or repository,
        # The field of biblatex-software; other styles leave it out.
        "repository": repository if page else "",
        "version": latex_text(harness.version),
        "note": latex_text(", ".join(note for note in (standing, protocol) if note)),
    }
    return _entry("software", "worldstratbench", fields)


def _entry(kind: str, key: str, fields: Mapping[str, str]) -> str:
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{key},", *lines, "}", ""])
