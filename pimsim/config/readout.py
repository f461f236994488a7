"""How a macro's read-out takes its time, where planes and conversions alone do not tell.

Which question this module answers: *how many steps does one vector take in a macro that integrates
charge or that takes one vector at a time, and how does its speed follow the supply?*
"""

from typing import Literal, NamedTuple

from pydantic import Field

from pimsim.config.base import PICOSECOND_NS, Config


class Steps(NamedTuple):
    """What the read-out of one vector consists of."""

    input_bits: int
    """Magnitude bits driven one after another."""
    phases: int
    """Groups of input bits that are integrated and converted on their own."""
    integration_steps: int
    """Samples added to the integration capacitor; bit ``k`` of a phase is added ``2**k`` times."""
    conversion_steps: int
    """Comparisons with a charge step, of all phases."""


class Readout(Config):
    """Charge-integrating neurons that double as converters, as in NeuRRAM (Wan et al., 2022).

    Bits of the input are driven one after another, the highest first within a phase; the sampled
    voltage of bit ``k`` is integrated ``2**k`` times. The integrated charge is then converted bit
    by bit. Inputs of more magnitude bits than ``bits_per_phase`` are cut into two phases, whose
    results are added with their weights; the second, lower one is converted to as many bits fewer
    as the first has input bits.
    """

    model: Literal["charge_integration"]
    """Kind of read-out."""
    bits_per_phase: int = Field(ge=1, le=8)
    """Most magnitude bits of an input that one phase takes."""
    integration_step_ns: float = Field(ge=PICOSECOND_NS, le=1e6)
    """Adding one sample."""
    conversion_step_ns: float = Field(ge=PICOSECOND_NS, le=1e6)
    """One bit of a conversion."""
    phase_ns: float = Field(ge=0, le=1e6)
    """Initialization and sampling of a phase."""

    def steps(self, input_bits: int, output_bits: int) -> Steps:
        """Count the steps of one vector.

        Parameters
        ----------
        input_bits
            Width of the inputs, sign included; a single bit stands for plus or minus one.
        output_bits
            Width of the outputs.

        Examples
        --------
        >>> neuron = Readout(model="charge_integration", bits_per_phase=3,
        ...     integration_step_ns=296.0, conversion_step_ns=300.0, phase_ns=300.0)
        >>> neuron.steps(1, 3)
        Steps(input_bits=1, phases=1, integration_steps=1, conversion_steps=3)
        >>> neuron.steps(8, 10)
        Steps(input_bits=7, phases=2, integration_steps=22, conversion_steps=16)
        """
        magnitude = max(1, input_bits - 1)
        cuts = [magnitude]
        if magnitude > self.bits_per_phase:
            cuts = [-(-magnitude // 2), magnitude // 2]
        conversions = [max(output_bits - sum(cuts[:index]), 0) for index in range(len(cuts))]
        return Steps(
            input_bits=magnitude,
            phases=len(cuts),
            integration_steps=sum((1 << bits) - 1 for bits in cuts),
            conversion_steps=sum(conversions),
        )

    def vector_ns(self, input_bits: int, output_bits: int) -> float:
        """Time of one vector. [ns]

        Examples
        --------
        >>> neuron = Readout(model="charge_integration", bits_per_phase=3,
        ...     integration_step_ns=296.0, conversion_step_ns=300.0, phase_ns=300.0)
        >>> neuron.vector_ns(1, 3)
        1496.0
        """
        steps = self.steps(input_bits, output_bits)
        return (
            steps.integration_steps * self.integration_step_ns
            + steps.conversion_steps * self.conversion_step_ns
            + steps.phases * self.phase_ns
        )


class BlockingPipeline(Config):
    """Stages that input cycles pass one after the other, in a macro that is busy until the last.

    It fills and drains for every vector, as in PUMA (Ankit et al., 2019), where the
    instruction that starts a product occupies its core until the product is there: drivers and
    crossbar, then converters, then shift-and-add.
    """

    stages: int = Field(ge=1, le=64)
    """Stages, the crossbar among them."""
    stage_ns: float = Field(ge=PICOSECOND_NS, le=1e6)
    """One input cycle in one stage."""

    def vector_ns(self, planes: int) -> float:
        """Time of one vector. [ns]

        Parameters
        ----------
        planes
            Input cycles of a vector.

        Examples
        --------
        >>> pipeline = BlockingPipeline(stages=3, stage_ns=128.0)
        >>> pipeline.vector_ns(16)
        2304.0
        """
        return (planes + self.stages - 1) * self.stage_ns


class SupplyDelay(Config):
    """How the speed of a macro follows the supply."""

    at_v: float = Field(ge=0.4, le=2.0)
    """Supply at which the times of the macro hold."""
    delay_exponent: float = Field(ge=0, le=6)
    """Times shrink with this power of the supply."""

    def delay_ratio(self, supply_v: float) -> float:
        """Times at a supply over those of the file.

        Examples
        --------
        >>> round(SupplyDelay(at_v=0.85, delay_exponent=2.66).delay_ratio(1.2), 4)
        0.3996
        """
        return float((self.at_v / supply_v) ** self.delay_exponent)
