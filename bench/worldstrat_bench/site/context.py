"""Values that the template of every page is given."""

from __future__ import annotations

from worldstrat_bench import __version__
from worldstrat_bench.site.banner import banner_of
from worldstrat_bench.site.citations import no_address
from worldstrat_bench.site.config import BoardConfig
from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.licences import footer

# Texts of strangers are escaped everywhere; should one get through, the browser still loads and runs nothing of it.
# Pictures may be data: because the crops of the viewer come as text.
CSP = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; base-uri 'none'; form-action 'none'"
)

DESCRIPTION = (
    "A fixed, shift-aware benchmark of Sentinel-2 super-resolution on WorldStrat: paired tests, strata, all records."
)


def common_context(division: Division | None, config: BoardConfig) -> dict[str, object]:
    """Return the values that the templates of all pages of a division use, or of pages without one."""
    return {
        "d": division,
        "csp": CSP,
        "version": __version__,
        "banner": banner_of(division),
        "none_panel": None,
        "tab": "",
        "url": config.url,
        "repository": config.repository,
        "doi": config.doi,
        "no_address": no_address(config),
        "history": False,
        "more": [],
        "description": DESCRIPTION,
        "imagery": footer(division.release.split(", ")) if division else "",
        **navigation(division),
    }


def navigation(division: Division | None) -> dict[str, object]:
    """Return which division the links in the head of a page lead to."""
    return {"nav": division is not None, "prefix": division.prefix if division else ""}
