"""The column converters of a macro, as an architecture file describes them.

Which question this module answers: *what can be said about a converter's range, resolution and
errors, in which units and bounds?*

Every error is optional; absent means none. Errors are ratios of full scale or millivolts, never
codes, so that coarse and fine converters can be compared. Full scale is ``codes - 1`` steps.
"""

import math
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from pimsim.config.base import PICOSECOND_NS, Config, known_in
from pimsim.registry import ADC_MODELS

AdcModel = Annotated[str, AfterValidator(known_in(ADC_MODELS))]

AdcError = Literal["noise", "offset_sigma", "inl", "dnl_sigma", "comparator_offset"]
"""Errors that may be given as ``<name>_ratio`` of full scale or as ``<name>_mv``."""

ADC_ERRORS: Final[tuple[AdcError, ...]] = (
    "noise",
    "offset_sigma",
    "inl",
    "dnl_sigma",
    "comparator_offset",
)

ADC_ALTERNATIVES: Final = (
    ("noise_ratio", "noise_mv", "enob_bits"),
    *((f"{error}_ratio", f"{error}_mv") for error in ADC_ERRORS if error != "noise"),
)
"""Keys that state the same error in another way; at most one of each group may be given."""


class CodeRange(Config):
    """A range found from calibration samples, frozen."""

    lowest_code: int = Field(ge=-65536, le=0)
    """Code of the most negative input; 0 where column sums cannot be negative."""
    lsb_per_code: int = Field(ge=1, le=1 << 30)
    """Width of one code: whole steps of a column sum."""


