"""Swings and shares are those of brute force, and of additive models in closed form."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.dse.sensitivity import caveats, sensitivity
from pimsim.errors import InputError

LEVELS = st.lists(st.integers(0, 4), min_size=2, max_size=5, unique=True)
EFFECTS = st.lists(st.integers(-50, 50), min_size=5, max_size=5)


def row(table, axis, metric="y"):
    return table[(table["axis"] == axis) & (table["metric"] == metric)].iloc[0]


def by_hand(settings, values):
    """Conditional means and the share of the variance, point by point."""
    groups = {}
    for setting, value in zip(settings, values, strict=True):
        groups.setdefault(setting, []).append(value)
    means = {setting: math.fsum(group) / len(group) for setting, group in groups.items()}
    mean = math.fsum(values) / len(values)
    whole = math.fsum((value - mean) ** 2 for value in values)
    between = math.fsum(len(group) * (means[key] - mean) ** 2 for key, group in groups.items())
    return max(means.values()) - min(means.values()), between / whole if whole else 0.0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-9, 9)), min_size=2, max_size=30))
def test_swing_and_share_are_those_of_brute_force(points):
    settings, values = zip(*points, strict=True)
    found = row(sensitivity(pd.DataFrame({"a": settings, "y": values}), ["a"], ["y"]), "a")
    swing, share = by_hand(settings, values)
    assert found["swing"] == pytest.approx(swing, abs=1e-12)
    assert found["explained_ratio"] == pytest.approx(share, abs=1e-12)
    assert 0.0 <= found["explained_ratio"] <= 1.0


@given(LEVELS, LEVELS, EFFECTS, EFFECTS)
def test_an_additive_model_on_a_grid_is_told_apart_exactly(one, other, first, second):
    grid = pd.DataFrame(itertools.product(one, other), columns=["a", "b"])
    grid["y"] = [first[a] + second[b] for a, b in itertools.product(one, other)]
    table = sensitivity(grid, ["a", "b"], ["y"])
    of_a, of_b = np.array(first)[one], np.array(second)[other]
    whole = of_a.var() + of_b.var()
    for axis, effect in (("a", of_a), ("b", of_b)):
        found = row(table, axis)
        assert found["swing"] == pytest.approx(np.ptp(effect), abs=1e-9)
        assert found["explained_ratio"] == pytest.approx(effect.var() / whole if whole else 0.0)
        assert found["chance_ratio"] == 0.0
        assert found["together_ratio"] == 0.0
    assert table["explained_ratio"].sum() == pytest.approx(1.0 if whole else 0.0)


def test_axes_that_matter_only_in_company_explain_nothing_alone():
    grid = pd.DataFrame(itertools.product((-1, 1), (-1, 1)), columns=["a", "b"])
    grid["y"] = grid["a"] * grid["b"]
    table = sensitivity(grid, ["a", "b"], ["y"])
    assert table["explained_ratio"].tolist() == [0.0, 0.0]
    assert table["swing"].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("settings", [(0, 0, 1, 1, 1), (0, 1, 2, 2, 3), (0, 0, 0, 0, 1)])
def test_chance_is_the_mean_share_over_all_orders_of_the_values(settings):
    values = np.array([1.0, 4.0, -2.0, 7.0, 7.5])
    other = [0, 1, 0, 1, 1]  # no balanced company
    shares = [
        by_hand(settings, values[list(order)])[1] for order in itertools.permutations(range(5))
    ]
    frame = pd.DataFrame({"a": settings, "b": other, "y": values})
    found = row(sensitivity(frame, ["a", "b"], ["y"]), "a")
    assert found["chance_ratio"] == pytest.approx(np.mean(shares))


def test_levels_of_extremes_and_units_of_swings():
    frame = pd.DataFrame({"kind": ["sar", "flash", "ramp"], "energy_uj": [4.0, 1.0, 10.0]})
    found = row(sensitivity(frame, ["kind"], ["energy_uj"]), "kind", "energy_uj")
    assert (found["low_at"], found["high_at"]) == ("flash", "ramp")
    assert (found["low"], found["high"], found["swing"]) == (1.0, 10.0, 9.0)
    assert found["swing_ratio"] == pytest.approx(9.0 / 5.0)


def test_a_constant_metric_is_explained_by_nothing():
    frame = pd.DataFrame({"a": [1, 2, 3], "y": [0.1 + 0.2, 0.3, 0.3]})
    found = row(sensitivity(frame, ["a"], ["y"]), "a")
    assert (found["swing"], found["explained_ratio"]) == (0.0, 0.0)


def test_failed_points_do_not_count():
    frame = pd.DataFrame({"a": [1, 1, 2, 2], "y": [1.0, math.nan, 3.0, math.nan]})
    found = row(sensitivity(frame, ["a"], ["y"]), "a")
    assert (found["points"], found["swing"]) == (2, 2.0)
    nothing = row(sensitivity(frame.assign(y=math.nan), ["a"], ["y"]), "a")
    assert nothing["points"] == 0
    assert math.isnan(nothing["explained_ratio"])


def test_many_numbers_are_cut_into_equally_full_parts():
    generator = np.random.default_rng(0)
    frame = pd.DataFrame({"a": generator.random(800), "b": generator.random(800)})
    frame["y"] = 10.0 * frame["a"]
    table = sensitivity(frame, ["a", "b"], ["y"], bins=8)
    a, b = row(table, "a"), row(table, "b")
    assert (a["levels"], a["binned"]) == (8, True)
    assert a["explained_ratio"] == pytest.approx(1 - 1 / 64, abs=0.005)  # uniform in 8 parts
    assert a["swing"] == pytest.approx(10 * 7 / 8, rel=0.03)
    assert b["explained_ratio"] < 5 * b["chance_ratio"]
    assert a["low_at"].startswith("0.00")


def test_many_settings_are_cut_even_where_each_has_many_points():
    frame = pd.DataFrame({"a": np.arange(60).repeat(20), "y": np.tile(np.arange(20.0), 60)})
    found = row(sensitivity(frame, ["a"], ["y"]), "a")
    assert (found["levels"], found["binned"], found["swing"]) == (8, True, 0.0)
    few = row(sensitivity(frame[frame["a"] < 24], ["a"], ["y"]), "a")
    assert (few["levels"], few["binned"]) == (24, False)


def test_few_settings_and_texts_are_never_cut():
    frame = pd.DataFrame({"a": [1, 2, 3], "b": list("xyz"), "y": [1.0, 2.0, 3.0]})
    assert not sensitivity(frame, ["a", "b"], ["y"])["binned"].any()
    texts = pd.DataFrame({"a": [f"t{i}" for i in range(20)], "y": range(20)})
    found = row(sensitivity(texts, ["a"], ["y"]), "a")
    assert (found["levels"], found["binned"]) == (20, False)


def test_axes_varied_together_are_named():
    frame = pd.DataFrame({"a": [1, 2, 3] * 5, "b": [10, 20, 30] * 5, "c": range(15)})
    frame = frame.assign(c=[0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4], y=frame["a"])
    table = sensitivity(frame, ["a", "b", "c"], ["y"])
    assert (row(table, "a")["together_with"], row(table, "b")["together_with"]) == ("b", "a")
    assert row(table, "a")["together_ratio"] == pytest.approx(1.0)
    assert row(table, "c")["together_ratio"] == 0.0
    assert any("a and b were varied together" in text for text in caveats(table))
    assert not any("c" in text.split(" were")[0].split() for text in caveats(table))


def test_independent_draws_are_hardly_associated():
    generator = np.random.default_rng(3)
    frame = pd.DataFrame(generator.integers(0, 4, (400, 2)), columns=["a", "b"])
    frame["y"] = frame["a"]
    assert row(sensitivity(frame, ["a", "b"], ["y"]), "a")["together_ratio"] < 0.15


def test_other_seeds_of_a_design_add_no_evidence_that_axes_were_varied_together():
    grid = pd.DataFrame(itertools.product((1, 2), (1, 2)), columns=["a", "b"]).iloc[:3]
    grid["y"] = [1.0, 2.0, 3.0]
    once = sensitivity(grid, ["a", "b"], ["y"])
    often = sensitivity(pd.concat([grid] * 50), ["a", "b"], ["y"])
    assert often["together_ratio"].tolist() == once["together_ratio"].tolist()


def test_caveats_say_what_means_cannot_tell():
    grid = pd.DataFrame(itertools.product((1, 2), (1, 2)), columns=["a", "b"])
    table = sensitivity(grid.assign(y=[1.0, 2.0, 3.0, 5.0]), ["a", "b"], ["y"])
    assert caveats(table) == ()
    assert "nsga2" in caveats(table, sampler="nsga2")[0]
    assert caveats(table, failed=1)[0].startswith("1 point failed and does not count")
    uneven = sensitivity(grid.assign(y=[1.0, 2.0, 3.0, math.nan]), ["a", "b"], ["y"])
    assert any("no balanced grid" in text for text in caveats(uneven))


@pytest.mark.parametrize(
    ("axes", "metrics", "bins", "message"),
    [
        (["lvels"], ["y"], 8, "no column 'lvels'; did you mean 'levels'"),
        (["levels"], ["x"], 8, "no column 'x'"),
        (["levels"], ["kind"], 8, "metric 'kind' is no column of numbers"),
        (["levels"], ["y"], 1, "bins must be 2 or more, got 1"),
    ],
)
def test_mistakes_are_named(axes, metrics, bins, message):
    frame = pd.DataFrame({"levels": [1, 2], "kind": ["a", "b"], "y": [1.0, 2.0]})
    with pytest.raises(InputError, match=message):
        sensitivity(frame, axes, metrics, bins=bins)
