"""Process, voltage and temperature, as an architecture file describes them.

Which question this module answers: *at which operating point does the chip run?*
"""

from typing import Final, Literal, Self

from pydantic import Field, model_validator

from pimsim.config.base import Config

NOMINAL_SUPPLY_V: Final = 0.9
"""Supply at which published constants are taken to hold where nothing else is said. [V]"""
NOMINAL_TEMPERATURE_DEGC: Final = 25.0
"""Temperature at which the currents and errors of a file are stated. [°C]"""
SUPPLY_SPAN_RATIO: Final = 0.25
"""How far the supply may be from the nominal one, either way."""

Process = Literal["tt", "ff", "ss", "fs", "sf"]


class Pvt(Config):
    """Process corner, supply and temperature of the run.

    The numbers of a file hold at ``tt``, ``nominal_supply_v`` and 25 °C. Elsewhere the currents of
    the cells and the gain, offset and noise of the converters follow documented sensitivities; so
    does leakage, and the supply also scales the energy of the digital logic. Crossbars and
    converters are costed at ``nominal_supply_v``.
    """

    process: Process
    """Corner of the transistors, n-channel first: typical, fast or slow."""
    supply_v: float = Field(ge=0.4, le=1.3)
    """Supply of the run, within 25 % of ``nominal_supply_v``."""
    temperature_degc: float = Field(ge=-40, le=125)
    """Junction temperature of the run."""
    nominal_supply_v: float = Field(default=NOMINAL_SUPPLY_V, ge=0.4, le=1.3)
    """Supply at which the currents and errors of this file hold."""
    die_sigma_v: float | None = Field(default=None, ge=0, le=0.02)
    """Standard deviation of the threshold voltage from chip to chip about the corner, n- and
    p-channel together, drawn once per chip. Absent: every chip sits at the corner."""
    threshold_shift_v: float | None = Field(default=None, ge=-0.1, le=0.1)
    """Threshold voltage of this chip relative to the corner's; absent: none."""

    @model_validator(mode="after")
    def _supply_near_nominal(self) -> Self:
        low, high = self.supply_range_v
        if not low <= self.supply_v <= high:
            raise ValueError(
                f"supply_v ({self.supply_v}) must be within {SUPPLY_SPAN_RATIO:.0%} of "
                f"nominal_supply_v ({self.nominal_supply_v}), {low:.4g} to {high:.4g}; set "
                "nominal_supply_v to the supply at which the file's currents hold"
            )
        return self

    @property
    def supply_range_v(self) -> tuple[float, float]:
        """Lowest and highest supply at this nominal one. [V]"""
        return (
            self.nominal_supply_v * (1 - SUPPLY_SPAN_RATIO),
            self.nominal_supply_v * (1 + SUPPLY_SPAN_RATIO),
        )

    @property
    def is_nominal(self) -> bool:
        """Whether the numbers of the file hold as they stand, on every chip."""
        return (
            self.process == "tt"
            and self.supply_v == self.nominal_supply_v
            and self.temperature_degc == NOMINAL_TEMPERATURE_DEGC
            and not self.threshold_shift_v
            and not self.die_sigma_v
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What an operating point other than the nominal one acts on, for readers of a result.

        Examples
        --------
        >>> Pvt(process="tt", supply_v=0.9, temperature_degc=25.0).notes
        ()
        """
        if self.is_nominal:
            return ()
        spread = ""
        if self.die_sigma_v:
            spread = f", thresholds spread by {1000 * self.die_sigma_v:g} mV from chip to chip"
        acts = (
            f"operating point {self.process}, {self.supply_v:g} V, {self.temperature_degc:g} °C"
            f"{spread}: acts on the currents of the cells and on gain, offset and noise of the "
            "converters, by sensitivities that are assumed"
        )
        rests = (
            "leakage follows the operating point by a subthreshold law; of it, only the supply "
            "enters switching energy, that of the digital logic; area and times are those of tt "
            "at 25 °C"
        )
        return acts, rests
