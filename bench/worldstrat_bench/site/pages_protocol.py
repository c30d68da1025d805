"""The pages of a board about its own protocol: does the order depend on it, and what is a decibel of another worth."""

from __future__ import annotations

from collections.abc import Sequence

from worldstrat_bench.site import pages_exchange, pages_sensitivity
from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.pages_board import Context
from worldstrat_bench.site.render import Output
from worldstrat_bench.site.studies import Study


def build_about_protocol(
    out: Output, division: Division, common: Context, divisions: Sequence[Division], studies: Sequence[Study]
) -> list[tuple[str, str]]:
    """Write the pages that a board has; return the text and the page of each link to them.

    Parameters
    ----------
    divisions : all boards of the site, those of other protocols among them, and those without a page.
    studies : those of the board.
    """
    rates = pages_exchange.exchanges(division, divisions)
    pages_sensitivity.build_sensitivity(out, division, common, studies)
    pages_exchange.build_exchange(out, division, common, rates)
    links = [("Does the order depend on the protocol?", pages_sensitivity.PAGE)] if studies else []
    return links + ([("What is a decibel of another protocol worth here?", pages_exchange.PAGE)] if rates else [])
