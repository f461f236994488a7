"""Cells and wires in an architecture file: what is accepted, and what is said otherwise."""

from pathlib import Path

import pytest
import yaml

from pimsim.config import config_hash, load_architecture
from pimsim.config.cell_table import read_cell_table
from pimsim.config.cells import Cell, Drift, Programming
from pimsim.errors import ConfigError

CELL = "macros.mram.crossbar.cell"
WRITE_VERIFY = (
    "{model: write_verify, tolerance_ratio: 0.02, pulse_sigma_ratio: 0.05, pulses_max: 20}"
)
TABLE = "{model: table, conductance_usiemens: [4.0, 10.0], sigma_usiemens: [0.5, 1.0]}"


@pytest.mark.parametrize(
    ("model", "section", "value"),
    [
        ("mram", "programming", WRITE_VERIFY),
        ("mram", "programming", TABLE),
        ("reram", "programming", "{model: reram_wan2022}"),
        ("pcm", "drift", "{model: pcm_doped_gst, age_s: 86400, compensation: global}"),
        (
            "sram",
            "drift",
            "{model: power_law, age_s: 1000, nu_exponent: 0.05, nu_sigma_exponent: 0, start_s: 20}",
        ),
        ("pcm", "read_noise", "{sigma_on_ratio: 0.01, flicker: pcm_hermes_one_device}"),
        ("mram", "faults", "{stuck_at_zero_ratio: 0.001}"),
        ("mram", "bits", "4"),
    ],
)
def test_sections_of_a_cell_load_and_survive_a_round_trip(model, section, value, tmp_path: Path):
    overrides = [f"{CELL}.model={model}", f"{CELL}.{section}={value}"]
    chip = load_architecture("rap", overrides=overrides)
    copy = tmp_path / "copy.yaml"
    copy.write_text(yaml.safe_dump(chip.model_dump(mode="json"), sort_keys=False))
    assert load_architecture(copy) == chip
    assert config_hash(chip) != config_hash(load_architecture("rap"))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (f"{CELL}.bits=5", "must be at most 4"),
        (f"{CELL}.programming={{model: write_verify}}", "needs tolerance_ratio, pulse_sigma_ratio"),
        (f"{CELL}.programming={{model: table}}", "needs conductance_usiemens, sigma_usiemens"),
        (f"{CELL}.programming={{model: mine}}", "programming.model"),
        (
            f"{CELL}.programming={{model: pcm_doped_gst, tolerance_ratio: 0.1}}",
            "tolerance_ratio: model 'pcm_doped_gst' does not take it",
        ),
        (
            f"{CELL}.programming={{model: pcm_doped_gst, pulse_time_ns: 10}}",
            "pulse_time_ns: only model 'write_verify' takes it",
        ),
        (
            f"{CELL}.programming={TABLE.replace('0.5, 1.0', '0.5')}",
            "sigma_usiemens",
        ),
        (
            f"{CELL}.programming={TABLE.replace('0.5, 1.0', '0.5, 1.0, 2.0')}",
            "has 2 entries, sigma_usiemens 3",
        ),
        (f"{CELL}.programming={TABLE.replace('0.5', '-0.5')}", "must not be negative"),
        (f"{CELL}.programming={TABLE.replace('0.5', '.nan')}", "finite"),
        (f"{CELL}.programming={TABLE.replace('4.0', '20.0')}", "rise throughout"),
        (
            f"{CELL}.programming={TABLE.replace('4.0', '1.0')}",
            r"on_off_ratio must be 10 \(found 2.5\)",
        ),
        (f"{CELL}.programming={TABLE.replace('4.0', '0.0')}", "on_off_ratio must be absent"),
        (f"{CELL}.drift={{model: pcm_doped_gst}}", "age_s"),
        (f"{CELL}.drift={{model: pcm_doped_gst, age_s: -1}}", "must be at least 0"),
        (f"{CELL}.drift={{model: power_law, age_s: 1, nu_exponent: 0.1}}", "needs nu_sigma"),
        (
            f"{CELL}.drift={{model: reram_wan2022, age_s: 1, start_s: 20}}",
            "start_s: model 'reram_wan2022' does not take it",
        ),
        (
            f"{CELL}.faults={{stuck_at_zero_ratio: 0.6, stuck_at_one_ratio: 0.5}}",
            r"add up to 1\.1, above 1",
        ),
        (
            f"{CELL}.programming={{model: pcm_doped_gst}}",
            r"programming.model 'pcm_doped_gst' was measured on pcm cells; set model to 'pcm'",
        ),
        (f"{CELL}.read_noise={{flicker: reram_cmo_hfox}}", "measured on reram cells"),
        (f"{CELL}.faults={{stuck_at_zero_ratio: 1.5}}", "must be at most 1"),
        (f"{CELL}.read_noise={{flicker: reram_wan2022}}", "flicker"),
        (f"{CELL}.programing={{model: table}}", "did you mean .*programming"),
        (
            "macros.mram.crossbar.wires={on_conductance_usiemens: 10, activity_ratio: 1}",
            "wires without resistance",
        ),
        (
            "macros.mram.crossbar.wires={bit_line_ohm: 1, activity_ratio: 1}",
            "on_conductance_usiemens",
        ),
    ],
)
def test_what_makes_no_sense_is_a_problem_of_the_file(override, message):
    with pytest.raises(ConfigError, match=message):
        load_architecture("rap", overrides=[override])


