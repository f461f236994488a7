"""What was published of a chip, as the file ``published.yaml`` beside its description states it.

Which question this module answers: *which number stands where, under which conditions, and how
close must the description come to it?*
"""

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from pimsim.config import yaml_loader
from pimsim.config.base import Config
from pimsim.config.bundled import bundled_architectures
from pimsim.errors import NotFoundError, nearest
from pimsim.validation.metrics import METRICS

SCHEMA_VERSION: Final = 1
FILE: Final = "published.yaml"

Level = Literal["chip", "tile", "macro"]


def _known_metric(name: str) -> str:
    if name not in METRICS:
        raise ValueError(f"unknown metric {name!r}{nearest(name, METRICS)}")
    return name


class PublishedRow(Config):
    """One published number and how the simulated one is judged."""

    metric: Annotated[str, AfterValidator(_known_metric)]
    """What it is; the name ends in its unit."""
    published: float = Field(gt=0)
    """The number, one MAC counted as two operations."""
    place: str = Field(min_length=1)
    """Where it stands."""
    tolerance_ratio: float = Field(gt=0, le=1)
    """Largest deviation, either way, that counts as agreement."""
    reason: str = Field(min_length=1)
    """Why this tolerance."""
    calibrated: bool = False
    """Whether a constant of the description was fitted to this very number."""
    conditions: str = ""
    """Operand widths, supply and whatever else the number holds for."""
    set: tuple[str, ...] = Field(default=(), strict=False)
    """``PATH=VALUE`` changes of the description that make these conditions."""
    components: tuple[str, ...] = Field(default=(), strict=False)
    """Rows of the component table that the number is about; none: all."""
    of: Level = "chip"
    """Whether it is that of the chip, of a tile or of a macro."""
    macro: str | None = None
    """Macro kind of ``of: macro``; absent: the one that holds static weights."""
    outside: str | None = None
    """Why the description misses the number by more than the tolerance, where it does."""


class Quoted(Config):
    """A published number that nothing is compared with."""

    what: str = Field(min_length=1)
    """The number in words."""
    place: str = Field(min_length=1)
    """Where it stands."""
    why: str = Field(min_length=1)
    """Why pimsim has nothing to set beside it."""


class Published(Config):
    """Everything that was published of one chip and is used here."""

    schema_version: Literal[1]
    """Version of this format, first in the file."""
    title: str = Field(min_length=1)
    """The chip in one line."""
    reference: str = Field(min_length=1)
    """Short citation."""
    ops_per_mac: Literal[1, 2]
    """How the source counts; numbers below are with two, converted where it counts one."""
    calibration: tuple[str, ...] = Field(min_length=1, strict=False)
    """What was fitted to what; a single line saying so if nothing was."""
    notes: tuple[str, ...] = Field(default=(), strict=False)
    """What a reader must know, such as numbers of the source that contradict each other."""
    rows: tuple[PublishedRow, ...] = Field(min_length=1, strict=False)
    """Numbers that are compared."""
    quoted: tuple[Quoted, ...] = Field(default=(), strict=False)
    """Numbers that are not."""

    @model_validator(mode="after")
    def _something_is_predicted(self) -> Self:
        if all(row.calibrated for row in self.rows):
            raise ValueError("rows: every number was calibrated on, so nothing is predicted")
        return self


def published_chips() -> dict[str, Path]:
    """Return the bundled chips that have published numbers: name → their file."""
    files = {name: path.with_name(FILE) for name, path in bundled_architectures().items()}
    return {name: file for name, file in files.items() if file.is_file()}


def load_published(chip: str) -> Published:
    """Read and check the published numbers of a bundled chip.

    Raises
    ------
    NotFoundError
        If there is no such chip, or none with published numbers.
    ConfigError
        With every problem of the file.

    Examples
    --------
    >>> load_published("isaac").ops_per_mac
    2
    """
    known = published_chips()
    if chip not in known:
        raise NotFoundError(f"no published numbers of a chip called {chip!r}{nearest(chip, known)}")
    document = yaml_loader.read(known[chip])
    yaml_loader.check_version(document, SCHEMA_VERSION)
    return yaml_loader.validate(document, Published)
