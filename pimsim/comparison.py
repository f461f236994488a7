"""The same workload on many chips: one row each, at their own nodes or carried to one.

Which question this module answers: *what do these chips, and GPUs, make of one transformer?*

Every chip runs through all passes, with hardware that it was not published with (``extension``)
where it needs some. One that cannot run the workload keeps its row, with the reason. Latency is
that of a batch; energy is per input. Nothing here is heavy to import.

Not compared: off-chip memory and pins of chips that do not describe them, loading of weights, and
the host. Each GPU row says what its numbers include.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from pimsim.errors import InputError, MappingError, ModelRangeError, QuantizationError

if TYPE_CHECKING:
    from pimsim.config.architecture import Architecture
    from pimsim.records import Baseline, Result
    from pimsim.request import Progress
    from pimsim.workload import Workload

SCALING: Final = (
    "energy and area carried from each chip's node to {node_nm:g} nm with the factors of "
    "Stillmaker and Baas for digital logic at 0.9 V, converters and cells included, which shrink "
    "less than logic does; latency and accuracy are those at the chip's own node; GPUs are not "
    "scaled"
)
"""What is said beside numbers that were carried to another node."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What one machine makes of the workload."""

    name: str
    kind: Literal["pim", "gpu"]
    node_nm: float | None
    """``None``: not stated for a GPU."""
    precision: str
    """Numerics scheme, or number format of a GPU."""
    batch: int
    accuracy: float | None
    """Mean over Monte Carlo chips; ``None`` without values."""
    latency_us: float | None
    """Of one batch; ``None`` for a chip that cannot run the workload."""
    energy_uj: float | None
    """Of one input."""
    area_mm2: float | None
    extension_energy_ratio: float
    """Share of the energy that hardware spends which the chip was not published with."""
    extension_area_ratio: float
    """Share of the area that such hardware takes."""
    scope: str
    """What the numbers include and leave out."""
    reason: str | None = None
    """Why the chip cannot run the workload."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every machine, and under which conditions."""

    workload: str
    metric: str | None
    """Name of the accuracy metric; ``None`` for a workload without values."""
    float32: float | None
    """Accuracy of the reference."""
    samples: int
    chips: int
    seed: int
    scaling: str | None
    """How numbers were carried to one node; ``None``: each at its own."""
    rows: tuple[Compared, ...]


def compare(
    architectures: Sequence[str],
    workload: "Workload | str | os.PathLike[str]",
    *,
    samples: int | None = None,
    chips: int = 3,
    seed: int = 0,
    batch: int = 1,
    seq: int | None = None,
    node_nm: float | None = None,
    progress: "Progress | None" = None,
) -> Comparison:
    """Run one workload on several chips.

    Parameters
    ----------
    architectures
        Names or paths; each once.
    workload
        A loaded workload, a bundled name or a path to a folder.
    samples, chips, seed, batch, seq
        As of :func:`pimsim.simulate`.
    node_nm
        Node that energy and area are carried to; each chip's own when absent. [nm]
    progress
        Told about stages and steps.

    Returns
    -------
    Comparison
        Chips in the order given, then GPUs.

    Raises
    ------
    InputError
        If no chip is given or one twice, two have the same name, or a name or an argument is
        wrong.
    ModelRangeError
        If ``node_nm`` is outside the scaling tables.
    """
    from pimsim.config import load_architecture

    repeated = sorted({name for name in architectures if architectures.count(name) > 1})
    if not architectures or repeated:
        found = f"{', '.join(repeated)} twice" if repeated else "none"
        raise InputError(f"give at least one architecture, and each once (found {found})")
    described = [load_architecture(name) for name in architectures]
    _check_names(described)
    if node_nm is not None:
        _check_node(node_nm)
    rows: list[Compared] = []
    results: list[Result] = []
    for architecture in described:
        outcome = _outcome(
            architecture, workload, samples=samples, chips=chips, seed=seed, batch=batch, seq=seq,
            progress=progress,
        )  # fmt: skip
        if isinstance(outcome, str):
            rows.append(_unable(architecture, batch, outcome))
        else:
            results.append(outcome)
            rows.append(_of_chip(architecture, outcome, batch))
    if node_nm is not None:
        rows = [_at_node(row, node_nm) for row in rows]
    first = results[0] if results else None
    baselines = () if first is None else first.baselines
    gpus = [_of_gpu(one) for one in baselines if one.kind.startswith("gpu")]
    accuracy = None if first is None else first.accuracy
    return Comparison(
        workload=_name(workload) if first is None else str(first.workload["name"]),
        metric=None if accuracy is None else accuracy.metric,
        float32=None if accuracy is None else accuracy.float32,
        samples=(samples or 0) if first is None else first.manifest.samples,
        chips=chips,
        seed=seed,
        scaling=None if node_nm is None else SCALING.format(node_nm=node_nm),
        rows=(*rows, *gpus),
    )


