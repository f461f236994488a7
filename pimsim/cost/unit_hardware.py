"""The hardware that a chip provides for each digital unit, whatever runs on it.

Which question this module answers: *how wide is the softmax unit of a tile, whatever network it
will run?*

Energy follows the operations that each operation of the network declares for itself; area must not
depend on the network, so every unit is built once, for the widest operands and for all duties that
pimsim's schemes give it: 16-bit tensors before softmax, GELU and LayerNorm; 32-bit accumulators and
residual additions in the requantization unit.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Final

from pimsim.cost.digital import DigitalCosts
from pimsim.cost.memory import bit_area_um2
from pimsim.cost.sourced import Sourced, exact, setting, total
from pimsim.errors import RegistryError
from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.registry import UNITS
from pimsim.workload.graph import Op

WIDE_BITS: Final = 16
ACCUMULATOR_BITS: Final = 32
LONGEST_NORMALIZED_ROW: Final = 1024
"""Channels whose gain and bias the LayerNorm and RMSNorm units store at a time."""
RAP_OPERAND_BITS: Final = 9
"""Sign and eight bits: what eMSB-Q makes of logits. [bit]"""
WIDEST_HEAD: Final = 128
"""Channels whose cosines and sines the rotary unit holds at a time, those of one position."""
NOMINAL_SCALE: Final = 0.01
"""Stands for the scale of the logits, which no operation count depends on."""


def built_hardware(model: str, *, accumulator_bits: int = ACCUMULATOR_BITS) -> UnitHardware:
    """Return the hardware of a unit as it is built into a tile.

    Parameters
    ----------
    model
        Name in :data:`pimsim.registry.UNITS`.
    accumulator_bits
        Widest accumulator that a requantization unit takes. [bit]

    Raises
    ------
    NotFoundError
        If the name is unknown.
    RegistryError
        If a plug-in's unit has no ``built_hardware``.

    Examples
    --------
    >>> built_hardware("ibert_gelu").passes
    1
    """
    if model in _REQUANTIZATION:
        return _REQUANTIZATION[model](accumulator_bits)
    if model in _BUILT:
        return _BUILT[model]()
    hardware = getattr(UNITS[model], "built_hardware", None)
    if not isinstance(hardware, UnitHardware):
        raise RegistryError(
            f"digital unit {model!r} must have a class attribute 'built_hardware' of type "
            "UnitHardware: what a tile provides for it, from which its area is taken"
        )
    return hardware


def unit_area_um2(hardware: UnitHardware, lanes: int, costs: DigitalCosts) -> Sourced:
    """Area of one unit.

    Parameters
    ----------
    hardware
        What the unit is made of.
    lanes
        Elements processed per cycle and pass.
    costs
        Operation costs at the node.

    Returns
    -------
    Sourced
        Area. [µm²]

    Notes
    -----
    One operator per lane for every operation on an element, one per group of lanes for every
    operation on a group, one for the whole unit for every kind and width of operation on a row, one
    SRAM bit per bit of table; operators include the register of their result.
    """
    per_lane = total(
        costs.operation(operation.kind, operation.width_bits).area_um2
        * exact(f"{operation.kind}_{operation.width_bits}bit operators", count)
        for operation, count in hardware.per_element
    )
    per_group = total(
        costs.operation(operation.kind, operation.width_bits).area_um2
        * exact(f"{operation.kind}_{operation.width_bits}bit operators", count)
        for operation, count in hardware.per_group
    )
    groups = -(-lanes // hardware.group_size)
    serial = total(
        costs.operation(operation.kind, operation.width_bits).area_um2
        for operation in dict(hardware.per_row)
    )
    tables = bit_area_um2(costs.point) * exact("table_bits", hardware.table_bits)
    return total(
        [
            per_lane.named("area_per_lane_um2") * setting("lanes", lanes),
            per_group.named("area_per_group_um2") * exact("groups of lanes", groups),
            serial.named("area_for_whole_rows_um2"),
            tables.named("area_of_tables_um2"),
        ]
    )


def _softmax() -> UnitHardware:
    from pimsim.quantization.constants import ibert_softmax

    return ibert_softmax(NOMINAL_SCALE, WIDE_BITS).hardware


def _gelu() -> UnitHardware:
    from pimsim.integer.ibert_gelu import IBertGelu

    return IBertGelu(q_clip=2502, q_c=6925208, input_bits=WIDE_BITS).hardware


def _layer_norm() -> UnitHardware:
    from pimsim.integer.ibert_layer_norm import IBertLayerNorm

    return IBertLayerNorm(
        gain=(1,) * LONGEST_NORMALIZED_ROW,
        bias=(0,) * LONGEST_NORMALIZED_ROW,
        epsilon=1,
        input_bits=WIDE_BITS,
    ).hardware


def _requantize(accumulator_bits: int) -> UnitHardware:
    from pimsim.integer.requantize import DyadicAdd, DyadicRequantize

    one = 1 << 14
    rescale = DyadicRequantize(
        multiplier=one, shift=14, input_bits=accumulator_bits, output_bits=WIDE_BITS
    )
    add = DyadicAdd(
        multipliers=(one, one), shifts=(14, 14), input_bits=(WIDE_BITS,) * 2, output_bits=WIDE_BITS
    )
    return _serving_all(rescale.hardware, add.hardware)


def _vdr_softmax() -> UnitHardware:
    from pimsim.quantization.rap_constants import vdr_softmax

    return vdr_softmax(NOMINAL_SCALE, RAP_OPERAND_BITS)[0].hardware


def _emsb_q(accumulator_bits: int) -> UnitHardware:
    """The leading-one shifter with all that RAP's graph asks of the unit beside it."""
    from pimsim.integer.leading_one import emsb_q
    from pimsim.integer.requantize import DyadicRequantize
    from pimsim.integer.token_shift import BiasedShift, ScaledAdd
    from pimsim.integer.vdr_normalize import FACTOR_BITS, VdrNormalize

    one = 1 << 14
    leading = BiasedShift(bias=(0,), bias_shift=0, leading=emsb_q(input_bits=accumulator_bits))
    normalize = VdrNormalize(
        method="reciprocal_lut", input_bits=accumulator_bits - FACTOR_BITS,
        output_bits=ACCUMULATOR_BITS,
    )  # fmt: skip
    rescale = DyadicRequantize(
        multiplier=one, shift=14, input_bits=accumulator_bits, output_bits=WIDE_BITS
    )
    add = ScaledAdd(multiplier=one, shift=14, input_bits=WIDE_BITS, output_bits=WIDE_BITS)
    duties = (leading, normalize, rescale, add)
    return _serving_all(*(duty.hardware for duty in duties))


