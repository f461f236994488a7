"""Cells of a crossbar and its wires, as an architecture file describes them.

Which question this module answers: *what can be said about a memory cell, in which units and
bounds?*

Every non-ideality is optional; absent means ideal.
"""

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from pimsim.config.base import PICOSECOND_NS, Config, known_in
from pimsim.config.cell_table import read_cell_table
from pimsim.registry import CELL_MODELS

CellModel = Annotated[str, AfterValidator(known_in(CELL_MODELS))]

Device = Literal[
    "pcm_doped_gst",
    "pcm_hermes_one_device",
    "pcm_hermes_two_devices",
    "reram_wan2022",
    "reram_cmo_hfox",
]
"""Rows of measured coefficients: ``docs/devices.md`` says from which silicon."""

WRITE_VERIFY_KEYS = ("tolerance_ratio", "pulse_sigma_ratio", "pulses_max")
TABLE_KEYS = ("conductance_usiemens", "sigma_usiemens")
POWER_LAW_KEYS = ("nu_exponent", "nu_sigma_exponent", "start_s")


class Programming(Config):
    """How far a freshly programmed cell misses its target, on top of the cell's own variation."""

    model: Literal["write_verify", "table"] | Device
    """``write_verify``: pulses until a cell is within its tolerance. ``table``: your own spreads.
    Otherwise a row of measured ones."""
    tolerance_ratio: float | None = Field(default=None, gt=0, le=1)
    """``write_verify``: largest accepted error, either way, over on minus off current."""
    pulse_sigma_ratio: float | None = Field(default=None, gt=0, le=1)
    """``write_verify``: standard deviation of the current after one pulse, over on minus off
    current."""
    pulses_max: int | None = Field(default=None, ge=1, le=100_000)
    """``write_verify``: pulses after which a cell is given up and stays as it is."""
    pulse_time_ns: float | None = Field(default=None, ge=0.001, le=1e9)
    """``write_verify``: one pulse with its verification; for reports."""
    pulse_energy_pj: float | None = Field(default=None, ge=0, le=1e9)
    """``write_verify``: one pulse with its verification; for reports."""
    conductance_usiemens: tuple[float, ...] | None = Field(
        default=None, min_length=2, max_length=4096, strict=False
    )
    """``table``: conductances in rising order, from the off to the on state."""
    sigma_usiemens: tuple[float, ...] | None = Field(
        default=None, min_length=2, max_length=4096, strict=False
    )
    """``table``: standard deviation at each of them; linear in between."""
    table_csv: str | None = None
    """``table``: path of a CSV file with the header ``conductance_usiemens,sigma_usiemens``,
    instead of the two lists; a relative path counts from the working directory. Its content, not
    its path, becomes part of the configuration."""

    @model_validator(mode="before")
    @classmethod
    def _from_csv(cls, data: Any) -> Any:
        """Replace ``table_csv`` by the lists that the file holds."""
        if not isinstance(data, dict) or data.get("table_csv") is None:
            return data
        rest = {key: value for key, value in data.items() if key != "table_csv"}
        taken = [key for key in TABLE_KEYS if rest.get(key) is not None]
        if taken:
            raise ValueError(f"give table_csv or {taken[0]}, not both")
        if not isinstance(data["table_csv"], str):
            return data  # the field's own check says what is wrong
        conductance, sigma = read_cell_table(Path(data["table_csv"]))
        return {**rest, "conductance_usiemens": conductance, "sigma_usiemens": sigma}

    @model_validator(mode="after")
    def _keys_suit_the_model(self) -> Self:
        _need_exactly(self, WRITE_VERIFY_KEYS, wanted=self.model == "write_verify")
        _need_exactly(self, TABLE_KEYS, wanted=self.model == "table")
        for key in ("pulse_time_ns", "pulse_energy_pj"):
            if getattr(self, key) is not None and self.model != "write_verify":
                raise ValueError(f"{key}: only model 'write_verify' takes it")
        return self

    @model_validator(mode="after")
    def _table_is_sound(self) -> Self:
        conductance, sigma = self.conductance_usiemens, self.sigma_usiemens
        if conductance is None or sigma is None:
            return self
        if len(conductance) != len(sigma):
            raise ValueError(
                f"conductance_usiemens has {len(conductance)} entries, sigma_usiemens "
                f"{len(sigma)}; give one spread per conductance"
            )
        if conductance[0] < 0 or any(low >= high for low, high in pairwise(conductance)):
            raise ValueError("conductance_usiemens must start at 0 or above and rise throughout")
        if min(sigma) < 0:
            raise ValueError(f"sigma_usiemens must not be negative (found {min(sigma)})")
        return self


