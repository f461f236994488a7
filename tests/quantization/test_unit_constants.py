"""Units made from real scales compute the real functions, whatever their name."""

import math

import numpy as np
import pytest

from pimsim.config import load_architecture
from pimsim.cost.digital import operations
from pimsim.cost.technology import OperatingPoint
from pimsim.cost.unit_hardware import built_hardware, unit_area_um2
from pimsim.errors import QuantizationError
from pimsim.quantization import unit_constants
from pimsim.registry import UNITS

CODES = np.random.default_rng(0).normal(0, 3000, (20, 64)).round().astype(np.int16)
SCALE = 1e-3
REAL = CODES * SCALE
EXTREMES = [unit_constants.SMALLEST_SCALE, 0.57]


def names(role):
    """Registered integer units of a role that are made from a scale alone."""
    return [
        name
        for name in UNITS
        if not name.startswith(("fp16_", "fp32_", "vdr_")) and UNITS.suits(name, role)
    ]


def error(made, exact, *operands):
    unit, step = made
    return np.abs(unit(*operands).values * step - exact).max()


@pytest.mark.parametrize(
    ("name", "bound"),
    [
        ("ibert_softmax", 2e-3),
        ("ivit_softmax", 0.023),
        ("illm_softmax", 0.023),
        ("fqvit_softmax", 0.335),
        ("softermax", 0.006),
    ],
)
def test_every_softmax_sums_to_one_and_is_near(name, bound):
    weights = np.exp(REAL - REAL.max(axis=-1, keepdims=True))
    exact = weights / weights.sum(axis=-1, keepdims=True)
    made = unit_constants.softmax(name, SCALE, 16)
    assert made[0].name == name
    assert error(made, exact, CODES) <= bound


@pytest.mark.parametrize(
    ("name", "bound"), [("ibert_gelu", 0.0183), ("ivit_gelu", 0.045), ("table_gelu", 0.003)]
)
def test_every_gelu_is_near(name, bound):
    exact = REAL / 2 * (1 + np.vectorize(math.erf)(REAL / math.sqrt(2)))
    assert error(unit_constants.gelu(name, SCALE, 16), exact, CODES) <= bound


@pytest.mark.parametrize(
    ("name", "bound"), [("ibert_silu", 2.2e-3), ("ivit_silu", 0.045), ("table_silu", 2e-3)]
)
def test_every_silu_is_near(name, bound):
    exact = REAL / (1 + np.exp(-REAL))
    assert error(unit_constants.silu(name, SCALE, 16), exact, CODES) <= bound


@pytest.mark.parametrize(
    ("name", "bound"),
    [("ibert_layer_norm", 2e-3), ("ivit_layer_norm", 2e-3), ("fqvit_layer_norm", 0.05)],
)
def test_every_layer_norm_is_near(name, bound):
    generator = np.random.default_rng(1)
    gain, bias = generator.normal(1, 0.2, 64), generator.normal(0, 0.5, 64)
    centred = REAL - REAL.mean(axis=-1, keepdims=True)
    exact = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) * gain + bias
    made = unit_constants.layer_norm(name, SCALE, 16, gain, bias, epsilon=1e-5)
    assert error(made, exact, CODES) <= bound


def test_rms_norm_is_near():
    gain = np.random.default_rng(1).normal(1, 0.2, 64)
    exact = REAL / np.sqrt((REAL**2).mean(axis=-1, keepdims=True) + 1e-5) * gain
    made = unit_constants.rms_norm("ibert_rms_norm", SCALE, 16, gain, 1e-5)
    assert error(made, exact, CODES) <= 2e-3


def test_rotary_keeps_the_step_of_its_input():
    unit, step = unit_constants.rotary("table_rotary", 4, 64, 16)
    one, nothing = np.full((1, 64), round(1 / step)), np.zeros((1, 64), dtype=np.int64)
    assert np.array_equal(unit(CODES, one, nothing).values, CODES)


@pytest.mark.parametrize("ratio", [0.9, 0.3, 2.0**-9, 1e-5])
def test_rescaling_realizes_the_ratio_or_the_nearest_power_of_two(ratio):
    _, dyadic = unit_constants.rescale("dyadic_requantize", ratio, 32, 8)
    _, shifted = unit_constants.rescale("shift_requantize", ratio, 32, 8)
    assert abs(dyadic / ratio - 1) <= 2.0**-15
    assert 2**-0.5 <= shifted / ratio <= 2**0.5
    assert math.log2(shifted).is_integer()


@pytest.mark.parametrize("ratio", [2.0, 0.0, 2.0**-63])
def test_a_power_of_two_rescaling_only_moves_right(ratio):
    with pytest.raises(QuantizationError, match="no shift to the right by 0 to 62 places"):
        unit_constants.rescale("shift_requantize", ratio, 32, 8)


@pytest.mark.parametrize("scale", EXTREMES)
@pytest.mark.parametrize("input_bits", [8, 16])
def test_every_function_of_a_scale_takes_the_whole_range(scale, input_bits):
    for role in ("softmax", "gelu", "silu"):
        for name in names(role):
            unit, step = getattr(unit_constants, role)(name, scale, input_bits)
            assert UNITS[name] is type(unit)
            assert step > 0
            ends = np.array([[-(2 ** (input_bits - 1)), 2 ** (input_bits - 1) - 1, 0]])
            assert unit(ends).values.shape == (1, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: unit_constants.softmax("fp32_softmax", 0.1, 16),
            "units.softmax.model is 'fp32_softmax', .* choose one of fqvit_softmax, ibert_softmax",
        ),
        (lambda: unit_constants.silu("ibert_gelu", 0.1, 16), "units.silu.model is 'ibert_gelu'"),
        (lambda: unit_constants.rescale("emsb_q", 0.1, 32, 8), "one of dyadic_requantize, shift"),
    ],
)
def test_units_that_are_not_made_from_a_scale_are_refused(call, message):
    with pytest.raises(QuantizationError, match=message):
        call()


@pytest.mark.parametrize(
    "name",
    [
        name
        for role in ("softmax", "gelu", "silu", "layer_norm", "rms_norm", "rotary", "requantize")
        for name in names(role)
    ],
)
def test_every_integer_unit_can_be_costed(name):
    costs = operations(OperatingPoint(28.0))
    hardware = built_hardware(name)
    assert unit_area_um2(hardware, 64, costs).value > 0
    for operation in hardware.operations(64):
        assert costs.operation(operation.kind, operation.width_bits).energy_pj.value > 0


@pytest.mark.parametrize(
    ("role", "name"),
    [
        (role, name)
        for role in ("softmax", "gelu", "layer_norm", "requantize")
        for name in names(role)
    ],
)
def test_a_chip_may_name_every_integer_unit(role, name):
    """What a scheme cannot build of them it refuses when it is asked to quantize."""
    architecture = load_architecture("rap_int8", overrides=[f"units.{role}.model={name}"])
    assert getattr(architecture.units, role).model == name
