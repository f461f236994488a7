"""Macros and converters in YAML: what goes together, what does not, and what is said."""

from pathlib import Path

import pytest
import yaml

from pimsim.config import load_architecture
from pimsim.config.architecture import Accumulate, Adc, Inputs, Weights, ZeroSkipping
from pimsim.errors import ConfigError

BAD = [
    (("macros.mram.adc.noise_ratio=-0.1",), "macros.mram.adc.noise_ratio: must be at least 0 "),
    (("macros.mram.adc.noise_ratio=.nan",), "'.nan' is not a finite number"),
    (("macros.mram.adc.range=half",), "must be 'full', 'clipped' or 'calibrated' (found 'half')"),
    (
        ("macros.mram.adc.range=clipped",),
        ("range 'clipped' needs 'clip_ratio', and only it takes one (found range 'clipped', "
        "clip_ratio None)"),
    ),
    (
        ("macros.mram.adc.range=clipped", "macros.mram.adc.clip_ratio=1.5"),
        "macros.mram.adc.clip_ratio: must be at most 1 (found 1.5)",
    ),
    (
        ("macros.mram.adc.enob_bits=4.0",),
        "enob_bits (4) cannot exceed the resolution of 9 codes, 3.17 bit",
    ),
    (
        ("macros.mram.adc.inl_mv=1.0",),
        "inl_mv needs 'full_scale_mv', or give inl_ratio instead",
    ),
    (
        ("macros.mram.adc.capacitor_mismatch_ratio=0.01",),
        "macros.mram.adc.capacitor_mismatch_ratio: an error of model 'sar' (found model 'flash')",
    ),
    (
        ("macros.mram.adc.trim=per_chip",),
        ("trim 'per_chip' needs 'trim_vectors', and only it takes them (found trim 'per_chip', "
        "trim_vectors None)"),
    ),
    (
        ("macros.mram.weights.coding=differential", "macros.mram.crossbar.cols=8",
         "macros.mram.adc.columns_per_adc=1"),
        "macros.mram: weights.bits (8) need 14 columns, crossbar.cols is 8",
    ),
    (
        ("macros.mram.weights.coding=gray",),
        "must be 'twos_complement', 'sign_magnitude', 'differential' or 'offset' (found 'gray')",
    ),
    (("macros.mram.crossbar.cell.bits=5",), "must be at most 4 (found 5)"),
    (("macros.mram.inputs.bits_per_cycle=9",), "must be at most 8 (found 9)"),
    (
        ("macros.mram.inputs.dac_inl_ratio=0.01",),
        "two drive levels always lie on a straight line; raise bits_per_cycle or remove it",
    ),
    (
        ("macros.mram.accumulate.planes=charge", "macros.mram.zero_skipping.model=bit"),
        ("accumulate.planes 'charge' needs every input cycle, so zero_skipping.model must be "
         "'none' (found 'bit')"),
    ),
    (
        ("macros.mram.accumulate.accumulator_bits=1",),
        "macros.mram.accumulate.accumulator_bits: must be at least 2 (found 1)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("overrides", "expected"), BAD, ids=[row[1] for row in BAD])
def test_what_cannot_be_is_refused_with_value_and_limit(
    overrides: tuple[str, ...], expected: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_architecture("rap_int8", overrides=overrides)
    assert len(caught.value.problems) == 1
    assert expected in caught.value.problems[0]


@pytest.mark.parametrize("weights", ["twos_complement", "sign_magnitude", "differential", "offset"])
@pytest.mark.parametrize("inputs", ["twos_complement", "sign_magnitude", "unsigned"])
def test_every_coding_can_be_written_in_a_file(weights: str, inputs: str) -> None:
    chip = load_architecture(
        "rap_int8",
        overrides=[
            f"macros.mram.weights.coding={weights}",
            f"macros.mram.inputs.coding={inputs}",
            "macros.mram.crossbar.cell.bits=2",
            "macros.mram.inputs.bits_per_cycle=2",
            "macros.mram.accumulate={slices: charge, planes: charge, accumulator_bits: 40}",
        ],
    )
    macro = chip.macros["mram"]
    assert macro.slice_conversions == (2 if weights == "sign_magnitude" else 1)
    assert macro.plane_conversions == (2 if inputs == "sign_magnitude" else 1)
    assert macro.logical_cols == macro.crossbar.cols // macro.slices
    assert macro.accumulator_bits(1024) == 40


def test_the_example_of_the_documentation_holds() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "analog_coding.md"
    example = yaml.safe_load(page.read_text(encoding="utf-8").split("```")[1].removeprefix("yaml"))
    sections = {"weights": Weights, "inputs": Inputs, "accumulate": Accumulate, "adc": Adc}
    for name, model in sections.items():
        assert set(example[name]) <= set(model.model_validate(example[name]).model_fields_set)
    ZeroSkipping.model_validate(example["zero_skipping"])
