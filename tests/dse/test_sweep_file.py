"""Sweep files: what they span, and what is wrong with them, by file and line."""

import re

import pytest
import yaml

from pimsim.dse.axes import override
from pimsim.dse.points import count_of, designs, points_of
from pimsim.dse.sweep_file import load_sweep
from pimsim.errors import ConfigError, InputError, NotFoundError

LEVELS = "macros.mram.adc.levels: [5, 9, 17]"
CLOCK = "chip.clock_ghz: {from: 0.5, to: 2.0, points: 4}"


def labels(sweep, name):
    return next([s.label for s in axis.settings] for axis in sweep.axes if axis.name == name)


def test_a_grid_is_every_combination_in_the_order_of_the_file(sweep_file):
    sweep = load_sweep(sweep_file())
    chosen = designs(sweep)
    assert len(chosen) == count_of(sweep) == 12
    assert chosen[0].overrides == ("macros.mram.adc.levels=5", "chip.clock_ghz=0.5")
    assert chosen[1].overrides == ("macros.mram.adc.levels=5", "chip.clock_ghz=1.0")
    assert chosen[11].overrides == ("macros.mram.adc.levels=17", "chip.clock_ghz=2.0")


def test_every_design_runs_all_workloads_and_seeds(sweep_file):
    path = sweep_file(
        ("[vit_digits]", "[vit_digits, bert_base]"), ("samples: 4\n", "seeds: [0, 7]\n")
    )
    sweep = load_sweep(path)
    points = points_of(sweep, designs(sweep)[:2], first=10)
    found = [(point.number, point.design.number, point.workload, point.seed) for point in points]
    assert found == [
        (10, 0, "vit_digits", 0), (11, 0, "vit_digits", 7), (12, 0, "bert_base", 0),
        (13, 0, "bert_base", 7), (14, 1, "vit_digits", 0), (15, 1, "vit_digits", 7),
        (16, 1, "bert_base", 0), (17, 1, "bert_base", 7),
    ]  # fmt: skip
    assert count_of(sweep) == 48


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{from: 1, to: 9, points: 3}", [1, 5, 9]),
        ("{from: 1, to: 1000, points: 4, scale: log}", [1, 10, 100, 1000]),
        ("{from: 1, to: 3, points: 9}", [1, 2, 3]),
        ("{from: 4, to: 64, scale: log}", [4, 8, 16, 32, 64]),
    ],
)
def test_ranges_hold_their_ends_and_no_number_twice(sweep_file, written, expected):
    sweep = load_sweep(sweep_file((CLOCK, f"chip.tiles: {written}")))
    assert labels(sweep, "chip.tiles") == expected


def test_zipped_axes_move_in_step_and_options_are_whole_alternatives(sweep_file):
    zipped = "rows: {zip: {macros.mram.crossbar.rows: [256, 512], chip.tiles: [16, 8]}}"
    options = (
        "reader: {options: {few: {macros.mram.crossbar.active_rows: 4, macros.mram.adc.levels: 5},"
        " rap: {}}}"
    )
    sweep = load_sweep(sweep_file((LEVELS, zipped), (CLOCK, options)))
    assert [design.overrides for design in designs(sweep)] == [
        ("macros.mram.crossbar.rows=256", "chip.tiles=16",
         "macros.mram.crossbar.active_rows=4", "macros.mram.adc.levels=5"),
        ("macros.mram.crossbar.rows=256", "chip.tiles=16"),
        ("macros.mram.crossbar.rows=512", "chip.tiles=8",
         "macros.mram.crossbar.active_rows=4", "macros.mram.adc.levels=5"),
        ("macros.mram.crossbar.rows=512", "chip.tiles=8"),
    ]  # fmt: skip
    assert labels(sweep, "reader") == ["few", "rap"]


@pytest.mark.parametrize("model", ["random", "sobol"])
def test_draws_stay_inside_and_depend_on_the_seed_alone(sweep_file, model):
    def drawn(seed):
        sampler = f"sampler: {{model: {model}, points: 40, seed: {seed}}}\nsamples: 4\n"
        return designs(load_sweep(sweep_file(("samples: 4\n", sampler))))

    one, again, other = drawn(1), drawn(1), drawn(2)
    assert len(one) == 40
    assert one == again
    assert one != other
    clocks = [design.settings[1].label for design in one]
    assert all(0.5 <= clock <= 2.0 for clock in clocks)
    assert len(set(clocks)) == 40
    assert {design.settings[0].label for design in one} == {5, 9, 17}


@pytest.mark.parametrize("value", [1e-05, 1e30, 0.1, 3, True, "tt", None, [1, 2], {"a": 0.5}])
def test_a_value_survives_its_override(value):
    path, _, text = override("a.b", value).partition("=")
    assert (path, yaml.safe_load(text)) == ("a.b", value)