class Adc(Config):
    """Column converter of one macro; exactly one of ``levels`` and ``bits``."""

    model: AdcModel
    """Name of a converter model: ``pimsim list``."""
    levels: int | None = Field(default=None, ge=2, le=65536)
    """Number of output codes, ``0 .. levels - 1``."""
    bits: int | None = Field(default=None, ge=1, le=16)
    """Resolution: ``2**bits`` codes."""
    columns_per_adc: int = Field(ge=1, le=65536)
    """Columns that share one converter, and its errors, through a multiplexer."""
    conversion_time_ns: float = Field(ge=PICOSECOND_NS, le=1e6)
    """One conversion; columns that share a converter follow each other."""
    range: Literal["full", "clipped", "calibrated"] = "full"
    """Column sums that the codes cover: all that can occur, the share ``clip_ratio`` of them, or
    what calibration samples need. A code is a whole number of steps wide in each case."""
    clip_ratio: float | None = Field(default=None, gt=0, le=1)
    """With ``range: clipped``: share of the largest possible column sum that is covered."""
    calibrated: CodeRange | None = None
    """With ``range: calibrated``: the range found, stored with a result; absent before that."""
    full_scale_mv: float | None = Field(default=None, gt=0, le=1e4)
    """Voltage that full scale stands for; needed by errors in mV, and by nothing else."""
    noise_ratio: float | None = Field(default=None, ge=0, le=1)
    """Input-referred Gaussian noise of a conversion, rms, over full scale; absent: none."""
    noise_mv: float | None = Field(default=None, ge=0, le=1e4)
    """The same in mV."""
    enob_bits: float | None = Field(default=None, gt=0, le=16)
    """The same as effective number of bits, quantization included."""
    gain_sigma_ratio: float | None = Field(default=None, ge=0, le=0.25)
    """Standard deviation of the gain from converter to converter, drawn once per chip."""
    offset_sigma_ratio: float | None = Field(default=None, ge=0, le=1)
    """Standard deviation of the offset from converter to converter, over full scale."""
    offset_sigma_mv: float | None = Field(default=None, ge=0, le=1e4)
    """The same in mV."""
    inl_ratio: float | None = Field(default=None, ge=-0.5, le=0.5)
    """Largest deviation of a decision level from the straight line, a smooth bow, the same for all
    converters, over full scale; positive: levels come late."""
    inl_mv: float | None = Field(default=None, ge=-1e4, le=1e4)
    """The same in mV."""
    dnl_sigma_ratio: float | None = Field(default=None, ge=0, le=1)
    """Standard deviation of the width of each code, over full scale, as from mismatched resistors
    of a reference ladder."""
    dnl_sigma_mv: float | None = Field(default=None, ge=0, le=1e4)
    """The same in mV."""
    comparator_offset_ratio: float | None = Field(default=None, ge=0, le=1)
    """Flash only: standard deviation of each comparator's offset, over full scale."""
    comparator_offset_mv: float | None = Field(default=None, ge=0, le=1e4)
    """The same in mV."""
    capacitor_mismatch_ratio: float | None = Field(default=None, ge=0, le=0.5)
    """SAR only: standard deviation of a unit capacitor, relative to it; a capacitor of ``n`` units
    has ``1 / sqrt(n)`` of it."""
    reference: Literal["fixed", "replica"]
    """What the decision levels follow when the operating point moves the cell currents: nothing,
    or a replica column's currents."""
    tracking_ratio: float | None = Field(default=None, ge=0, le=1)
    """Replica only: share of a shift that the levels follow; absent: all of it."""
    trim: Literal["none", "nominal", "per_chip"]
    """Offset and gain correction: none, one setting for all converters worked out for the nominal
    one, or one per converter from ``trim_vectors`` measurements."""
    trim_vectors: int | None = Field(default=None, ge=2, le=65536)
    """With ``trim: per_chip``: conversions that each converter spends on its trim."""
    trim_corner: Literal["nominal", "run"] = "nominal"
    """Operating point at which the trim is done."""

    @model_validator(mode="after")
    def _one_resolution(self) -> Self:
        if (self.levels is None) == (self.bits is None):
            given = "neither" if self.levels is None else "both"
            raise ValueError(f"give exactly one of 'levels' and 'bits', found {given}")
        return self

    @model_validator(mode="after")
    def _range_is_stated_once(self) -> Self:
        if (self.clip_ratio is not None) != (self.range == "clipped"):
            raise ValueError(
                "range 'clipped' needs 'clip_ratio', and only it takes one "
                f"(found range '{self.range}', clip_ratio {self.clip_ratio})"
            )
        if self.calibrated is None:
            return self
        if self.range != "calibrated":
            raise ValueError(f"calibrated: only range 'calibrated' takes it (found '{self.range}')")
        if -self.calibrated.lowest_code > self.codes - 1:
            raise ValueError(
                f"calibrated: lowest_code {self.calibrated.lowest_code} leaves no code for 0 "
                f"among {self.codes}; at least {1 - self.codes}"
            )
        return self

    @model_validator(mode="after")
    def _each_error_is_stated_once(self) -> Self:
        for keys in ADC_ALTERNATIVES:
            self._at_most_one_of(*keys)
        for error in ADC_ERRORS:
            self._check_mv(error)
        if self.enob_bits is not None and self.enob_bits > (limit := math.log2(self.codes)):
            raise ValueError(
                f"enob_bits ({self.enob_bits:g}) cannot exceed the resolution of {self.codes} "
                f"codes, {limit:.4g} bit"
            )
        return self

    @model_validator(mode="after")
    def _errors_suit_the_model(self) -> Self:
        for error, model in (("comparator_offset", "flash"), ("capacitor_mismatch", "sar")):
            given = [key for key in (f"{error}_ratio", f"{error}_mv") if getattr(self, key, None)]
            if given and self.model != model:
                raise ValueError(
                    f"{given[0]}: an error of model '{model}' (found model '{self.model}')"
                )
        if self.tracking_ratio is not None and self.reference != "replica":
            raise ValueError("tracking_ratio: only reference 'replica' tracks (found 'fixed')")
        if (self.trim_vectors is not None) != (self.trim == "per_chip"):
            raise ValueError(
                "trim 'per_chip' needs 'trim_vectors', and only it takes them "
                f"(found trim '{self.trim}', trim_vectors {self.trim_vectors})"
            )
        if self.trim == "none" and self.trim_corner != "nominal":
            raise ValueError("trim_corner: needs a trim (found trim 'none')")
        return self

    def _at_most_one_of(self, *keys: str) -> None:
        given = [key for key in keys if getattr(self, key) is not None]
        if len(given) > 1:
            raise ValueError(f"give at most one of {', '.join(map(repr, keys))}, found {given}")

    def _check_mv(self, error: AdcError) -> None:
        value_mv = getattr(self, f"{error}_mv")
        if value_mv is None:
            return
        if self.full_scale_mv is None:
            raise ValueError(f"{error}_mv needs 'full_scale_mv', or give {error}_ratio instead")
        limit_mv = (0.5 if error == "inl" else 1.0) * self.full_scale_mv
        if abs(value_mv) > limit_mv:
            raise ValueError(
                f"{error}_mv ({value_mv:g}) cannot exceed {limit_mv:g}, the limit at full_scale_mv "
                f"{self.full_scale_mv:g}"
            )

    @property
    def codes(self) -> int:
        """Number of output codes."""
        return self.levels if self.levels is not None else 1 << (self.bits or 0)

    @property
    def absent_errors(self) -> tuple[str, ...]:
        """Keys of the errors that are left out and therefore ideal, under one of their names."""
        own = {"flash": "comparator_offset_ratio", "sar": "capacitor_mismatch_ratio"}
        named = ["noise_ratio", "gain_sigma_ratio", "offset_sigma_ratio", "inl_ratio"]
        named += ["dnl_sigma_ratio", *([own[self.model]] if self.model in own else [])]
        named += ["tracking_ratio"] if self.reference == "replica" else []
        given = {key for key, value in self if value is not None}
        given |= {key.replace("_mv", "_ratio") for key in given}
        given |= {"noise_ratio"} if self.enob_bits is not None else set()
        return tuple(key for key in named if key not in given)

    def of_full_scale(self, error: AdcError) -> float:
        """Return one of the errors as a ratio of full scale; 0 where it is absent.

        ``enob_bits`` is another way to state noise; see :mod:`pimsim.analog.converter_noise`.

        Examples
        --------
        >>> adc = Adc(model="flash", levels=9, columns_per_adc=1, conversion_time_ns=1.0,
        ...           reference="fixed", trim="none", full_scale_mv=400.0, offset_sigma_mv=2.0)
        >>> adc.of_full_scale("offset_sigma")
        0.005
        """
        ratio, value_mv = getattr(self, f"{error}_ratio"), getattr(self, f"{error}_mv")
        if value_mv is not None and self.full_scale_mv is not None:
            return float(value_mv / self.full_scale_mv)
        return float(ratio or 0.0)
