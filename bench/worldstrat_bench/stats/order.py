"""Order of records and submissions: by what maintainers wrote, never by dates of authors."""

from __future__ import annotations

from collections.abc import Sequence

from worldstrat_bench.artefacts.verification import Verification


def shown_first(record_id: str, verification: Verification | None, listed: Sequence[str]) -> tuple[bool, str, int, str]:
    """Return a key: of several records of one submission on a board the one with the largest key is shown.

    A record that maintainers verified goes before others, and of these the one that was verified last. Of the others
    the one that comes last in the list of merged records; where none is listed, the digest of the records decides.

    Parameters
    ----------
    verification : of the record, if maintainers computed its numbers.
    listed : record ids in the order in which they were merged.
    """
    since = verification.verified_at if verification is not None else ""
    place = listed.index(record_id) if record_id in listed else -1
    return verification is not None, since, place, record_id


def named_first(
    slug: str | None, record_id: str, verification: Verification | None, merged: Sequence[str]
) -> tuple[bool, int, str, str]:
    """Return a key: of several submissions that look like the same name the one with the smallest key keeps it.

    Verified ones come first, then the order of merges, then that of verifications.

    Parameters
    ----------
    slug : of the submission; None for a run without one.
    verification : of the record, if maintainers computed its numbers.
    merged : slugs in the order in which they were merged.
    """
    place = merged.index(slug) if slug in merged else len(merged)
    since = verification.verified_at if verification is not None else ""
    return verification is None, place, since, record_id