class Drift(Config):
    """What time does to programmed cells."""

    model: Literal["power_law"] | Device
    """``power_law``: your own exponent. Otherwise a row of measured coefficients."""
    age_s: float = Field(ge=0, le=1e9)
    """Time from the end of programming to the run."""
    compensation: Literal["none", "global"] = "none"
    """``global``: the read-out of each macro is rescaled by the mean loss of its cells."""
    nu_exponent: float | None = Field(default=None, ge=0, le=1)
    """``power_law``: mean drift exponent."""
    nu_sigma_exponent: float | None = Field(default=None, ge=0, le=1)
    """``power_law``: its standard deviation from cell to cell."""
    start_s: float | None = Field(default=None, gt=0, le=1e9)
    """``power_law``: time from programming to the first read, the power law's unit of time."""

    @model_validator(mode="after")
    def _keys_suit_the_model(self) -> Self:
        _need_exactly(self, POWER_LAW_KEYS, wanted=self.model == "power_law")
        return self


class ReadNoise(Config):
    """Noise of the cells' own currents."""

    sigma_on_ratio: float | None = Field(default=None, ge=0, le=1)
    """White noise of a cell in its on state, rms and fresh in every read, over on minus off
    current. Absent: none."""
    sigma_off_ratio: float | None = Field(default=None, ge=0, le=1)
    """The same in its off state; levels in between take the variance in between. Absent: none."""
    flicker: (
        Literal[
            "pcm_doped_gst", "pcm_hermes_one_device", "pcm_hermes_two_devices", "reram_cmo_hfox"
        ]
        | None
    ) = None
    """1/f noise accumulated up to ``drift.age_s`` by measured coefficients; too slow to change
    within a run, it is drawn once per chip. Absent: none."""


class Faults(Config):
    """Cells that do not take what is written."""

    stuck_at_zero_ratio: float = Field(default=0.0, ge=0, le=1)
    """Probability that a cell always carries the off current; drawn once per chip."""
    stuck_at_one_ratio: float = Field(default=0.0, ge=0, le=1)
    """Probability that a cell always carries the on current; drawn once per chip."""

    @model_validator(mode="after")
    def _a_cell_is_stuck_once(self) -> Self:
        total = self.stuck_at_zero_ratio + self.stuck_at_one_ratio
        if total > 1:
            raise ValueError(
                f"stuck_at_zero_ratio and stuck_at_one_ratio add up to {total:g}, above 1"
            )
        return self


class Conduction(Config):
    """What a cell draws while it is read; what is absent is taken from the library of cells."""

    on_conductance_usiemens: float | None = Field(default=None, gt=0, le=1e4)
    """Of a cell in its on state, access transistor included."""
    voltage_v: float | None = Field(default=None, gt=0, le=5)
    """Across a cell while it is read."""
    time_ns: float | None = Field(default=None, ge=PICOSECOND_NS, le=1e6)
    """How long a cell conducts in one read."""


class Wires(Config):
    """Resistance of the lines between the cells and their drivers and converters."""

    on_conductance_usiemens: float = Field(gt=0, le=1e4)
    """Conductance of a cell in its on state: without it a resistance says nothing."""
    activity_ratio: float = Field(ge=0, le=1)
    """Share of the other rows of a read that is taken to conduct: the ones among the inputs."""
    bit_line_ohm: float | None = Field(default=None, gt=0, le=1e4)
    """Bit line from one row to the next; the converter is at row 0. Absent: ideal."""
    word_line_ohm: float | None = Field(default=None, gt=0, le=1e4)
    """Word line from one column to the next, where it carries the cells' current (no access
    transistor); the driver is at column 0. Absent: ideal, as where word lines drive gates only."""

    @model_validator(mode="after")
    def _some_resistance(self) -> Self:
        if self.bit_line_ohm is None and self.word_line_ohm is None:
            raise ValueError("wires without resistance: set bit_line_ohm or remove the section")
        return self


