"""Coefficients of the roofline, fitted to runs and judged on runs that took no part.

Which question this module answers: *how well is this GPU known, from which rows, and how far off is
a prediction likely to be?*

Coefficients are fitted per GPU and precision by least squares of the logarithm of the latency, so
that a batch of 1 counts as much as one of 128. How many are fitted depends on the rows: with at
least :data:`ROWS_FOR_ALL` rows utilisation of products, utilisation of attention and floor; with
fewer, utilisation of products alone; and the share of the bandwidth from steps of a decoder, which
do little else than read weights. What is not fitted is borrowed from the nearest GPU that has it.

The error that is stated comes from rows that were left out, a whole curve over the batch at a time,
since a row's neighbours would give it away. The fits are made once, by
``scripts/calibrate_gpus.py``, and stored in ``data/calibration.yaml``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib.resources import as_file, files
from math import isclose
from typing import Annotated, Final

from pydantic import Field

from pimsim.baselines.roofline import Coefficients
from pimsim.baselines.runs import Precision
from pimsim.baselines.specification import BYTES_PER_VALUE, load_gpu
from pimsim.config.base import Config
from pimsim.config.yaml_loader import check_version, read, validate

SCHEMA_VERSION: Final = 1
ROWS_FOR_ALL: Final = 12
"""Three coefficients of at least three curves; fewer rows fit one."""

TYPICAL: Final = Coefficients(
    utilisation_ratio=0.6,
    attention_utilisation_ratio=0.3,
    kernel_floor_us=5.0,
    bandwidth_ratio=0.8,
)
"""Where the fits begin; the share of the bandwidth also where no decoder was timed (assumed: what
large copies reach on GPUs)."""

RELATED: Final[Mapping[Precision, tuple[Precision, ...]]] = {
    "fp32": ("tf32", "fp16", "bf16", "int8"),
    "tf32": ("fp16", "bf16", "fp32", "int8"),
    "fp16": ("bf16", "fp8", "int8"),
    "bf16": ("fp16", "fp8", "int8"),
    "fp8": ("int8", "fp16", "bf16"),
    "int8": ("fp8", "fp16", "bf16"),
}
"""Whose coefficients stand in on the same GPU; peaks and bytes are always the precision's own."""

_ON_OTHER_UNITS: Final = frozenset({"fp32", "tf32"})

Ratio = Annotated[float, Field(gt=0)]


class Calibration(Config):
    """The fit of one GPU at one precision."""

    gpu: str
    precision: Precision
    utilisation_ratio: Ratio
    attention_utilisation_ratio: Ratio
    kernel_floor_us: float = Field(ge=0)
    bandwidth_ratio: Ratio
    fitted: tuple[str, ...] = Field(strict=False)
    """Which of the coefficients; the others are borrowed."""
    borrowed_from: str | None
    """GPU and precision of the others; ``None`` where they are typical values."""
    rows: int = Field(ge=1)
    fit_error_ratio: float = Field(ge=0)
    """Root mean square over the rows that were fitted."""
    left_out_error_ratio: float = Field(ge=0)
    """The same over rows while they were left out of the fit."""
    left_out_worst_ratio: float = Field(ge=0)
    test_rows: int = Field(ge=0)
    test_error_ratio: float | None
    """Over the rows that no fit ever used: other networks, other software."""

    expected_error_ratio: float = Field(ge=0)
    """Root mean square over curves, those left out and those of other networks alike."""

    dynamic_power_ratio: Ratio | None
    """Power that work adds to idle, as rows with energy have it, over that up to the board's design
    power; ``None`` where no row has energy: then the design power is assumed."""

    @property
    def coefficients(self) -> Coefficients:
        return Coefficients(**{name: getattr(self, name) for name in COEFFICIENTS})


COEFFICIENTS: Final = tuple(field.name for field in fields(Coefficients))


