"""A chip cites the devices and sensitivities that its description calls on, and no others."""

import pytest

from pimsim.analog.sources import device_sources
from pimsim.config import load_architecture

CELL = "macros.mram.crossbar.cell"


def keys(*overrides):
    chip = load_architecture("rap", overrides=overrides)
    return {source.citation_key for source in device_sources(chip)}


def test_own_numbers_cite_nobody():
    assert keys() == set()
    own = "{model: power_law, age_s: 1.0, nu_exponent: 0.05, nu_sigma_exponent: 0.0, start_s: 1.0}"
    assert keys(f"{CELL}.drift={own}") == set()


@pytest.mark.parametrize(
    ("cell", "device", "key"),
    [
        ("reram", "reram_cmo_hfox", "falcone2025"),
        ("pcm", "pcm_hermes_one_device", "legallo2023"),
    ],
)
@pytest.mark.parametrize("part", ["programming", "drift"])
def test_a_measured_device_is_cited(cell, device, key, part):
    age = ", age_s: 3600.0" if part == "drift" else ""
    assert key in keys(f"{CELL}.model={cell}", f"{CELL}.{part}={{model: {device}{age}}}")


def test_sensitivities_are_cited_away_from_the_nominal_point_only():
    assert {"ma2009", "sakurai1990"} <= keys("pvt.temperature_degc=85.0")


def test_a_kind_of_macro_that_the_chip_has_none_of_is_not_cited():
    drifting = (f"{CELL}.model=pcm", f"{CELL}.drift={{model: pcm_doped_gst, age_s: 60.0}}")
    assert keys(*drifting)
    assert keys(*drifting, "tile.macros.mram=0") == set()