@pytest.mark.parametrize("section", ["programming", "drift", "read_noise", "faults"])
def test_an_ideal_cell_has_no_physics(section):
    value = {
        "programming": {"model": "pcm_doped_gst"},
        "drift": {"model": "pcm_doped_gst", "age_s": 0.0},
        "read_noise": {},
        "faults": {},
    }[section]
    with pytest.raises(ValueError, match=f"model 'ideal' has no {section}"):
        Cell(model="ideal", bits=1, **{section: value})


def test_a_table_comes_from_a_file_and_its_content_is_what_counts(tmp_path: Path):
    file = tmp_path / "mine.csv"
    file.write_text("conductance_usiemens,sigma_usiemens\n4.0,0.5\n10.0,1.0\n")
    from_file = Programming(model="table", table_csv=str(file))
    listed = Programming(model="table", conductance_usiemens=(4.0, 10.0), sigma_usiemens=(0.5, 1.0))
    assert from_file == listed
    override = f"{CELL}.programming={{model: table, table_csv: '{file}'}}"
    chip = load_architecture("rap", overrides=[override])
    assert chip.macros["mram"].crossbar.cell.programming == listed


def test_a_table_is_given_once(tmp_path: Path):
    with pytest.raises(ValueError, match="give table_csv or sigma_usiemens, not both"):
        Programming(model="table", table_csv=str(tmp_path), sigma_usiemens=(1.0, 2.0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("conductance,sigma\n1,2\n", ":1: the header must be conductance_usiemens,sigma_usiemens"),
        ("conductance_usiemens,sigma_usiemens\n", "no rows"),
        ("conductance_usiemens,sigma_usiemens\n1,2\n3\n", ":3: a row must have 2 cells, found 1"),
        ("conductance_usiemens,sigma_usiemens\n1,nan\n", ":2: cells must be finite numbers"),
        ("conductance_usiemens,sigma_usiemens\n1,x\n", ":2: cells must be finite numbers"),
        ("", ":1: the header"),
    ],
)
def test_a_bad_table_is_named_with_its_line(text, message, tmp_path: Path):
    file = tmp_path / "bad.csv"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_cell_table(file)


def test_a_missing_table_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match="cannot read"):
        read_cell_table(tmp_path / "none.csv")


def test_absent_physics_is_listed_where_it_applies():
    assert Cell(model="pcm", bits=1).absent_errors == (
        "on_off_ratio",
        "sigma_on_ratio",
        "programming",
        "drift",
        "read_noise",
        "faults",
    )
    aged = Cell(model="sram", bits=1, on_off_ratio=1e3, sigma_on_ratio=0.02)
    assert aged.absent_errors == ("read_noise", "faults")


def test_a_young_cell_is_in_range():
    assert Drift(model="pcm_doped_gst", age_s=0.0).compensation == "none"
