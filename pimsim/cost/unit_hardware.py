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
from types import MappingProxyType
from typing import Final

from pimsim.cost.digital import DigitalCosts
from pimsim.cost.memory import bit_area_um2
from pimsim.cost.sourced import Sourced, total
from pimsim.errors import RegistryError
from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.registry import UNITS
from pimsim.workload.graph import Op

WIDE_BITS: Final = 16
ACCUMULATOR_BITS: Final = 32
LONGEST_NORMALIZED_ROW: Final = 1024
"""Channels whose gain and bias the LayerNorm unit stores at a time."""
NOMINAL_SCALE: Final = 0.01
"""Stands for the scale of the logits, which no operation count depends on."""


def built_hardware(model: str) -> UnitHardware:
    """Return the hardware of a unit as it is built into a tile.

    Parameters
    ----------
    model
        Name in :data:`pimsim.registry.UNITS`.

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
    One operator per lane for every operation on an element, one for the whole unit for every kind
    and width of operation on a row, one SRAM bit per bit of table; operators include the register
    of their result.
    """
    per_lane = total(
        costs.operation(operation.kind, operation.width_bits).area_um2 * float(count)
        for operation, count in hardware.per_element
    )
    serial = total(
        costs.operation(operation.kind, operation.width_bits).area_um2
        for operation in dict(hardware.per_row)
    )
    tables = bit_area_um2(costs.point) * float(hardware.table_bits)
    return per_lane * float(lanes) + serial + tables


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


def _requantize() -> UnitHardware:
    from pimsim.integer.requantize import DyadicAdd, DyadicRequantize

    one = 1 << 14
    rescale = DyadicRequantize(
        multiplier=one, shift=14, input_bits=ACCUMULATOR_BITS, output_bits=WIDE_BITS
    )
    add = DyadicAdd(
        multipliers=(one, one), shifts=(14, 14), input_bits=(WIDE_BITS,) * 2, output_bits=WIDE_BITS
    )
    return _serving_all(rescale.hardware, add.hardware)


def _fp32_softmax() -> UnitHardware:
    from pimsim.quantization.float_units import Fp32Softmax

    return Fp32Softmax(op=_bare_op("softmax")).hardware


def _fp32_gelu() -> UnitHardware:
    from pimsim.quantization.float_units import Fp32Gelu

    return Fp32Gelu(op=_bare_op("gelu")).hardware


def _fp32_layer_norm() -> UnitHardware:
    from pimsim.quantization.float_units import Fp32LayerNorm

    return Fp32LayerNorm(op=_bare_op("layer_norm"), gain=(), bias=()).hardware


def _fp32_requantize() -> UnitHardware:
    from pimsim.quantization.float_units import Fp32Add, Fp32Requantize

    return _serving_all(
        Fp32Requantize(scale=(1.0,)).hardware,
        Fp32Requantize(scale=(1.0,), bits=8).hardware,
        Fp32Add().hardware,
    )


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


_BUILT: Final[Mapping[str, Callable[[], UnitHardware]]] = MappingProxyType(
    {
        "ibert_softmax": _softmax,
        "ibert_gelu": _gelu,
        "ibert_layer_norm": _layer_norm,
        "dyadic_requantize": _requantize,
        "fp32_softmax": _fp32_softmax,
        "fp32_gelu": _fp32_gelu,
        "fp32_layer_norm": _fp32_layer_norm,
        "fp32_requantize": _fp32_requantize,
    }
)
