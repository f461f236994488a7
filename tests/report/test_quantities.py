"""Every headline has a name, a unit where it is dimensional, and short names tell columns apart."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.dse.metrics import HEADLINES
from pimsim.errors import InputError
from pimsim.report import quantities

PATHS = st.lists(
    st.lists(st.sampled_from(["mram", "sram", "adc", "bits", "rows"]), min_size=1, max_size=4).map(
        ".".join
    ),
    min_size=1,
    max_size=6,
    unique=True,
)


@pytest.mark.parametrize("column", HEADLINES)
def test_headlines_have_a_name_of_their_own(column):
    name = quantities.name(column)
    assert "_" not in name
    dimensional = column.rsplit("_", 1)[-1] in {"us", "uj", "mw", "mm2", "w", "s", "db", "ratio"}
    assert bool(quantities.unit(column)) == (dimensional or "accuracy" in column)


def test_directions_are_known_of_what_is_better_one_way():
    undecided = {column for column in HEADLINES if quantities.direction(column) is None}
    assert undecided == {"float32_accuracy", "cells_ratio"}


def test_what_is_given_goes_before_what_is_known():
    assert quantities.directions(["accuracy"], {"accuracy": "minimize"}) == {"accuracy": "minimize"}
    with pytest.raises(InputError, match=r"objectives=\{'chip.tiles': 'minimize'\}"):
        quantities.directions(["chip.tiles"])


@given(PATHS)
def test_short_names_are_ends_that_tell_columns_apart(paths):
    short = quantities.short_names(paths)
    assert list(short) == paths
    for path, tail in short.items():
        assert f".{path}".endswith(f".{tail}")
        twins = [other for other in paths if f".{other}".endswith(f".{tail}") and other != path]
        assert not twins or tail == path


def test_nats_per_token_are_no_ratios():
    nats = pd.Series([0.9, 3.2])
    assert quantities.written("accuracy", 3.2, nats) == "3.20"
    assert quantities.unit("accuracy", nats) == ""
    assert quantities.swing("accuracy", 2.0) == "2.00"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""), (np.nan, ""), (pd.NA, ""), (np.float64(0.5), "0.500"), (np.int64(12), "12.0"),
        ("text", "text"), (True, "True"),
    ],
)  # fmt: skip
def test_values_of_frames_are_written(value, expected):
    assert quantities.written("energy_uj", value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(np.int64(1024), "1024"), (np.bool_(False), "false"), (1e-9, "1e-09"), (0.1 + 0.2, "0.3")],
)
def test_settings_are_written_as_they_are(value, expected):
    assert quantities.written_setting(value) == expected