class Cell(Config):
    """One memory cell of a crossbar."""

    model: CellModel
    """Name of a cell model: ``pimsim list``."""
    bits: int = Field(ge=1, le=4)
    """Bits stored per cell: ``2**bits`` equally spaced levels from off to on current."""
    on_off_ratio: float | None = Field(default=None, gt=1)
    """On current over off current; absent: the off current is zero."""
    sigma_on_ratio: float | None = Field(default=None, ge=0, le=1)
    """Standard deviation of the on current from cell to cell, relative to on current minus off
    current (one LSB of a one-bit cell); drawn once per chip. Absent: no variation."""
    sigma_off_ratio: float | None = Field(default=None, ge=0, le=1)
    """The same for the off current; absent: ``sigma_on_ratio / on_off_ratio``. Levels in between
    take the variance in between."""
    programming: Programming | None = None
    """Error of programming; absent: none."""
    drift: Drift | None = None
    """Drift and retention; absent: none."""
    read_noise: ReadNoise | None = None
    """Noise of the cells' currents; absent: none."""
    faults: Faults | None = None
    """Stuck cells; absent: none."""
    conduction: Conduction | None = None
    """Current and time of a read, which its energy follows; absent: as usual for such cells."""

    @model_validator(mode="after")
    def _ideal_cells_do_not_vary(self) -> Self:
        if self.model != "ideal":
            return self
        if self.sigma_on_ratio or self.sigma_off_ratio:
            raise ValueError(
                "model 'ideal' has no variation; remove sigma_on_ratio and sigma_off_ratio, or "
                "choose 'mram' or 'sram'"
            )
        given = [key for key in STATE_SECTIONS if getattr(self, key) is not None]
        if given:
            raise ValueError(
                f"model 'ideal' has no {given[0]}; remove the section or choose another model"
            )
        return self

    @model_validator(mode="after")
    def _rows_were_measured_on_such_cells(self) -> Self:
        if self.model not in ("sram", "mram", "reram", "pcm"):
            return self
        named = {
            "programming.model": self.programming.model if self.programming else None,
            "drift.model": self.drift.model if self.drift else None,
            "read_noise.flicker": self.read_noise.flicker if self.read_noise else None,
        }
        for key, row in named.items():
            measured_on = row.partition("_")[0] if row is not None else self.model
            if measured_on in ("pcm", "reram") and measured_on != self.model:
                raise ValueError(
                    f"{key} '{row}' was measured on {measured_on} cells; set model to "
                    f"'{measured_on}' (found '{self.model}')"
                )
        return self

    @model_validator(mode="after")
    def _table_spans_the_on_off_ratio(self) -> Self:
        table = self.programming.conductance_usiemens if self.programming else None
        if table is None:
            return self
        off_share = 0.0 if self.on_off_ratio is None else 1.0 / self.on_off_ratio
        if abs(table[0] / table[-1] - off_share) > OFF_SHARE_TOLERANCE:
            wanted = "absent" if table[0] == 0 else f"{table[-1] / table[0]:.6g}"
            raise ValueError(
                f"programming.conductance_usiemens runs from {table[0]:g} to {table[-1]:g}, so "
                f"on_off_ratio must be {wanted} (found {self.on_off_ratio})"
            )
        return self

    @property
    def absent_errors(self) -> tuple[str, ...]:
        """Keys of the non-idealities that are left out and therefore ideal.

        SRAM is written, not programmed, and holds what it holds as long as it is powered.
        """
        keys = ("on_off_ratio", "sigma_on_ratio", *STATE_SECTIONS)
        inapplicable = ("programming", "drift") if self.model == "sram" else ()
        return tuple(key for key in keys if getattr(self, key) is None and key not in inapplicable)


STATE_SECTIONS = ("programming", "drift", "read_noise", "faults")
OFF_SHARE_TOLERANCE = 0.005
"""How far the ends of a table may be from the stated ratio of off to on current."""


def _need_exactly(section: Config, keys: tuple[str, ...], *, wanted: bool) -> None:
    """Check that the keys of one model are all given, or none of them."""
    given = [key for key in keys if getattr(section, key) is not None]
    model = getattr(section, "model", "")
    if wanted and len(given) < len(keys):
        missing = ", ".join(key for key in keys if key not in given)
        raise ValueError(f"model '{model}' needs {missing}")
    if given and not wanted:
        raise ValueError(f"{given[0]}: model '{model}' does not take it")
