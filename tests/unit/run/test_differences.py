"""The words for what differs between two notes."""

from __future__ import annotations

from worldstrat_bench.artefacts.record import Environment
from worldstrat_bench.run.differences import differences


def test_the_package_that_differs_is_named() -> None:
    packages = {f"p{i}": "1.0" for i in range(60)}
    before = Environment(python="3.11", torch="2.6", packages=packages)
    now = before.model_copy(update={"packages": {**packages, "p7": "1.1", "extra": "2.0"}})
    assert differences(before, now) == ("packages p7: 1.0, now 1.1", "packages extra: not given, now 2.0")
