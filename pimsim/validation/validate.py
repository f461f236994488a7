"""Published numbers beside simulated ones.

Which question this module answers: *which published numbers does the description of a chip meet,
and by how much does it miss the others?*
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pimsim.config import Architecture, load_architecture
from pimsim.cost.describe import Description, describe
from pimsim.validation.metrics import METRICS, Subject
from pimsim.validation.published import PublishedRow, load_published, published_chips


@dataclass(frozen=True, slots=True)
class ValidationRow:
    """One published number, what the description gives, and the judgement."""

    chip: str
    metric: str
    conditions: str
    """Part of the chip, components and operating point that the number is about."""
    published: float
    simulated: float
    deviation_ratio: float
    """Simulated over published, less one."""
    tolerance_ratio: float
    calibrated: bool
    """Whether a constant of the description was fitted to this very number."""
    within: bool
    place: str
    reason: str
    """Why this tolerance."""
    outside: str | None
    """Why the description misses the number, where it does."""


def validate(chips: Sequence[str] = ()) -> tuple[ValidationRow, ...]:
    """Compare published chips with what pimsim makes of their descriptions.

    Parameters
    ----------
    chips
        Names of bundled chips with published numbers; none: all of them.

    Raises
    ------
    NotFoundError
        If there is no such chip.
    ConfigError
        If a file of a chip is wrong.

    Examples
    --------
    >>> all(row.within for row in validate(["isaac"]))
    True
    """
    rows: list[ValidationRow] = []
    for chip in chips or published_chips():
        known: dict[tuple[str, ...], tuple[Architecture, Description]] = {}
        for row in load_published(chip).rows:
            if row.set not in known:
                architecture = load_architecture(chip, overrides=row.set)
                known[row.set] = architecture, describe(architecture)
            subject = Subject(*known[row.set], row.components, row.of, row.macro)
            rows.append(_judged(chip, row, METRICS[row.metric](subject)))
    return tuple(rows)


def _judged(chip: str, row: PublishedRow, simulated: float) -> ValidationRow:
    deviation = simulated / row.published - 1.0
    return ValidationRow(
        chip=chip,
        metric=row.metric,
        conditions=_conditions(row),
        published=row.published,
        simulated=simulated,
        deviation_ratio=deviation,
        tolerance_ratio=row.tolerance_ratio,
        calibrated=row.calibrated,
        within=abs(deviation) <= row.tolerance_ratio,
        place=row.place,
        reason=row.reason,
        outside=row.outside,
    )


def _conditions(row: PublishedRow) -> str:
    part = "" if row.of == "chip" else f"one {row.of}"
    return "; ".join(filter(None, (part, " + ".join(row.components), row.conditions)))
