"""Terms of a licence, as far as its name says them."""

from __future__ import annotations

import re
from typing import Final, Literal

Terms = Literal["permissive", "copyleft", "non-commercial", "unknown"]

TERMS: Final[dict[Terms, str]] = {
    "permissive": "any use",
    "copyleft": "any use, what is made from it under the same terms",
    "non-commercial": "no commercial use",
    "unknown": "not known to this site",
}
# CC BY goes on with its version; what goes on with letters (NC, ND, SA) is another licence.
_PERMISSIVE: Final = re.compile(
    r"(apache|mit|bsd|isc|cc0|0bsd|zlib|unlicense|bsl-1\.0|psf|ncsa|cc[ -]by(?=[ -]\d)|odc-by|pddl)(v?\d|[^a-z]|$)"
)
_COPYLEFT: Final = re.compile(r"(agpl|lgpl|gpl|mpl|epl|eupl|cc[ -]by-sa|odbl|cecill|osl)(v?\d|[^a-z]|$)")
_LIMITED: Final = re.compile(r"(^|[^a-z])(nc|nd|non-?commercial|research|academic|s-lab)([^a-z]|$)", re.IGNORECASE)


def terms_of(licence: str) -> Terms:
    """Return what an SPDX expression or another name of a licence allows; "unknown" if it is not on the lists here."""
    text = licence.strip().lower()
    if _LIMITED.search(text):
        return "non-commercial"
    parts = [part.strip(" ()") for part in re.split(r"\s(?:and|or)\s|,|;|/", text)]
    kinds: set[Terms] = {_one(part) for part in parts}
    # Of several licences all may apply: the strictest one decides.
    return next((kind for kind in ("unknown", "copyleft") if kind in kinds), "permissive")


def _one(name: str) -> Terms:
    if _COPYLEFT.match(name):
        return "copyleft"
    return "permissive" if _PERMISSIVE.match(name) else "unknown"
