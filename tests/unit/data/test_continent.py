from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worldstrat_bench.data.continent import continent_of

CONTINENTS = {"Africa", "Antarctica", "Asia", "Europe", "North America", "Oceania", "South America"}


@pytest.mark.parametrize(
    ("lon", "lat", "continent"),
    [
        (2.35, 48.85, "Europe"),
        (36.8, -1.3, "Africa"),
        (77.2, 28.6, "Asia"),
        (-58.4, -34.6, "South America"),
        (-99.1, 41.2, "North America"),
        (151.1, -33.9, "Oceania"),
        (0.0, -85.0, "Antarctica"),
        (28.2, -29.6, "Africa"),  # Lesotho, a hole in South Africa
    ],
)
def test_places_inside_a_country(lon: float, lat: float, continent: str) -> None:
    assert continent_of(lon, lat) == continent


@pytest.mark.parametrize(("lon", "continent"), [(37.6, "Europe"), (59.9, "Europe"), (60.1, "Asia"), (-172.0, "Asia")])
def test_russia_is_split_at_60_degrees_east(lon: float, continent: str) -> None:
    assert continent_of(lon, 66.0 if lon < 0 else 56.0) == continent


@pytest.mark.parametrize(
    ("lon", "lat", "continent"),
    [(14.4, 35.9, "Europe"), (-30.0, -5.0, "South America"), (179.5, -17.0, "Oceania"), (-179.5, -17.0, "Oceania")],
)
def test_offshore_the_nearest_country_counts_also_across_the_date_line(lon: float, lat: float, continent: str) -> None:
    assert continent_of(lon, lat) == continent


@pytest.mark.parametrize(
    "place", [(None, None), (None, 3.0), (3.0, None), (math.nan, 0.0), (0.0, 91.0), (math.inf, 0.0)]
)
def test_without_a_place_on_the_globe_it_is_unlocated(place: tuple[float | None, float | None]) -> None:
    assert continent_of(*place) == "unlocated"


@settings(max_examples=40, deadline=None)
@given(st.floats(-180, 180), st.floats(-90, 90))
def test_every_place_has_a_continent_and_longitude_is_periodic(lon: float, lat: float) -> None:
    lon, lat = round(lon, 3), round(lat, 3)
    assert continent_of(lon, lat) in CONTINENTS
    if abs(lon) < 179:
        assert continent_of(lon + 360.0, lat) == continent_of(lon, lat)