class CalibrationFile(Config):
    """Every fit."""

    schema_version: int
    transfer_error_ratio: Ratio
    """Root mean square over the rows of the fully fitted GPUs, each predicted with the coefficients
    of another one of its kind: what to expect of a GPU without rows."""
    calibrations: tuple[Calibration, ...] = Field(strict=False)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The coefficients of a prediction, and how far they are its own."""

    coefficients: Coefficients
    calibration: Calibration | None
    """``None`` where nothing is known of any relative."""
    expected_error_ratio: float
    note: str
    """Whose coefficients these are."""


# Part of the package: it does not change while it runs.
@cache
def stored() -> CalibrationFile:
    """Return the fits that pimsim brings along.

    Raises
    ------
    ConfigError
        If their file is damaged.
    """
    with as_file(files("pimsim.baselines") / "data" / "calibration.yaml") as path:
        document = read(path)
        check_version(document, SCHEMA_VERSION)
        return validate(document, CalibrationFile)


def choose(gpu: str, precision: Precision) -> Chosen:
    """Return the coefficients for a GPU and a precision: its own, or the nearest relative's.

    Parameters
    ----------
    gpu
        One of :func:`.known_gpus`.
    precision
        One that the GPU has.
    """
    file = stored()
    found = nearest(gpu, precision, file.calibrations)
    if found is None:
        note = "no GPU of its kind is calibrated: typical coefficients, assumed"
        return Chosen(TYPICAL, None, file.transfer_error_ratio, note)
    rows = f"{found.rows} run{'s' if found.rows > 1 else ''}"
    if (found.gpu, found.precision) == (gpu, precision):
        note = f"calibrated on {rows} of this GPU in {precision}"
        if found.borrowed_from is not None:
            note += f"; {_listed(found.fitted)} only, the rest from {found.borrowed_from}"
        error = found.expected_error_ratio
        if found.borrowed_from is not None:
            error = max(error, file.transfer_error_ratio)
        return Chosen(found.coefficients, found, error, note)
    title = load_gpu(found.gpu).name
    note = f"no run of this GPU in {precision}: coefficients of {title} in {found.precision}"
    error = max(file.transfer_error_ratio, found.expected_error_ratio)
    return Chosen(found.coefficients, found, error, note)


def nearest(
    gpu: str, precision: Precision, calibrations: Sequence[Calibration]
) -> Calibration | None:
    """Find the calibration to use, ``None`` if there is none.

    Of the GPU itself at the precision, else at one as wide, else at any other if its utilisation
    was fitted and the GPU's peaks at both are in step, twice the operations at half the width; then
    the same of the GPUs that its file names as nearest, in order. Last what is left, in the same
    order. FP32 and TF32 run on other units, or by other kernels, than the narrow
    precisions: for these a relative's at the same precision goes before the GPU's own at another.
    """
    if precision in _ON_OTHER_UNITS:
        for name in (gpu, *load_gpu(gpu).nearest):
            for known in calibrations:
                if (known.gpu, known.precision) == (name, precision):
                    return known
    near = (precision, *RELATED[precision])
    wide = [known for known in near if BYTES_PER_VALUE[known] == BYTES_PER_VALUE[precision]]
    by_place = {(known.gpu, known.precision): known for known in calibrations}
    rest: list[Calibration] = []
    for name in (gpu, *load_gpu(gpu).nearest):
        found = [by_place[name, known] for known in near if (name, known) in by_place]
        for calibration in found:
            tells = "utilisation_ratio" in calibration.fitted
            if calibration.precision in wide or (tells and _in_step(name, calibration, precision)):
                return calibration
        rest += found
    return rest[0] if rest else None


def _in_step(gpu: str, calibration: Calibration, precision: Precision) -> bool:
    """Whether the multipliers run both precisions at their natural rates.

    They do not on GeForce cards, whose FP16 peak is halved by accumulation in FP32 and is reached
    almost wholly, while that of INT8 is neither.
    """
    peaks = load_gpu(gpu).specification.peak_ops_per_s
    if precision not in peaks or calibration.precision not in peaks:
        return True
    of_one, of_other = (
        peaks[known].value * BYTES_PER_VALUE[known] for known in (precision, calibration.precision)
    )
    return isclose(of_one, of_other, rel_tol=0.1)


def changed(
    coefficients: Coefficients, names: Sequence[str], values: Iterable[float]
) -> Coefficients:
    """Return coefficients with some of them replaced."""
    return replace(coefficients, **dict(zip(names, values, strict=True)))


def _listed(names: Sequence[str]) -> str:
    plain = {
        "utilisation_ratio": "utilisation",
        "attention_utilisation_ratio": "utilisation of attention",
        "kernel_floor_us": "floor",
        "bandwidth_ratio": "share of the bandwidth",
    }
    return " and ".join(plain[name] for name in names)