WRONG = [
    ((LEVELS, "macros.mram.adc.lvels: [5]"), ":6: axes.*unknown key 'lvels'; did you mean 'macros"),
    ((LEVELS, 'macros.mram.adc.levels: [5, "x"]'), r":6: axes.*must be a whole number"),
    ((LEVELS, "macros.mram.adc.levels: [5, 1]"), r":6: axes.*must be at least 2 \(found 1\)"),
    ((LEVELS, "macros.mram.adc.levels: []"), ":6: axes.*has no values; give at least one"),
    ((LEVELS, "macros.mram.adc.levels: [5, 9, 5]"), ":6: axes.*has the value 5 twice"),
    ((CLOCK, "chip.clock_ghz: [1, 2.0, 1.0]"), ":7: axes.*has the value 1 twice"),
    ((LEVELS, "macros.mram.adc.levels: 5"), ":6: axes.*must be a list of values"),
    ((CLOCK, "chip.clock_ghz: {from: 2, to: 1}"), r":7: axes.*'from' \(2\) must be less than 'to'"),
    ((CLOCK, "chip.clock_ghz: {from: 1, to: x}"), ":7: axes.*.to: must be a number"),
    ((CLOCK, "chip.clock_ghz: {from: 0, to: 1, scale: log}"), ":7: axes.*must begin above 0"),
    ((CLOCK, "chip.clock_ghz: {from: 1, to: 2, point: 3}"), ":7: axes.*did you mean 'points'"),
    ((CLOCK, "z: {zip: {chip.tiles: [1, 2], chip.clock_ghz: [1.0]}}"), ":7: axes.*equally long"),
    ((CLOCK, "o: {options: {a: 3}}"), ":7: axes.*must be a section of paths"),
    ((CLOCK, "design: {options: {a: {}}}"), ":7: axes.design: is a column that every frame has"),
    ((CLOCK, "energy_uj: {options: {a: {}}}"), ":7: axes.energy_uj: is a column that every frame"),
    (("energy_uj", "energy"), r":8: objectives.energy: unknown metric 'energy'; did you mean"),
    (("samples: 4", "constraints: {area_mm2: {min: 2.0, max: 1.0}}"), "min .2.0. must not exceed"),
    (("samples: 4", "sampler: {model: random}"), "model 'random' takes points"),
    (("samples: 4", "sampler: {model: grid, points: 3}"), "model 'grid' takes no other key"),
    (("samples: 4", "overrides: {chip.tilse: 4}"), r":9: overrides.*unknown key 'tilse'"),
    (("samples: 4", "sample: 4"), "unknown key 'sample'; did you mean 'samples'"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_a_mistake_is_found_before_anything_runs(sweep_file, change, message):
    path = sweep_file(change)
    with pytest.raises(ConfigError) as caught:
        load_sweep(path)
    assert re.search(message, str(caught.value)), str(caught.value)
    assert str(path) in str(caught.value)


def test_names_that_nothing_has_are_found_too(sweep_file):
    with pytest.raises(NotFoundError, match="no sweep is called 'nothing'"):
        load_sweep("nothing")
    with pytest.raises(
        NotFoundError, match=r":4: workloads\[0\]: no workload is called 'vit_digit'; did"
    ):
        load_sweep(sweep_file(("vit_digits", "vit_digit")))
    with pytest.raises(NotFoundError, match=r":3: architecture: no architecture is called 'rapp'"):
        load_sweep(sweep_file(("architecture: rap", "architecture: rapp")))


def test_an_adaptive_sampler_has_no_designs_of_its_own(sweep_file):
    sampler = "sampler: {model: nsga2, population: 4, generations: 3}"
    sweep = load_sweep(sweep_file(("samples: 4", sampler)))
    assert count_of(sweep) == 12
    with pytest.raises(InputError, match="chooses designs from results"):
        designs(sweep)


def test_a_fixed_value_that_its_key_does_not_allow_is_seen_before_anything_runs(sweep_file):
    file = sweep_file(("samples: 4", "overrides: {chip.tiles: -5}"))
    with pytest.raises(ConfigError, match=r"example.yaml:9: overrides.*chip\.tiles: .*-5"):
        load_sweep(file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            (CLOCK, CLOCK + "\n  pace: {zip: {chip.tiles: [4, 8], chip.clock_ghz: [0.5, 3.0]}}"),
            "axes.pace: sets chip.clock_ghz, which axis 'chip.clock_ghz' sets, too",
        ),
        (
            ("axes:", "overrides: {chip.clock_ghz: 1.0}\naxes:"),
            "axes.chip.clock_ghz: sets chip.clock_ghz, which 'overrides' sets, too",
        ),
    ],
)  # fmt: skip
def test_a_key_that_is_set_twice_in_every_design_is_seen_before_anything_runs(
    sweep_file, change, message
):
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_sweep(sweep_file(change))


def test_alternatives_may_set_what_another_axis_sets_in_some_designs(sweep_file):
    pace = "pace: {options: {own: {}, slow: {chip.clock_ghz: 0.5}}}"
    corner = "corner: {options: {own: {}, hot: {chip.clock_ghz: 0.9}}}"
    assert count_of(load_sweep(sweep_file((CLOCK, f"{pace}\n  {corner}")))) == 12


def test_goals_that_no_workload_has_are_seen_before_anything_runs(sweep_file):
    objectives = "objectives: {accuracy: maximize, energy_uj: minimize}"
    goals = ("objectives: {energy_uj: minimize, latency_us: minimize}", objectives)
    assert load_sweep(sweep_file(goals, ("[vit_digits]", "[vit_digits, bert_base]")))
    with pytest.raises(ConfigError, match=r"objectives\.accuracy: no workload here has weights"):
        load_sweep(sweep_file(goals, ("[vit_digits]", "[bert_base]")))
