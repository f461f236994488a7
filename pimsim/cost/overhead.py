"""What the models of components leave out: clock network and control.

Which question this module answers: *how much energy and area come on top of the digital components,
and on whose word?*

The overhead is one explicit line of every result, ``overhead.clock_and_control``, a ratio of the
digital energy and area: vector units, shift-and-add, controllers, buffers and network. Crossbars,
converters, the wires inside tiles and what is off the chip have no clock. Name ``no_overhead`` to
leave it out.

Not modelled: a clock that runs while nothing switches, clock gating per block, filler area between
placed cells.

References
----------
.. [1] T. Chen et al., DianNao, ASPLOS 2014: layout characteristics at 65 nm.
"""

from dataclasses import dataclass

from pimsim.cost.parameters import constant
from pimsim.cost.sourced import Sourced
from pimsim.cost.technology import OperatingPoint


@dataclass(frozen=True, slots=True)
class OverheadCost:
    """What comes on top of digital components."""

    energy_ratio: Sourced
    """Of their switching energy."""
    area_ratio: Sourced
    """Of their area."""


def clock_and_control(point: OperatingPoint) -> OverheadCost:
    """Clock network by its share in a published accelerator [1]_.

    Parameters
    ----------
    point
        Not used: both sides of the ratio shrink alike.

    Notes
    -----
    132 mW of clock beside 89 + 177 + 86 mW of logic, memories and registers, and 0.069 beside
    2.14 mm². Other chips have less: EIE (ISCA 2016) about a fifth of its power, a ratio of 0.26.
    The state machines that control components are within the logic of that chip; here they are not
    counted otherwise.

    Examples
    --------
    >>> clock_and_control(OperatingPoint(28.0)).energy_ratio.value
    0.375
    """
    return OverheadCost(
        constant("overhead", "clock_per_digital_energy_ratio"),
        constant("overhead", "clock_per_digital_area_ratio"),
    )


def no_overhead(point: OperatingPoint) -> OverheadCost:
    """Nothing on top: components as their models have them."""
    return OverheadCost(Sourced(0.0), Sourced(0.0))