def _outcome(
    architecture: "Architecture",
    workload: "Workload | str | os.PathLike[str]",
    *,
    samples: int | None,
    chips: int,
    seed: int,
    batch: int,
    seq: int | None,
    progress: "Progress | None",
) -> "Result | str":
    """The result on one chip, or why there is none."""
    from pimsim.simulate import simulate

    try:
        return simulate(
            architecture, workload, samples=samples, chips=chips, seed=seed, batch=batch, seq=seq,
            compare=(), progress=progress,
        )  # fmt: skip
    except (MappingError, QuantizationError, ModelRangeError) as error:
        return " ".join(line.strip() for line in str(error).splitlines())


def _of_chip(architecture: "Architecture", result: "Result", batch: int) -> Compared:
    analog = None if result.accuracy is None else result.accuracy.analog
    return Compared(
        name=architecture.name,
        kind="pim",
        node_nm=architecture.node_nm,
        precision=result.scheme,
        batch=batch,
        accuracy=None if analog is None else sum(analog) / len(analog),
        latency_us=result.latency_us,
        energy_uj=result.energy_uj / batch,
        area_mm2=result.area_mm2,
        extension_energy_ratio=_extension(result.energy_breakdown_uj, result.energy_uj),
        extension_area_ratio=_extension(result.area_breakdown_mm2, result.area_mm2),
        scope=f"whole chip, cost variant {result.costs[0].variant}",
    )


def _extension(parts: Mapping[str, float], whole: float) -> float:
    """Share of a whole that belongs to hardware which the chip was not published with."""
    from pimsim.cost.published_table import EXTENSION

    added = sum(part for name, part in parts.items() if name.split(".")[0] == EXTENSION)
    return added / whole if whole else 0.0


def _unable(architecture: "Architecture", batch: int, reason: str) -> Compared:
    return Compared(
        name=architecture.name,
        kind="pim",
        node_nm=architecture.node_nm,
        precision=architecture.numerics.scheme,
        batch=batch,
        accuracy=None,
        latency_us=None,
        energy_uj=None,
        area_mm2=None,
        extension_energy_ratio=0.0,
        extension_area_ratio=0.0,
        scope="",
        reason=reason,
    )


def _of_gpu(baseline: "Baseline") -> Compared:
    return Compared(
        name=baseline.name,
        kind="gpu",
        node_nm=None,
        precision=baseline.precision,
        batch=baseline.batch,
        accuracy=baseline.accuracy,
        latency_us=baseline.latency_us,
        energy_uj=baseline.energy_uj,
        area_mm2=baseline.area_mm2,
        extension_energy_ratio=0.0,
        extension_area_ratio=0.0,
        scope=f"{baseline.kind}: {baseline.scope}; {baseline.source}",
    )


def _check_names(described: "Sequence[Architecture]") -> None:
    """Refuse chips whose rows could not be told apart."""
    names = [architecture.name for architecture in described]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"two architectures are called {name!r}; give each its own 'name' in its file"
            )


def _check_node(node_nm: float) -> None:
    """Refuse a node outside the scaling tables before anything runs."""
    from pimsim.cost.technology import area_ratio, energy_ratio

    area_ratio(node_nm, node_nm)
    energy_ratio(65.0, node_nm)


def _at_node(row: Compared, node_nm: float) -> Compared:
    """Carry energy and area of a chip to another node."""
    from pimsim.cost.technology import area_ratio, energy_ratio

    if row.node_nm is None or row.energy_uj is None or row.area_mm2 is None:
        return row
    return replace(
        row,
        energy_uj=row.energy_uj * energy_ratio(row.node_nm, node_nm).value,
        area_mm2=row.area_mm2 * area_ratio(row.node_nm, node_nm).value,
    )


def _name(workload: "Workload | str | os.PathLike[str]") -> str:
    return str(getattr(workload, "name", workload))
