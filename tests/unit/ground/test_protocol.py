"""Protocols are data: they load, they are strict, and they are named."""

from __future__ import annotations

from importlib import resources

import pytest

from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.protocol import load_protocol, parse_protocol, protocol_ids


@pytest.mark.parametrize("name", protocol_ids())
def test_every_protocol_of_the_package_loads_under_its_own_name(name: str) -> None:
    assert load_protocol(name).id == name


@pytest.mark.parametrize(("hr_side", "side"), [(1054, 632), (527, 316), (336, 200), (200, 120), (160, 96)])
def test_target_side(hr_side: int, side: int) -> None:
    assert load_protocol("wsb-1").target.size(hr_side) == side


def test_an_unknown_protocol_is_a_usage_error_that_lists_the_known() -> None:
    with pytest.raises(UsageError, match="unknown protocol") as caught:
        load_protocol("../wsb-1")
    assert "wsb-1" in (caught.value.remedy or "")


def test_an_unknown_key_is_refused() -> None:
    content = resources.files("worldstrat_bench").joinpath("protocols", "wsb-1.toml").read_bytes()
    with pytest.raises(InvalidArtefactError, match="extra"):
        parse_protocol(content + b'\nsurprise = "1"\n')
    with pytest.raises(InvalidArtefactError, match="not a protocol"):
        parse_protocol(b"\xff")
