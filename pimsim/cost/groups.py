"""What schemes whose operands share shifts in groups add to a chip.

Which question this module answers: *which logic does a chip have for QRazor or QuaRTZ that one for
plain integers has not?*

Beside the shift-and-add of every macro, one that puts groups together
(:func:`pimsim.cost.recombination.group_shift_add_area_um2`); in the requantization unit, the
leading-one shifter that compresses operands, and room for accumulators of 48 bits instead of 32,
the widest that a unit takes; the last under RAP's scheme, too.
"""

from pimsim.config.architecture import Architecture, Macro
from pimsim.cost.digital import DigitalCosts
from pimsim.cost.recombination import group_shift_add_area_um2
from pimsim.cost.sourced import Sourced
from pimsim.cost.unit_hardware import ACCUMULATOR_BITS, unit_area_um2
from pimsim.integer.codes import ACCUMULATOR_BITS as WIDEST_ACCUMULATOR_BITS
from pimsim.mapping.widths import narrowed
from pimsim.quantization.forms import RAP_SCHEME, OperandForm, forms_of


def macro_addition_um2(
    name: str, macro: Macro, architecture: Architecture, costs: DigitalCosts
) -> Sourced | None:
    """Area that groups add to a macro; ``None`` if the scheme has none there. [µm²]"""
    forms = forms_of(architecture)
    if forms is None:
        return None
    held: list[OperandForm] = []
    if architecture.macro_for("static") == name:
        held.append(forms.weights)
    if architecture.macro_for("dynamic") == name:
        held.append(forms.stored)
    places = forms.driven.shift_max + max((form.shift_max for form in held), default=0)
    if not held or not places:
        return None
    small = narrowed(
        macro, driven_bits=forms.driven.bits, stored_bits=min(form.bits for form in held)
    )
    return group_shift_add_area_um2(small, costs, places=places)


def compression_area_um2(
    architecture: Architecture, lanes: int, costs: DigitalCosts
) -> Sourced | None:
    """Area of the shifter that compresses operands; ``None`` if nothing is compressed. [µm²]"""
    forms = forms_of(architecture)
    compression = None if forms is None else forms.driven.compression or forms.stored.compression
    return None if compression is None else unit_area_um2(compression.hardware, lanes, costs)


def widest_accumulator_bits(architecture: Architecture) -> int:
    """Width of the accumulators that the requantization unit of a tile takes. [bit]"""
    wide = forms_of(architecture) is not None or architecture.numerics.scheme == RAP_SCHEME
    return WIDEST_ACCUMULATOR_BITS if wide else ACCUMULATOR_BITS
