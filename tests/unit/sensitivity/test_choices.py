"""The variants of the package, and files of variants that are refused."""

from __future__ import annotations

from importlib import resources
from itertools import combinations
from pathlib import Path

import pytest

from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.sensitivity.choices import load_choices, variants


def test_the_protocol_each_option_alone_and_all_pairs() -> None:
    choices = load_choices()
    made = variants(choices)
    options = [(key, str(o)) for key, choice in choices.named.items() for o in choice.others]
    pairs = sum(a[0] != b[0] for a, b in combinations(options, 2))
    assert len(options) == 13
    assert len(made) == 1 + len(options) + pairs == 87
    assert made[0].changed == {}
    assert len({tuple(sorted(v.changed.items())) for v in made}) == len(made)
    assert {len(v.changed) for v in made} == {0, 1, 2}
    assert made[1].changed == {"radius": "4"}
    assert made[1].setting.radius == 4
    assert len({v.setting for v in made}) == 51


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("usual = 8", "usual = 7", "radius.usual: wsb-1 has 8"),
        ("others = [4, 12]", "others = [4, 4]", "radius.others: an option twice"),
        ("others = [4, 12]", "others = [8]", "or the usual one"),
        ("others = [4, 12]", "others = [400]", "radius.others"),
        ('"area", "mtf"', '"area", "blur"', "target.others"),
        ('protocol = "wsb-1"', 'protocol = "probav"', "wsb-1 can be varied"),
        ("[sigma]", "[sigma", "not a valid file of variants"),
        ("cloudy_from = 0.2", "cloudy_from = 0", "cloudy_from"),
        ("[radius]", "[more]", "more|radius"),
    ],
)
def test_faults(tmp_path: Path, before: str, after: str, says: str) -> None:
    text = resources.files("worldstrat_bench.sensitivity").joinpath("variants.toml").read_text(encoding="utf-8")
    assert before in text
    path = tmp_path / "variants.toml"
    path.write_text(text.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(InvalidArtefactError, match=says):
        load_choices(path)
    with pytest.raises(InvalidArtefactError, match="there is no"):
        load_choices(tmp_path / "none.toml")