def _rms_norm() -> UnitHardware:
    from pimsim.integer.ibert_rms_norm import IBertRmsNorm

    gain = (1,) * LONGEST_NORMALIZED_ROW
    return IBertRmsNorm(gain=gain, epsilon=1, input_bits=WIDE_BITS).hardware


def _rotary() -> UnitHardware:
    from pimsim.integer.table_rotary import TableRotary

    return TableRotary(
        positions=1,
        length=WIDEST_HEAD,
        fraction_bits=14,
        input_bits=WIDE_BITS,
        output_bits=WIDE_BITS,
    ).hardware


def _floating(model: str) -> UnitHardware:
    """A floating-point function, whose work depends on no operand."""
    _, _, kind = model.partition("_")
    constants = {"layer_norm": ("gain", "bias"), "rms_norm": ("gain",)}.get(kind, ())
    hardware: UnitHardware = UNITS[model](
        op=_bare_op(kind), **dict.fromkeys(constants, ())
    ).hardware
    return hardware


def _floating_requantize(model: str) -> UnitHardware:
    """Dequantize, quantize and add.

    In half precision it is no smaller: accumulators are scaled in single precision, and the
    narrow operators stand beside the wide ones.
    """
    requantize, add = UNITS[model], UNITS[model.replace("requantize", "add")]
    return _serving_all(
        requantize(scale=(1.0,)).hardware,
        requantize(scale=(1.0,), bits=8).hardware,
        add().hardware,
    )


def _made(model: str, accumulator_bits: int = ACCUMULATOR_BITS) -> UnitHardware:
    """Hardware of a unit that :mod:`pimsim.quantization.unit_constants` makes by name."""
    from pimsim.quantization.unit_constants import nominal

    return nominal(
        model, scale=NOMINAL_SCALE, input_bits=WIDE_BITS, accumulator_bits=accumulator_bits,
        length=LONGEST_NORMALIZED_ROW,
    ).hardware  # fmt: skip


def _bare_op(kind: str) -> Op:
    return Op(name=kind, kind=kind, inputs=(), outputs=())


def _serving_all(*duties: UnitHardware) -> UnitHardware:
    """One unit for several duties in turn: of every operation as many as the busiest duty needs."""
    counts: dict[Operation, int] = {}
    for duty in duties:
        for operation, count in duty.per_element:
            counts[operation] = max(count, counts.get(operation, 0))
    return replace(
        duties[0],
        per_element=tuple(sorted(counts.items())),
        table_bits=max(duty.table_bits for duty in duties),
    )


_MADE: Final = (
    "fqvit_layer_norm",
    "fqvit_softmax",
    "ibert_silu",
    "illm_softmax",
    "ivit_gelu",
    "ivit_layer_norm",
    "ivit_silu",
    "ivit_softmax",
    "qrazor_sdr",
    "quartz_lzs",
    "softermax",
    "table_gelu",
    "table_silu",
)
"""Units built from real scales by name."""

_FLOATING: Final = tuple(
    f"{precision}_{function}"
    for precision in ("fp32", "fp16")
    for function in ("softmax", "gelu", "layer_norm", "rms_norm", "silu", "rotary")
)

_BUILT: Final[Mapping[str, Callable[[], UnitHardware]]] = MappingProxyType(
    {
        "ibert_softmax": _softmax,
        "ibert_gelu": _gelu,
        "ibert_layer_norm": _layer_norm,
        "ibert_rms_norm": _rms_norm,
        "table_rotary": _rotary,
        "vdr_softmax": _vdr_softmax,
        **{model: partial(_made, model) for model in _MADE},
        **{model: partial(_floating, model) for model in _FLOATING},
        "fp32_requantize": partial(_floating_requantize, "fp32_requantize"),
        "fp16_requantize": partial(_floating_requantize, "fp16_requantize"),
    }
)
_REQUANTIZATION: Final[Mapping[str, Callable[[int], UnitHardware]]] = MappingProxyType(
    {
        "dyadic_requantize": _requantize,
        "emsb_q": _emsb_q,
        "shift_requantize": partial(_made, "shift_requantize"),
    }
)
"""Units whose width follows that of the accumulators."""
