import pytest

from pimsim.cost.digital import operations
from pimsim.cost.memory import bit_area_um2
from pimsim.cost.technology import OperatingPoint
from pimsim.cost.unit_hardware import built_hardware, unit_area_um2
from pimsim.errors import NotFoundError, RegistryError
from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.registry import UNITS

COSTS = operations(OperatingPoint(28.0))
FLOATING = ("softmax", "gelu", "layer_norm", "rms_norm", "silu", "rotary", "requantize")


@pytest.mark.parametrize(
    "model",
    [
        f"{method}_{function}"
        for method, functions in {
            "ibert": ("softmax", "gelu", "layer_norm"),
            "dyadic": ("requantize",),
            "fp32": FLOATING,
            "fp16": FLOATING,
        }.items()
        for function in functions
    ],
)
def test_every_own_unit_can_be_built_and_has_an_area(model):
    assert model in UNITS
    area = unit_area_um2(built_hardware(model), 64, COSTS)
    assert area.value > 0


def test_area_is_operators_times_lanes_plus_serial_operators_plus_tables():
    add, divide = Operation("add", 16), Operation("divide", 32)
    hardware = UnitHardware(
        passes=2,
        per_element=((add, 3),),
        per_row=((divide, 4), (add, 1)),
        serial_cycles_per_row=1,
        pipeline_depth_cycles=1,
        table_bits=100,
        maximum_row_length=None,
    )
    adder = COSTS.operation("add", 16).area_um2.value
    divider = COSTS.operation("divide", 32).area_um2.value
    table = 100 * bit_area_um2(COSTS.point).value
    got = unit_area_um2(hardware, 8, COSTS).value
    assert got == pytest.approx(8 * 3 * adder + adder + divider + table)


def test_the_requantizer_serves_rescaling_and_residual_addition():
    per_element = dict(built_hardware("dyadic_requantize").per_element)
    assert per_element[Operation("multiply", 32)] == 1
    assert sum(n for op, n in per_element.items() if op.kind == "multiply") >= 2


def test_floating_units_are_larger_than_integer_ones():
    for function in ("softmax", "gelu", "layer_norm"):
        integer, floating = (
            unit_area_um2(built_hardware(f"{method}_{function}"), 64, COSTS).value
            for method in ("ibert", "fp32")
        )
        assert floating > 2 * integer


@pytest.mark.parametrize("function", [name for name in FLOATING if name != "requantize"])
def test_half_precision_is_smaller_than_single(function):
    half, single = (
        unit_area_um2(built_hardware(f"{precision}_{function}"), 64, COSTS).value
        for precision in ("fp16", "fp32")
    )
    assert half < single


def test_an_unknown_unit_is_named():
    with pytest.raises(NotFoundError, match="unknown digital unit 'ibert_softmx'"):
        built_hardware("ibert_softmx")


def test_a_plug_in_must_say_what_a_tile_provides(monkeypatch):
    entries = {**UNITS._entries, "bare_unit": object}
    monkeypatch.setattr(UNITS, "_entries", entries)
    with pytest.raises(RegistryError, match="'bare_unit' must have a class attribute"):
        built_hardware("bare_unit")


def test_a_plug_in_that_says_it_is_taken_at_its_word(monkeypatch):
    class Square:
        built_hardware = built_hardware("ibert_gelu")

    monkeypatch.setattr(UNITS, "_entries", {**UNITS._entries, "my_square": Square})
    assert built_hardware("my_square") == Square.built_hardware
